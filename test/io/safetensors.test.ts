/**
 * Protects the reader of safetensors from files that lie, one test per check of the format, and the writer's promise that
 * what is written is read back and that its bytes depend on names and tensors alone.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { ArgumentError, DTypeError, FormatError } from '../../src/errors'
import {
  loadSafetensors,
  loadSafetensorsSync,
  parseSafetensors,
  saveSafetensors,
  saveSafetensorsSync,
  serializeSafetensors,
} from '../../src/io/safetensors'
import type { DType } from '../../src/tensor/dtype'
import { fromIntRepr } from '../../src/tensor/qtensor'
import { equal, fromStorage, tensor, Tensor } from '../../src/tensor/tensor'

/** A file of this header text and data; the header's length is what it is, unless given. */
function file(header: string | Uint8Array, data: readonly number[] = [], length?: bigint): Uint8Array {
  const text = Buffer.from(header)
  const bytes = Buffer.alloc(8 + text.length + data.length)
  bytes.writeBigUInt64LE(length ?? BigInt(text.length))
  bytes.set(text, 8)
  bytes.set(data, 8 + text.length)
  return bytes
}

/** A file with these tensors' headers as given. */
function described(tensors: Readonly<Record<string, unknown>>, dataLength: number): Uint8Array {
  return file(JSON.stringify(tensors), new Array<number>(dataLength).fill(0))
}

function refusal(bytes: Uint8Array): string {
  try {
    parseSafetensors(bytes)
  } catch (error) {
    expect(error).toBeInstanceOf(FormatError)
    return (error as FormatError).message
  }
  throw new Error('the file was taken')
}

/** The class of what parseSafetensors throws, if it throws. */
function thrownClass(bytes: Uint8Array): unknown {
  try {
    parseSafetensors(bytes)
  } catch (error) {
    return error instanceof Error ? error.constructor : error
  }
  return undefined
}

const one = { dtype: 'U8', shape: [2], data_offsets: [0, 2] }

describe('parseSafetensors reads', () => {
  test('names, shapes, dtypes, values and metadata', () => {
    const bytes = file(
      '{"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"__metadata__":{"k":"v"}} ',
      [0, 0, 128, 63, 0, 0, 0, 192],
    )
    const { tensors, metadata } = parseSafetensors(bytes)
    expect(tensors.get('a')?.dtype).toBe('float32')
    expect(tensors.get('a')?.toArray()).toEqual([[1, -2]])
    expect({ ...metadata }).toEqual({ k: 'v' })
  })

  test('an empty header, with and without the spaces that pad it', () => {
    expect(parseSafetensors(file('{}')).tensors.size).toBe(0)
    expect(parseSafetensors(file('{}      ')).tensors.size).toBe(0)
    expect(parseSafetensors(file('{"__metadata__":{}}')).tensors.size).toBe(0)
  })

  test('a scalar, a tensor without elements, and one with a huge axis beside an axis of 0', () => {
    const { tensors } = parseSafetensors(
      described(
        {
          none: { dtype: 'F32', shape: [0, 3], data_offsets: [4, 4] },
          scalar: { dtype: 'I32', shape: [], data_offsets: [0, 4] },
          wide: { dtype: 'F32', shape: [2147483647, 0], data_offsets: [0, 0] },
        },
        4,
      ),
    )
    expect(tensors.get('none')?.shape).toEqual([0, 3])
    expect(tensors.get('scalar')?.item()).toBe(0)
    expect(tensors.get('wide')?.size).toBe(0)
  })

  test('data whose order is not that of the header', () => {
    const bytes = file(
      '{"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
      [7, 9],
    )
    expect([...parseSafetensors(bytes).tensors].map(([name, t]) => [name, t.item()])).toEqual([
      ['b', 9],
      ['a', 7],
    ])
  })

  test('elements at odd offsets, of the file and of its buffer', () => {
    const bytes = file(
      '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}}',
      [1, 0, 0, 128, 63],
    )
    for (const shift of [0, 1, 2, 3]) {
      const moved = new Uint8Array(bytes.length + shift).subarray(shift)
      moved.set(bytes)
      expect(parseSafetensors(moved).tensors.get('b')?.item()).toBe(1)
    }
  })

  test('elements into memory of their own, so that the file may change afterwards', () => {
    const bytes = file(JSON.stringify({ a: one }), [1, 2])
    const { tensors } = parseSafetensors(bytes)
    bytes.fill(0)
    expect(tensors.get('a')?.toArray()).toEqual([1, 2])
  })

  test('halves, brain floats and short integers exactly, doubles rounded to float32', () => {
    const data = Buffer.alloc(38)
    ;[0x3c00, 0xc000, 0x0001, 0x7c00, 0x7e00].forEach((bits, i) => data.writeUInt16LE(bits, 2 * i))
    ;[0x3f80, 0xff80].forEach((bits, i) => data.writeUInt16LE(bits, 10 + 2 * i))
    data.writeInt16LE(-300, 14)
    data.writeUInt16LE(65535, 16)
    data.writeDoubleLE(0.1, 18)
    data.writeBigInt64LE(-(2n ** 60n), 26)
    data.set([1, 0, 1, 1], 34)
    const { tensors } = parseSafetensors(
      file(
        JSON.stringify({
          half: { dtype: 'F16', shape: [5], data_offsets: [0, 10] },
          brain: { dtype: 'BF16', shape: [2], data_offsets: [10, 14] },
          i16: { dtype: 'I16', shape: [1], data_offsets: [14, 16] },
          u16: { dtype: 'U16', shape: [1], data_offsets: [16, 18] },
          double: { dtype: 'F64', shape: [], data_offsets: [18, 26] },
          long: { dtype: 'I64', shape: [], data_offsets: [26, 34] },
          flag: { dtype: 'BOOL', shape: [2, 2], data_offsets: [34, 38] },
        }),
        [...data],
      ),
    )
    const read = (name: string): unknown => [tensors.get(name)?.dtype, tensors.get(name)?.toArray()]
    expect(read('half')).toEqual(['float32', [1, -2, 2 ** -24, Infinity, NaN]])
    expect(read('brain')).toEqual(['float32', [1, -Infinity]])
    expect(read('i16')).toEqual(['int32', [-300]])
    expect(read('u16')).toEqual(['int32', [65535]])
    expect(read('double')).toEqual(['float32', Math.fround(0.1)])
    expect(read('long')).toEqual(['int64', -(2n ** 60n)])
    expect(read('flag')).toEqual([
      'bool',
      [
        [true, false],
        [true, true],
      ],
    ])
  })

  test('names that JavaScript objects treat specially as plain names', () => {
    const header =
      '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"__metadata__":{"__proto__":"p","constructor":"c"}}'
    const { tensors, metadata } = parseSafetensors(file(header, [5]))
    expect(tensors.get('__proto__')?.item()).toBe(5)
    expect(Object.keys(metadata)).toEqual(['__proto__', 'constructor'])
    expect(parseSafetensors(file('{}')).metadata.constructor).toBeUndefined()
  })
})

describe('parseSafetensors refuses', () => {
  test('what is not a Uint8Array', () => {
    for (const value of [null, 'x', new ArrayBuffer(8), new Float32Array(2)])
      expect(() => parseSafetensors(value as never)).toThrow(DTypeError)
  })

  test('fewer than eight bytes', () => {
    expect(refusal(new Uint8Array(0))).toMatch('0 bytes')
    expect(refusal(new Uint8Array(7))).toMatch('7 bytes, and the length of the header alone takes 8')
  })

  test('a header length over the limit, up to 2^64 - 1, without allocating it', () => {
    for (const length of [100_000_001n, 2n ** 53n, 2n ** 64n - 1n])
      expect(refusal(file('{}', [], length))).toMatch(`claims ${String(length)} bytes, and the limit is 100000000`)
  })

  test('a header that ends behind the file', () => {
    expect(refusal(file('{}', [], 3n))).toMatch('claims 3 bytes, and 2 follow')
  })

  test('a file cut off at any byte', () => {
    const whole = serializeSafetensors(new Map([['a', tensor([1, 2, 3])]]), { note: 'x' })
    for (let length = 0; length < whole.length; length++)
      expect(refusal(whole.subarray(0, length))).toMatch('not a safetensors file')
  })

  test('a file with bytes behind its last tensor', () => {
    expect(refusal(described({ a: one }, 3))).toMatch('its tensors take 2 bytes, but 3 follow the header')
    expect(refusal(file('{}', [0]))).toMatch('take 0 bytes, but 1 follow')
  })

  test('a header that is not UTF-8', () => {
    expect(refusal(file(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d)))).toMatch('not UTF-8')
    expect(refusal(file(Uint8Array.of(0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x7d)))).toMatch('not UTF-8')
  })

  test('a header that does not begin with a brace', () => {
    for (const text of ['', ' {}', '\ufeff{}', '[]', 'null', '"a"', '1'])
      expect(refusal(file(text))).toMatch('"{" as the first byte')
  })

  test('a header that is not JSON', () => {
    for (const text of [
      '{',
      '{"a"',
      '{"a":',
      '{"a":{}',
      '{a:1}',
      "{'a':{}}",
      '{"a\n":{}}',
      '{"a\\x":{}}',
      '{"a\\u12":{}}',
      '{"a',
      '{"a\\',
      '{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},}',
      '{"a":{"dtype":"U8","shape":[0,],"data_offsets":[0,0]}}',
      '{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}{}',
      '{}\0',
      '{} x',
    ])
      expect(refusal(file(text))).toMatch(/header (must|ends|has|lacks)/)
  })

  test('a header nested beyond the grammar, however deep', () => {
    expect(refusal(file(`{"a":${'['.repeat(1_000_000)}`))).toMatch('must have "{"')
    expect(refusal(file('{"a":'.repeat(200_000)))).toMatch('unknown field "a" of tensor "a"')
    expect(refusal(file(`{"a":{"dtype":"U8","shape":${'['.repeat(1_000_000)}`))).toMatch('a whole number')
  })

  test('a tensor name, a field or a metadata key that comes twice', () => {
    const info = JSON.stringify(one)
    expect(refusal(file(`{"a":${info},"a":${info}}`, [0, 0]))).toMatch('the name "a" twice')
    expect(refusal(file(`{"a":${info},"\\u0061":${info}}`, [0, 0]))).toMatch('the name "a" twice')
    expect(refusal(file('{"__metadata__":{},"__metadata__":{}}'))).toMatch('"__metadata__" twice')
    expect(refusal(file('{"__metadata__":{"k":"1","k":"2"}}'))).toMatch('the key of __metadata__ "k" twice')
    expect(refusal(file('{"a":{"dtype":"U8","dtype":"I8","shape":[0],"data_offsets":[0,0]}}'))).toMatch('"dtype" twice')
  })

  test('metadata that is not text', () => {
    for (const value of ['1', 'null', '{}', '[]', 'true'])
      expect(refusal(file(`{"__metadata__":{"k":${value}}}`))).toMatch('a string for __metadata__."k"')
    expect(refusal(file('{"__metadata__":"x"}'))).toMatch('must have "{"')
  })

  test('a tensor without dtype, shape or data_offsets, or with a field of another name', () => {
    for (const field of ['dtype', 'shape', 'data_offsets'])
      expect(refusal(described({ a: { ...one, [field]: undefined } }, 2))).toMatch(
        'lacks dtype, shape or the two data_offsets of tensor "a"',
      )
    expect(refusal(described({ a: { ...one, strides: [1] } }, 2))).toMatch('unknown field "strides"')
  })

  test('data_offsets that are not two', () => {
    expect(refusal(described({ a: { ...one, data_offsets: [] } }, 2))).toMatch('lacks')
    expect(refusal(described({ a: { ...one, data_offsets: [0] } }, 2))).toMatch('lacks')
    expect(refusal(described({ a: { ...one, data_offsets: [0, 2, 2] } }, 2))).toMatch(
      'more than 2 numbers in data_offsets',
    )
  })

  test('a dtype that does not exist, is not text, or is not read', () => {
    for (const dtype of ['F8_E4M3', 'U64', 'f32', '', 'constructor'])
      expect(refusal(described({ a: { ...one, dtype } }, 2))).toMatch(`has dtype "${dtype}", and only BOOL, U8`)
    expect(refusal(described({ a: { ...one, dtype: 5 } }, 2))).toMatch('a string as dtype')
  })

  test('numbers that are negative, fractional, in exponent form, too long, or no numbers', () => {
    for (const number of [
      '-1',
      '1.5',
      '2e0',
      '1E2',
      '01',
      '9007199254740993',
      '1'.repeat(1000),
      '"2"',
      'null',
      'NaN',
      '',
    ])
      for (const field of ['shape', 'data_offsets'])
        expect(refusal(file(`{"a":{"dtype":"U8","${field}":[${number}`))).toMatch(
          /a whole number from 0|more than|"\]"/,
        )
  })

  test('a rank over eight', () => {
    expect(refusal(described({ a: { ...one, shape: new Array(9).fill(1) } }, 2))).toMatch(
      'more than 8 numbers in shape',
    )
  })

  test('a shape whose product is beyond 2^31, 2^53 or a double', () => {
    for (const shape of [[2147483648], [65536, 65536], [2 ** 27, 2 ** 27], new Array<number>(8).fill(2147483647)])
      expect(refusal(described({ a: { ...one, shape } }, 2))).toMatch('at most 2147483647 elements')
  })

  test('a shape whose product comes back into range by an axis of 0 behind a product beyond it', () => {
    expect(refusal(described({ a: { dtype: 'U8', shape: [2 ** 30, 2 ** 30, 0], data_offsets: [0, 0] } }, 0))).toMatch(
      'at most 2147483647 elements',
    )
  })

  test('offsets that run backwards or behind the data', () => {
    expect(refusal(described({ a: { ...one, data_offsets: [2, 0] } }, 2))).toMatch(
      '[2, 0], and there are 2 bytes of data',
    )
    expect(refusal(described({ a: { ...one, data_offsets: [0, 3] } }, 2))).toMatch(
      '[0, 3], and there are 2 bytes of data',
    )
    expect(refusal(described({ a: { ...one, data_offsets: [2 ** 52, 2 ** 52 + 2] } }, 2))).toMatch('there are 2 bytes')
  })

  test('a span that is not the bytes of the dtype and shape', () => {
    for (const [dtype, bytes] of Object.entries({
      U8: 2,
      I8: 2,
      BOOL: 2,
      F16: 4,
      BF16: 4,
      I16: 4,
      U16: 4,
      I32: 8,
      F32: 8,
      F64: 16,
      I64: 16,
    })) {
      const span = (end: number): Uint8Array => described({ a: { dtype, shape: [2], data_offsets: [0, end] } }, end)
      expect(parseSafetensors(span(bytes)).tensors.get('a')?.shape).toEqual([2])
      expect(refusal(span(bytes - 1))).toMatch(
        `takes ${String(bytes)} bytes as ${dtype} [2], but its data_offsets span ${String(bytes - 1)}`,
      )
      expect(refusal(span(bytes + 1))).toMatch(`span ${String(bytes + 1)}`)
    }
  })

  test('a hole before the first tensor, or between two', () => {
    expect(refusal(described({ a: { ...one, data_offsets: [1, 3] } }, 3))).toMatch(
      'begins at byte 1 of the data and the one before it ends at 0: a hole',
    )
    expect(refusal(described({ a: one, b: { ...one, data_offsets: [3, 5] } }, 5))).toMatch(
      'begins at byte 3 of the data and the one before it ends at 2: a hole',
    )
  })

  test('tensors that overlap, or name the same bytes', () => {
    expect(refusal(described({ a: one, b: { ...one, data_offsets: [1, 3] } }, 3))).toMatch('they overlap')
    expect(refusal(described({ a: one, b: one }, 2))).toMatch('they overlap')
  })

  test('an empty tensor inside another', () => {
    expect(refusal(described({ a: one, b: { dtype: 'U8', shape: [0], data_offsets: [1, 1] } }, 2))).toMatch(
      'they overlap',
    )
  })

  test('a bool that is neither 0 nor 1', () => {
    expect(refusal(file(JSON.stringify({ a: { ...one, dtype: 'BOOL' } }), [1, 2]))).toMatch('bytes other than 0 and 1')
  })

  test('any file with bytes changed at random, or reads it, and never fails otherwise', () => {
    const whole = serializeSafetensors(
      new Map<string, Tensor<DType>>([
        ['weight', tensor([1, 2, 3, 4], [2, 2])],
        ['codes', tensor([1, 2, 3], [3], { dtype: 'uint8' })],
      ]),
      { format: 'pt' },
    )
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (changes) => {
          const bytes = whole.slice()
          for (const [at, value] of changes) bytes[at] = value
          expect([undefined, FormatError]).toContain(thrownClass(bytes))
        },
      ),
      { numRuns: 2000 },
    )
  })
})

describe('serializeSafetensors', () => {
  const makers: Readonly<Record<DType, fc.Arbitrary<number | bigint>>> = {
    float32: fc.float(),
    int32: fc.integer(),
    int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    uint8: fc.nat(255),
    int8: fc.integer({ min: -128, max: 127 }),
    bool: fc.nat(1),
  }
  const anyTensor = fc
    .record({
      dtype: fc.constantFrom(...(Object.keys(makers) as DType[])),
      shape: fc.array(fc.nat(4), { maxLength: 4 }),
    })
    .chain(({ dtype, shape }) => {
      const size = shape.reduce((product, length) => product * length, 1)
      return fc
        .array(makers[dtype], { minLength: size, maxLength: size })
        .map((values): Tensor<DType> => tensor(values as number[], shape, { dtype }))
    })
  const names = fc.string({ unit: 'binary' }).filter((name) => name !== '__metadata__')

  test('writes what parseSafetensors reads back, whatever the names, shapes, dtypes and text', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(names, anyTensor), { selector: ([name]) => name, maxLength: 6 }),
        fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }),
        (entries, metadata) => {
          const bytes = serializeSafetensors(new Map(entries), metadata)
          const read = parseSafetensors(bytes)
          expect(read.tensors.size).toBe(entries.length)
          for (const [name, value] of entries) expect(equal(read.tensors.get(name) ?? tensor([]), value)).toBe(true)
          expect(Object.entries(read.metadata).sort()).toEqual(Object.entries(metadata).sort())
        },
      ),
    )
  })

  test('gives the same bytes whatever the order of the map and of the metadata', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(names, anyTensor), { selector: ([name]) => name, minLength: 2, maxLength: 6 }),
        (entries) => {
          const forwards = serializeSafetensors(new Map(entries), { a: '1', b: '2' })
          const backwards = serializeSafetensors(new Map([...entries].reverse()), { b: '2', a: '1' })
          expect(Buffer.compare(forwards, backwards)).toBe(0)
        },
      ),
    )
  })

  test("lays tensors out as the format's own writer does: metadata, then by size of element, then by name, padded to 8", () => {
    const bytes = serializeSafetensors(
      new Map<string, Tensor<DType>>([
        ['10', tensor([1], [1], { dtype: 'uint8' })],
        ['b', tensor([1])],
        ['a', tensor([2])],
        ['long', tensor([3n], [1], { dtype: 'int64' })],
        ['flag', tensor([true], [1], { dtype: 'bool' })],
        ['2', tensor([4], [1], { dtype: 'int8' })],
        ['n', tensor([5], [], { dtype: 'int32' })],
      ]),
      { format: 'pt' },
    )
    const length = Number(Buffer.from(bytes).readBigUInt64LE())
    expect(length % 8).toBe(0)
    expect(
      Buffer.from(bytes)
        .subarray(8, 8 + length)
        .toString()
        .trimEnd(),
    ).toBe(
      '{"__metadata__":{"format":"pt"},' +
        '"long":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},' +
        '"a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},' +
        '"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]},' +
        '"n":{"dtype":"I32","shape":[],"data_offsets":[16,20]},' +
        '"2":{"dtype":"I8","shape":[1],"data_offsets":[20,21]},' +
        '"10":{"dtype":"U8","shape":[1],"data_offsets":[21,22]},' +
        '"flag":{"dtype":"BOOL","shape":[1],"data_offsets":[22,23]}}',
    )
  })

  test('writes a channels-last tensor in the order of its shape', () => {
    const stored = fromStorage('float32', Float32Array.of(1, 3, 2, 4), [1, 2, 1, 2], 'channelsLast')
    const read = parseSafetensors(serializeSafetensors(new Map([['x', stored]]))).tensors.get('x')
    expect(read?.toArray()).toEqual([[[[1, 2]], [[3, 4]]]])
  })

  test('writes a quantized tensor as codes, scale and zero point', () => {
    const q = fromIntRepr(Int8Array.of(-3, 4), [2], 'qint8', { scale: 0.5, zeroPoint: -1 })
    const { tensors } = parseSafetensors(serializeSafetensors(new Map([['q', q]])))
    expect([...tensors.keys()]).toEqual(['q_scale', 'q_zero_point', 'q'])
  })

  test('refuses a tensor named __metadata__, metadata that is not text, and what is no tensor', () => {
    expect(() => serializeSafetensors(new Map([['__metadata__', tensor([1])]]))).toThrow(ArgumentError)
    expect(() => serializeSafetensors(new Map(), { a: 1 } as never)).toThrow(/metadata.a must be a string, but got 1/)
    expect(() => serializeSafetensors(new Map(), null as never)).toThrow(ArgumentError)
    expect(() => serializeSafetensors(new Map([['a', 1]]) as never)).toThrow(DTypeError)
    expect(() => serializeSafetensors({ a: tensor([1]) } as never)).toThrow(
      /a Map of tensors by name, but got an object/,
    )
  })
})

describe('files', () => {
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'int8-io-'))
  })
  afterAll(() => {
    rmSync(folder, { recursive: true })
  })

  test('are written and read, now and off the event loop', async () => {
    const tensors = new Map([['x', tensor([1.5, -2])]])
    const [a, b] = [join(folder, 'a.safetensors'), join(folder, 'b.safetensors')]
    await saveSafetensors(a, tensors, { k: 'v' })
    saveSafetensorsSync(b, tensors, { k: 'v' })
    for (const { tensors: read, metadata } of [await loadSafetensors(b), loadSafetensorsSync(a)]) {
      expect(read.get('x')?.toArray()).toEqual([1.5, -2])
      expect(metadata['k']).toBe('v')
    }
  })

  test('that are not safetensors are named in the error', async () => {
    const path = join(folder, 'c.safetensors')
    writeFileSync(path, 'hello')
    await expect(loadSafetensors(path)).rejects.toThrow(
      `loadSafetensors: ${path} is not a safetensors file: it has 5 bytes`,
    )
    expect(() => loadSafetensorsSync(path)).toThrow(FormatError)
  })

  test('that do not exist give the error of the file system', async () => {
    await expect(loadSafetensors(join(folder, 'none'))).rejects.toThrow('ENOENT')
  })
})

/** Protects tensors: making them, their memory formats and shapes, and what is refused by name. */
import fc from 'fast-check'
import type { QDType } from '../../src/tensor/dtype'
import { DTypeError, Int8Error, QParamsError, ShapeError } from '../../src/errors'
import { relu } from '../../src/ops/quantized'
import { fromIntRepr, isQTensor } from '../../src/tensor/qtensor'
import { quantizePerChannel, quantizePerTensor } from '../../src/tensor/quantize'
import type { MemoryFormat } from '../../src/tensor/shape'
import { equal, fromStorage, isTensor, tensor, zeros } from '../../src/tensor/tensor'

const range = (size: number): Float32Array => Float32Array.from({ length: size }, (_, i) => i)

describe('tensor', () => {
  test('takes nested arrays, typed arrays, numbers, and a shape', () => {
    expect(
      tensor([
        [1, 2],
        [3, 4],
      ]),
    ).toMatchObject({ shape: [2, 2], dtype: 'float32', rank: 2, size: 4 })
    expect(tensor(5)).toMatchObject({ shape: [], rank: 0, size: 1 })
    expect(tensor([1, 2, 3, 4], [2, 2]).toArray()).toEqual([
      [1, 2],
      [3, 4],
    ])
    expect(tensor(new Int8Array([1, 2])).toArray()).toEqual([1, 2])
    expect(tensor([[], []]).shape).toEqual([2, 0])
  })

  test('copies what it is given', () => {
    const data = new Float32Array([1, 2])
    const x = tensor(data)
    data[0] = 9
    expect(x.data[0]).toBe(1)
  })

  test('holds every dtype', () => {
    expect(tensor([1, 2], [2], { dtype: 'int64' }).toArray()).toEqual([1n, 2n])
    expect(tensor([true, false], [2], { dtype: 'bool' }).toArray()).toEqual([true, false])
    expect(tensor([255], [1], { dtype: 'uint8' }).item()).toBe(255)
    expect(tensor([0.1]).item()).toBe(Math.fround(0.1))
  })

  test.each<[string, () => unknown, RegExp]>([
    ['ragged arrays', () => tensor([[1, 2], [3]]), /equal lengths/],
    ['a shape of another size', () => tensor([1, 2, 3], [2, 2]), /4 numbers for shape \[2, 2\], but got 3/],
    ['what is no number', () => tensor(['1'] as never), /data\[0\].*but got "1"/],
    ['what does not fit the dtype', () => tensor([256], [1], { dtype: 'uint8' }), /data\[0\]/],
    ['a fraction among integers', () => tensor([1.5], [1], { dtype: 'int32' }), /data\[0\]/],
    ['a dtype that does not exist', () => tensor([1], [1], { dtype: 'float64' as never }), /dtype must be float32/],
    ['a quantized dtype, with the way out', () => tensor([1], [1], { dtype: 'quint8' as never }), /quantizePerTensor/],
    ['edge 71: a negative size', () => zeros([-1]), /shape\[0\] must be a whole number of at least 0, but got -1/],
    ['edge 71: a fractional size', () => zeros([1.5]), /but got 1.5/],
    ['edge 71: NaN', () => zeros([NaN]), /but got NaN/],
    ['edge 71: a bigint', () => zeros([1n as never]), /but got 1n/],
    ['edge 71: a shape that is no array', () => zeros(3 as never), /an array of sizes, but got 3/],
    ['edge 15: 2^31 elements', () => zeros([2 ** 16, 2 ** 15]), /at most 2147483647 elements/],
    ['edge 15: more than 2^53 elements', () => zeros([2 ** 30, 2 ** 30]), /at most 2147483647 elements/],
    ['rank 9', () => zeros([1, 1, 1, 1, 1, 1, 1, 1, 1]), /of rank 8 at most/],
    ['storage of another length', () => fromStorage('float32', range(3), [2, 2]), /4 elements for shape \[2, 2\]/],
    [
      'storage of another class',
      () => fromStorage('float32', new Int8Array(4) as never, [4]),
      /a Float32Array for float32/,
    ],
    ['channels-last of rank 2', () => fromStorage('float32', range(4), [2, 2], 'channelsLast'), /ranks 3 to 5/],
    [
      'a memory format that does not exist',
      () => zeros([1]).contiguous('nhwc' as never),
      /'contiguous' or 'channelsLast'/,
    ],
    ['the item of many', () => zeros([2]).item(), /of one element/],
  ])('refuses %s', (_, call, message) => {
    expect(call).toThrow(Int8Error)
    expect(call).toThrow(message)
  })

  test('an empty axis makes any other size legal', () => {
    expect(zeros([0, 2 ** 20, 2 ** 20]).size).toBe(0)
  })

  test('is frozen, shape and all', () => {
    const x = zeros([2])
    expect(Object.isFrozen(x)).toBe(true)
    expect(Object.isFrozen(x.shape)).toBe(true)
  })
})

describe('memory formats', () => {
  test('channels-last stores the channels innermost and changes nothing else', () => {
    const x = tensor(range(12), [1, 3, 2, 2])
    const last = x.contiguous('channelsLast')
    expect([...last.storage]).toEqual([0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11])
    expect(last.data).toEqual(x.data)
    expect(last.toArray()).toEqual(x.toArray())
    expect(equal(last, x)).toBe(true)
  })

  test('there and back is the identity for ranks 3 to 5', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 3, maxLength: 5 })
    fc.assert(
      fc.property(sizes, (shape) => {
        const x = tensor(range(shape.reduce((a, b) => a * b, 1)), shape)
        expect(x.contiguous('channelsLast').contiguous().storage).toEqual(x.storage)
      }),
    )
  })

  test('a format that changes no order shares memory', () => {
    const x = tensor(range(3), [1, 3, 1, 1])
    expect(x.contiguous('channelsLast').storage).toBe(x.storage)
    expect(x.contiguous()).toBe(x)
  })
})

describe('reshape and permute', () => {
  test('reshape infers one size', () => {
    expect(tensor(range(12)).reshape([3, -1]).shape).toEqual([3, 4])
    expect(zeros([0, 3]).reshape([0, 5]).shape).toEqual([0, 5])
  })

  test.each<[string, () => unknown, RegExp]>([
    ['two holes', () => zeros([4]).reshape([-1, -1]), /at most one -1/],
    ['another size', () => zeros([4]).reshape([3]), /a shape of 4 elements/],
    ['a hole beside an empty axis', () => zeros([0, 3]).reshape([0, -1]), /a shape of 0 elements/],
    ['too few axes', () => zeros([2, 3]).permute([0]), /an array of 2 axes/],
    ['an axis twice', () => zeros([2, 3]).permute([0, -2]), /every axis once/],
    ['an axis that does not exist', () => zeros([2, 3]).permute([0, 2]), /axes\[1\]/],
  ])('refuse %s', (_, call, message) => {
    expect(call).toThrow(ShapeError)
    expect(call).toThrow(message)
  })

  test('edge 63: permute and its inverse are the identity, from any memory format', () => {
    const format = fc.constantFrom<MemoryFormat>('contiguous', 'channelsLast')
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4, maxLength: 4 }), format, (axes, memoryFormat) => {
        const x = tensor(range(120), [2, 3, 4, 5]).contiguous(memoryFormat)
        const back = [0, 1, 2, 3].map((axis) => axes.indexOf(axis))
        expect(equal(x.permute(axes).permute(back), x)).toBe(true)
        expect(x.permute(axes).shape).toEqual(axes.map((axis) => x.shape[axis]))
      }),
    )
  })
})

describe('a quantized tensor', () => {
  const q = quantizePerTensor(tensor(range(4), [2, 2]), 1, 0, 'quint8')
  const perChannel = quantizePerChannel(tensor(range(4), [2, 2]), [1, 2], [0, 0], 0, 'qint8')

  test('gives its codes as a copy', () => {
    q.intRepr().storage.fill(9)
    expect([...q.storage]).toEqual([0, 1, 2, 3])
    expect(q.intRepr().dtype).toBe('uint8')
    expect(perChannel.intRepr().dtype).toBe('int8')
  })

  test('knows its scheme, and refuses the parameters of the other', () => {
    expect(q.qscheme).toBe('perTensorAffine')
    expect(perChannel.qscheme).toBe('perChannelAffine')
    expect(() => perChannel.scale).toThrow(/quantized per channel, so it has no single value. Read .scales/)
    expect(() => q.scales).toThrow(QParamsError)
    expect(() => q.axis).toThrow(QParamsError)
    expect([...perChannel.scales]).toEqual([1, 2])
  })

  test('reshapes only behind the axis of its scales', () => {
    expect(perChannel.reshape([2, 1, 2]).axis).toBe(0)
    expect(() => perChannel.reshape([4])).toThrow(/a shape that starts with \[2\]/)
  })

  test('is recognised by its brand, not by its class', () => {
    expect([isTensor(q), isQTensor(q), isTensor(q.dequantize()), isQTensor({}), isTensor(null)]).toEqual([
      false,
      true,
      true,
      false,
      false,
    ])
  })

  test.each<[string, () => unknown]>([
    ['codes of another class', () => fromIntRepr(new Int8Array(1) as never, [1], 'quint8', { scale: 1, zeroPoint: 0 })],
    ['codes of another length', () => fromIntRepr(new Uint8Array(2), [1], 'quint8', { scale: 1, zeroPoint: 0 })],
    [
      'a plain dtype',
      () => fromIntRepr(new Uint8Array(1), [1], 'uint8' as string as QDType, { scale: 1, zeroPoint: 0 }),
    ],
    ['a scale of 0', () => fromIntRepr(new Uint8Array(1), [1], 'quint8', { scale: 0, zeroPoint: 0 })],
  ])('is not made from %s', (_, call) => {
    expect(call).toThrow(Int8Error)
  })

  test('edge 67: a tensor whose buffer has been transferred is refused', () => {
    const transfer = (buffer: ArrayBufferLike): void => {
      structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })
    }
    const x = tensor([1, 2])
    transfer(x.storage.buffer)
    expect(() => quantizePerTensor(x, 1, 0, 'quint8')).toThrow(/x must be a tensor that still has its 2 elements/)
    const codes = quantizePerTensor(tensor([1, 2]), 1, 0, 'quint8')
    transfer(codes.storage.buffer)
    expect(() => relu(codes)).toThrow(/still has its 2 elements/)
  })

  test('edge 67: memory shared between threads is refused, its copy taken', () => {
    const shared = new Float32Array(new SharedArrayBuffer(8))
    expect(() => fromStorage('float32', shared as never, [2])).toThrow(/memory of this thread alone.*copy it first/)
    expect(tensor(shared).toArray()).toEqual([0, 0])
  })

  test('wrong kinds are refused by name at run time', () => {
    expect(() => quantizePerTensor(q as never, 1, 0, 'quint8')).toThrow(DTypeError)
    expect(() => quantizePerTensor(q as never, 1, 0, 'quint8')).toThrow(/It is quantized: call .dequantize\(\)/)
  })
})

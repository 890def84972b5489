/** Whatever a file holds, reading it ends with a model or with one of the library's own errors. */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { Int8Error, UnsupportedOperatorError } from '../../src/errors'
import { GraphProtoSchema, ModelProtoSchema, TensorProtoSchema, type ModelProto } from '../../src/onnx/proto/onnx_pb'
import { parseModel, parsingModel } from '../../src/onnx/read'
import { serializeModel } from '../../src/onnx/write'
import { InferenceSession } from '../../src/runtime/session'
import { Tensor } from '../../src/runtime/tensor'
import { known } from '../../src/runtime/value'
import { modelOf } from '../support/onnx-models'

const network = modelOf({
  inputs: { x: ['float32', ['n', 2]] },
  outputs: { y: 'float32' },
  nodes: [
    ['Gemm', ['x', 'w', 'b'], ['g'], { transB: 1, alpha: '1.0f' }],
    ['Reshape', ['g', 'shape'], ['r']],
    ['Relu', ['r'], ['y']],
  ],
  constants: {
    w: known('float32', [3, 2], Float32Array.of(1, 2, 3, 4, 5, 6)),
    b: known('float32', [3], Float32Array.of(1, 2, 3)),
    shape: known('int64', [2], BigInt64Array.of(-1n, 3n)),
  },
})

/** What came of running bytes as a model: `fine`, the class of the library's error, or what else was thrown. */
function outcome(bytes: Uint8Array): string {
  try {
    parseModel(bytes)
    const session = InferenceSession.createSync(bytes)
    if (session.inputNames.join() === 'x') session.runSync({ x: new Tensor('float32', new Float32Array(2), [1, 2]) })
    return 'fine'
  } catch (error) {
    return error instanceof Int8Error ? error.name : `not ours: ${String(error)}`
  }
}
const ours = /^(fine|\w+Error)$/

/** The network, changed. */
function changed(change: (model: ModelProto) => void): Uint8Array {
  const model = fromBinary(ModelProtoSchema, network)
  change(model)
  return toBinary(ModelProtoSchema, model)
}

test('the model itself is fine', () => {
  expect(outcome(network)).toBe('fine')
})

test('reading may pause before the weights and after each, so that large files do not hold up the event loop', () => {
  const weights = Object.fromEntries(['a', 'b', 'c'].map((name) => [name, known('float32', [2], new Float32Array(2))]))
  const bytes = modelOf({
    inputs: { x: ['float32', [2]] },
    outputs: { y: 'float32' },
    nodes: [['Sum', ['x', 'a', 'b', 'c'], ['y']]],
    constants: weights,
  })
  expect([...parsingModel(bytes)]).toHaveLength(1 + Object.keys(weights).length)
})

test('a file that is cut off anywhere is refused, or still a model', () => {
  for (let length = 0; length < network.length; length++) expect(outcome(network.subarray(0, length))).toMatch(ours)
})

test('flipped bits give a model or an error of ours', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(8 * network.length - 1), { minLength: 1, maxLength: 6 }), (bits) => {
      const bytes = network.slice()
      for (const bit of bits) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(outcome(bytes)).toMatch(ours)
    }),
    { numRuns: 2000 },
  )
})

test('bytes of any kind give an error of ours', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(outcome(bytes)).toMatch(ours)
    }),
    { numRuns: 1000 },
  )
})

test.each([
  ['a cycle', (m: ModelProto) => m.graph?.node[0]?.input.splice(0, 1, 'y'), 'ModelError'],
  ['a value that is computed twice', (m: ModelProto) => m.graph?.node[1]?.output.splice(0, 1, 'g'), 'ModelError'],
  ['a value that nobody computes', (m: ModelProto) => m.graph?.node[2]?.input.splice(0, 1, 'nothing'), 'ModelError'],
  ['an output that nobody computes', (m: ModelProto) => m.graph?.output.forEach((o) => (o.name = 'no')), 'ModelError'],
  ['an input that is missing', (m: ModelProto) => m.graph?.node[2]?.input.splice(0, 1), 'ModelError'],
  [
    'an attribute of another type',
    (m: ModelProto) => m.graph?.node[0]?.attribute.forEach((a) => (a.type = 7)),
    'ModelError',
  ],
  ['no graph', (m: ModelProto) => delete m.graph, 'FormatError'],
  [
    'weights with too little data',
    (m: ModelProto) => m.graph?.initializer[0]?.dims.splice(0, 1, 2147483647n),
    'ShapeError',
  ],
  [
    'weights that claim a little more than they have',
    (m: ModelProto) => m.graph?.initializer[0]?.dims.splice(0, 1, 4n),
    'FormatError',
  ],
  ['negative sizes', (m: ModelProto) => m.graph?.initializer[0]?.dims.splice(0, 1, -3n), 'ShapeError'],
  [
    'an element type that there is not',
    (m: ModelProto) => m.graph?.initializer.forEach((t) => (t.dataType = 99)),
    'UnsupportedOperatorError',
  ],
  ['a shape that does not fit', (m: ModelProto) => m.graph?.initializer[2]?.rawData.fill(9), 'ShapeError'],
])('%s is refused', (_, change, wanted) => {
  expect(
    outcome(
      changed((model) => {
        change(model)
      }),
    ),
  ).toBe(wanted)
})

test('graphs nested too deeply are refused', () => {
  let inner = create(GraphProtoSchema, { name: 'innermost' })
  for (let depth = 0; depth < 20; depth++)
    inner = create(GraphProtoSchema, {
      node: [{ opType: 'If', attribute: [{ name: 'then_branch', type: 5, g: inner }] }],
    })
  expect(outcome(toBinary(ModelProtoSchema, create(ModelProtoSchema, { graph: inner })))).toBe('ModelError')
})

test('nesting beyond what a parser can follow is refused', () => {
  // Groups of length-delimited fields: model.graph, then graph.node.attribute.g over and over.
  let bytes: Buffer = Buffer.alloc(0)
  const wrap = (field: number, content: Buffer): Buffer => {
    const length: number[] = []
    for (let rest = content.length; ; rest >>>= 7) {
      length.push(rest > 127 ? (rest & 127) | 128 : rest)
      if (rest <= 127) break
    }
    return Buffer.concat([Buffer.from([(field << 3) | 2, ...length]), content])
  }
  for (let depth = 0; depth < 3000; depth++) bytes = wrap(1, wrap(5, wrap(6, bytes)))
  expect(outcome(wrap(7, bytes))).toMatch(/^(FormatError|ModelError)$/)
})

describe('external data', () => {
  const folder = mkdtempSync(join(tmpdir(), 'int8-external-'))
  afterAll(() => {
    rmSync(folder, { recursive: true })
  })
  writeFileSync(join(folder, 'weights.bin'), new Uint8Array(Float32Array.of(9, 9, 1, 2, 3, 4, 5, 6).buffer))
  symlinkSync(join(folder, 'weights.bin'), join(folder, 'link.bin'))
  const at = (location: string, offset = '8', length = '24'): Uint8Array =>
    changed((model) => {
      model.graph?.initializer.splice(
        0,
        1,
        create(TensorProtoSchema, {
          name: 'w',
          dims: [3n, 2n],
          dataType: 1,
          dataLocation: 1,
          externalData: Object.entries({ location, offset, length }).map(([key, value]) => ({ key, value })),
        }),
      )
    })
  const read = (bytes: Uint8Array, directory?: string): string => {
    try {
      const w = parseModel(bytes, directory).graph.constants.get('w')
      return [...(w?.data as Float32Array)].join()
    } catch (error) {
      return error instanceof Int8Error ? `${error.name}: ${error.message}` : `not ours: ${String(error)}`
    }
  }

  test('beside the model is read', () => {
    expect(read(at('weights.bin'), folder)).toBe('1,2,3,4,5,6')
  })

  test.each([
    ['../weights.bin', /does not/],
    ['/etc/passwd', /does not/],
    ['sub/weights.bin', /does not/],
    ['..', /does not/],
    ['', /does not/],
    ['a\\b', /does not/],
    ['link.bin', /is a link/],
    ['missing.bin', /cannot be read/],
  ])('in %p is refused', (location, wanted) => {
    expect(read(at(location), folder)).toMatch(wanted)
    expect(read(at(location), folder)).toMatch(/^FormatError/)
  })

  test.each([
    ['16', '24'],
    ['8', '99999999999999'],
    ['-1', '24'],
    ['1e3', '24'],
  ])('from %s, %s bytes long, is refused', (offset, length) => {
    expect(read(at('weights.bin', offset, length), folder)).toMatch(/^FormatError/)
  })

  test('of a model that is given as bytes is refused', () => {
    expect(read(at('weights.bin'))).toMatch(/FormatError: .*has no directory/)
  })
})

test('an operator set that is newer than those known is refused', () => {
  const read = (opset: number): unknown =>
    parseModel(
      modelOf({
        opset,
        inputs: { x: ['float32', [2]] },
        outputs: { y: 'float32' },
        nodes: [['Relu', ['x'], ['y']]],
      }),
    )
  expect(() => read(27)).not.toThrow()
  expect(() => read(28)).toThrow(UnsupportedOperatorError)
})

test('a model that was read and written again gives the same results', () => {
  const path = join(__dirname, '../../examples/data/mnist/mnist_cnn_fp32.onnx')
  const model = parseModel(readFileSync(path))
  expect(model.graph.inputs).toEqual([{ name: 'input', type: 'float32', dims: ['n', 1, 28, 28] }])
  const written = serializeModel(model.graph, model)
  const input = new Tensor(
    'float32',
    Float32Array.from({ length: 784 }, (_, i) => Math.sin(i)),
    [1, 1, 28, 28],
  )
  const logits = (source: string | Uint8Array): unknown =>
    InferenceSession.createSync(source).runSync({ input })['logits']
  expect(logits(written)).toEqual(logits(path))
})

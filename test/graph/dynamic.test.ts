/** Dynamically quantized layers: fused, they give the bytes of their nodes one by one. */
import fc from 'fast-check'
import { InferenceSession } from '../../src/runtime/session'
import { Tensor } from '../../src/runtime/tensor'
import { known, type Value } from '../../src/runtime/value'
import { modelOf, type NodeSpec } from '../support/onnx-models'

const scalar = (value: number): Value => known('float32', [], Float32Array.of(value))

/** What quantization tools write for a layer with dynamic activations. */
const layer = (product: NodeSpec, bias: boolean): NodeSpec[] => [
  ['DynamicQuantizeLinear', ['x'], ['q', 's', 'z']],
  product,
  ['Cast', ['i'], ['c'], { to: 1 }],
  ['Mul', ['s', 'ws'], ['m']],
  ['Mul', ['c', 'm'], [bias ? 'p' : 'y']],
  ...(bias ? [['Add', ['p', 'b'], ['y']] satisfies NodeSpec] : []),
]

interface Outcome {
  readonly all: readonly number[]
  readonly none: readonly number[]
  readonly plan: string
}

/** Results at both levels, and the fused plan. */
function outcome(model: Uint8Array, dims: readonly number[], values: readonly number[]): Outcome {
  const x = new Tensor('float32', Float32Array.from(values), dims)
  const run = (session: InferenceSession): number[] => [...(session.runSync({ x })['y']?.data as Float32Array)]
  const fused = InferenceSession.createSync(model)
  const plain = InferenceSession.createSync(model, { optimize: 'none' })
  return { all: run(fused), none: run(plain), plan: fused.explainPlan({ x: dims }) }
}

const floats = (length: number): fc.Arbitrary<number[]> =>
  fc.array(fc.float({ min: -50, max: 50, noNaN: true }), { minLength: length, maxLength: length })

test.each([
  [
    'int8 weights, one scale',
    known(
      'int8',
      [4, 3],
      Int8Array.from({ length: 12 }, (_, i) => i * 19 - 100),
    ),
    1,
  ],
  [
    'uint8 weights with a zero point',
    known(
      'uint8',
      [4, 3],
      Uint8Array.from({ length: 12 }, (_, i) => i * 21),
    ),
    1,
  ],
  [
    'a scale per column',
    known(
      'int8',
      [4, 3],
      Int8Array.from({ length: 12 }, (_, i) => 90 - i * 15),
    ),
    3,
  ],
])('a product with %s, without a bias and with one', (_, w, scales) => {
  const zero: Value = w.type === 'uint8' ? known('uint8', [], Uint8Array.of(117)) : known('int8', [], Int8Array.of(0))
  const ws = scales === 1 ? scalar(0.013) : known('float32', [3], Float32Array.of(0.01, 0.02, 0.005))
  fc.assert(
    fc.property(floats(8), fc.boolean(), (values, bias) => {
      const model = modelOf({
        inputs: { x: ['float32', [2, 4]] },
        outputs: { y: 'float32' },
        nodes: layer(['MatMulInteger', ['q', 'w', 'z', 'wz'], ['i']], bias),
        constants: { w, wz: zero, ws, b: known('float32', [3], Float32Array.of(1, -0.3, 7)) },
      })
      const { all, none, plan } = outcome(model, [2, 4], values)
      expect(all).toEqual(none)
      expect(plan).toMatch(
        /0 of them in JavaScript[\s\S]*dynamicParams[\s\S]*quantizeBy[\s\S]*qlinear[\s\S]*dynamicRescale/,
      )
    }),
    { numRuns: 30 },
  )
})

test('a convolution with padding: the border is the zero point, whichever that will be', () => {
  fc.assert(
    fc.property(floats(32), (values) => {
      const model = modelOf({
        inputs: { x: ['float32', [1, 2, 4, 4]] },
        outputs: { y: 'float32' },
        nodes: layer(['ConvInteger', ['q', 'w', 'z'], ['i'], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }], true),
        constants: {
          w: known(
            'int8',
            [3, 2, 3, 3],
            Int8Array.from({ length: 54 }, (_, i) => ((i * 37) % 200) - 100),
          ),
          ws: scalar(0.02),
          b: known('float32', [1, 3, 1, 1], Float32Array.of(0.5, -1, 2)),
        },
      })
      const { all, none, plan } = outcome(model, [1, 2, 4, 4], values)
      expect(all).toEqual(none)
      expect(plan).toMatch(
        /0 of them in JavaScript[\s\S]*dynamicParams[\s\S]*quantizeBy[\s\S]*qconv[\s\S]*dynamicRescale/,
      )
    }),
    { numRuns: 30 },
  )
})

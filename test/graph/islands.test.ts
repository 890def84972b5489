/** QDQ islands compute the integer operation that they mean, at every optimization level. */
import fc from 'fast-check'
import { InferenceSession } from '../../src/runtime/session'
import { Tensor } from '../../src/runtime/tensor'
import { known, type Value } from '../../src/runtime/value'
import { modelOf, type NodeSpec } from '../support/onnx-models'

const f = (...values: number[]): Value =>
  known('float32', values.length === 1 ? [] : [values.length], Float32Array.from(values))
const u8 = (value: number): Value => known('uint8', [], Uint8Array.of(value))
const { fround } = Math
const rne = (x: number): number => {
  const floor = Math.floor(x)
  const rest = x - floor
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor
}
const clamp = (x: number, lo: number, hi: number): number => Math.min(hi, Math.max(lo, x))

/** Quantizes x to the codes that the nodes read; `y` are codes, `scales` those of x, w and y. */
const borders = (nodes: readonly NodeSpec[], out: string): NodeSpec[] => [
  ['QuantizeLinear', ['x', 'xs', 'xz'], ['xq']],
  ['DequantizeLinear', ['xq', 'xs', 'xz'], ['xd']],
  ...nodes,
  ['QuantizeLinear', [out, 'ys', 'yz'], ['y']],
]
const parameters = { xs: f(0.05), xz: u8(120), ys: f(0.11), yz: u8(130) }

function run(
  model: Uint8Array,
  x: Tensor,
  optimize: 'all' | 'none',
): { readonly codes: Uint8Array; readonly plan: string } {
  const session = InferenceSession.createSync(model, { optimize })
  const codes = session.runSync({ x })['y']?.data as Uint8Array
  return { codes, plan: session.explainPlan({ x: x.dims }) }
}

/** The codes at both levels, which must be the same. */
function codesOf(model: Uint8Array, x: Tensor, kernel: string): number[] {
  const [all, none] = [run(model, x, 'all'), run(model, x, 'none')]
  expect([...none.codes]).toEqual([...all.codes])
  expect(none.plan).toContain(kernel)
  expect(all.plan).toContain(kernel)
  return [...all.codes]
}

const pixels = fc.array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: 18, maxLength: 18 })
const image = (values: readonly number[]): Tensor => new Tensor('float32', Float32Array.from(values), [1, 2, 3, 3])
const codeOf = (value: number): number => clamp(rne(fround(fround(value) / fround(0.05))) + 120, 0, 255)

describe('a convolution between codes', () => {
  const weight = Int8Array.from({ length: 3 * 2 }, (_, i) => ((i * 53) % 255) - 127)
  const sw = Float32Array.of(0.01, 0.02, 0.003)
  const bias = Int32Array.of(900, -1200, 7)
  const constants = {
    ...parameters,
    w: known('int8', [3, 2, 1, 1], weight),
    ws: known('float32', [3], sw),
    wz: known('int8', [3], new Int8Array(3)),
    b: known('int32', [3], bias),
    bs: known(
      'float32',
      [3],
      sw.map((s) => fround(0.05) * s),
    ),
  }
  const conv: NodeSpec[] = [
    ['DequantizeLinear', ['w', 'ws', 'wz'], ['wd'], { axis: 0 }],
    ['DequantizeLinear', ['b', 'bs'], ['bd'], { axis: 0 }],
    ['Conv', ['xd', 'wd', 'bd'], ['c'], { kernel_shape: [1, 1] }],
  ]
  const model = (nodes: readonly NodeSpec[], out: string): Uint8Array =>
    modelOf({
      inputs: { x: ['float32', [1, 2, 3, 3]] },
      outputs: { y: 'uint8' },
      nodes: borders(nodes, out),
      constants,
    })
  /** numerics.md 4 and 5, naively. */
  const expected = (values: readonly number[], lo: number): number[] =>
    Array.from({ length: 27 }, (_, i) => {
      const [channel, pixel] = [Math.floor(i / 9), i % 9]
      const acc = [0, 1].reduce(
        (sum, c) => sum + (codeOf(values[c * 9 + pixel] ?? 0) - 120) * (weight[channel * 2 + c] ?? 0),
        bias[channel] ?? 0,
      )
      const multiplier = fround(fround(fround(0.05) * (sw[channel] ?? 1)) / fround(0.11))
      return 130 + rne(clamp(fround(fround(acc) * multiplier), lo - 130, 255 - 130))
    })

  test('is the integer convolution', () => {
    fc.assert(
      fc.property(pixels, (values) => {
        expect(codesOf(model(conv, 'c'), image(values), 'qconv')).toEqual(expected(values, 0))
      }),
      { numRuns: 25 },
    )
  })

  test('takes a Relu in between along', () => {
    const nodes: NodeSpec[] = [...conv, ['Relu', ['c'], ['r']]]
    fc.assert(
      fc.property(pixels, (values) => {
        expect(codesOf(model(nodes, 'r'), image(values), 'qconv')).toEqual(expected(values, 130))
      }),
      { numRuns: 25 },
    )
  })

  test('stays as it is where its float result is read by another node too', () => {
    const both = modelOf({
      inputs: { x: ['float32', [1, 2, 3, 3]] },
      outputs: { y: 'uint8', r: 'float32' },
      nodes: borders([...conv, ['Relu', ['c'], ['r']]], 'c'),
      constants,
    })
    const session = InferenceSession.createSync(both)
    // The result is float, so it is the accumulator scaled once, and quantized by a step of its own.
    expect(session.explainPlan({ x: [1, 2, 3, 3] })).toMatch(/QLinearConvFloat[\s\S]*quantize /)
  })
})

describe('a matrix product between codes', () => {
  const weight = Int8Array.from({ length: 12 }, (_, i) => ((i * 41) % 200) - 100)
  const constants = {
    ...parameters,
    w: known('int8', [3, 4], weight),
    ws: f(0.02),
    wz: known('int8', [], Int8Array.of(3)),
    b: known('float32', [4], Float32Array.of(1, -2, 0.5, 0)),
  }
  const product = (nodes: readonly NodeSpec[], out: string, more: Record<string, Value> = {}): Uint8Array =>
    modelOf({
      inputs: { x: ['float32', [2, 3]] },
      outputs: { y: 'uint8' },
      nodes: borders([['DequantizeLinear', ['w', 'ws', 'wz'], ['wd']], ...nodes], out),
      constants: { ...constants, ...more },
    })
  const rows = new Tensor('float32', Float32Array.of(1, -2, 3, 0.5, 4, -5), [2, 3])

  test('with its bias in an Add is the one that a Gemm with it is', () => {
    const separate = product(
      [
        ['MatMul', ['xd', 'wd'], ['m']],
        ['Add', ['m', 'b'], ['a']],
      ],
      'a',
    )
    const gemm = product([['Gemm', ['xd', 'wd', 'b'], ['g']]], 'g')
    expect(codesOf(separate, rows, 'qlinear')).toEqual(codesOf(gemm, rows, 'qlinear'))
  })

  test('of turned weights is the one of straight ones', () => {
    const turned = Int8Array.from({ length: 12 }, (_, i) => weight[(i % 3) * 4 + Math.floor(i / 3)] ?? 0)
    const gemm = product([['Gemm', ['xd', 'wd', 'b'], ['g']]], 'g')
    const other = product([['Gemm', ['xd', 'wd', 'b'], ['g'], { transB: 1 }]], 'g', {
      w: known('int8', [4, 3], turned),
    })
    expect(codesOf(other, rows, 'qlinear')).toEqual(codesOf(gemm, rows, 'qlinear'))
  })
})

test.each([
  ['MaxPool', { kernel_shape: [2, 2] }, 'qmaxPool'],
  ['AveragePool', { kernel_shape: [2, 2] }, 'qavgPool'],
  ['GlobalAveragePool', {}, 'qavgPool'],
  ['Softmax', { axis: 1 }, 'qsoftmax'],
  ['Transpose', { perm: [0, 2, 3, 1] }, 'requantize'],
  ['Flatten', {}, 'requantize'],
] as const)('%s between codes works on codes', (op, attributes, kernel) => {
  const model = modelOf({
    inputs: { x: ['float32', [1, 2, 3, 3]] },
    outputs: { y: 'uint8' },
    nodes: borders([[op, ['xd'], ['m'], attributes]], 'm'),
    constants: parameters,
  })
  const x = image(Array.from({ length: 18 }, (_, i) => Math.sin(i) * 5))
  const codes = codesOf(model, x, kernel)
  expect(new Set(codes).size).toBeGreaterThan(1)
})

test('Add and Mul of two activations, and of an activation and a constant, work on codes', () => {
  for (const [op, kernel] of [
    ['Add', 'qadd'],
    ['Mul', 'qmul'],
  ] as const)
    for (const other of ['xd', 'k']) {
      const model = modelOf({
        inputs: { x: ['float32', [1, 2, 3, 3]] },
        outputs: { y: 'uint8' },
        nodes: borders([[op, ['xd', other], ['m']]], 'm'),
        constants: { ...parameters, k: known('float32', [1, 2, 1, 1], Float32Array.of(0.7, -1.4)) },
      })
      const codes = codesOf(model, image(Array.from({ length: 18 }, (_, i) => Math.cos(i) * 2)), kernel)
      const real = (i: number): number => (codeOf(Math.cos(i) * 2) - 120) * fround(0.05)
      codes.forEach((code, i) => {
        const right = other === 'xd' ? real(i) : i < 9 ? 0.7 : -1.4
        const value = op === 'Add' ? real(i) + right : real(i) * right
        expect(Math.abs((code - 130) * 0.11 - clamp(value, -130 * 0.11, 125 * 0.11))).toBeLessThan(0.075)
      })
    }
})

describe('a Pad between codes', () => {
  const pads = known('int64', [8], BigInt64Array.of(0n, 1n, 0n, 1n, 0n, 0n, 2n, 0n))
  const model = (pad: NodeSpec, more: Readonly<Record<string, Value>> = {}): Uint8Array =>
    modelOf({
      inputs: { x: ['float32', [1, 2, 3, 3]] },
      outputs: { y: 'uint8' },
      nodes: borders([pad], 'p'),
      constants: { ...parameters, ys: parameters.xs, yz: parameters.xz, pads, ...more },
    })

  test('adds the zero point where it adds zeros, and moves codes', () => {
    fc.assert(
      fc.property(pixels, (values) => {
        const codes = codesOf(model(['Pad', ['xd', 'pads'], ['p']]), image(values), 'stridedCopy')
        const at = (c: number, y: number, x: number): number =>
          c === 0 || y >= 3 || x === 0 ? 120 : codeOf(values[(c - 1) * 9 + y * 3 + x - 1] ?? 0)
        const expected = Array.from({ length: 3 * 5 * 4 }, (_, i) =>
          at(Math.floor(i / 20), Math.floor(i / 4) % 5, i % 4),
        )
        expect(codes).toEqual(expected)
      }),
    )
  })

  const convolved = (ys: number, outputs: Readonly<Record<string, 'uint8'>> = { y: 'uint8' }): Uint8Array =>
    modelOf({
      inputs: { x: ['float32', [1, 2, 3, 3]] },
      outputs,
      nodes: borders(
        [
          ['Pad', ['xd', 'border'], ['p']],
          ['QuantizeLinear', ['p', 'ps', 'xz'], ['pq']],
          ['DequantizeLinear', ['pq', 'ps', 'xz'], ['pd']],
          ['DequantizeLinear', ['w', 'ws'], ['wd']],
          ['Conv', ['pd', 'wd'], ['c'], { pads: [1, 0, 0, 0] }],
        ],
        'c',
      ),
      constants: {
        ...parameters,
        ps: f(ys),
        border: known('int64', [8], BigInt64Array.of(0n, 0n, 0n, 1n, 0n, 0n, 2n, 0n)),
        w: known(
          'int8',
          [3, 2, 2, 2],
          Int8Array.from({ length: 24 }, (_, i) => ((i * 53) % 255) - 127),
        ),
        ws: f(0.02),
      },
    })

  test('becomes the border of the convolution behind it, with the same bytes, where it keeps scale and zero point', () => {
    fc.assert(
      fc.property(pixels, (values) => {
        const folded = run(convolved(0.05), image(values), 'all')
        // A result of the graph stays.
        const apart = run(convolved(0.05, { y: 'uint8', pq: 'uint8' }), image(values), 'all')
        expect(apart.plan).toContain('"n2"')
        expect(folded.plan).not.toContain('"n2"')
        expect([...folded.codes]).toEqual([...apart.codes])
      }),
    )
  })

  test('stays before a convolution where it has another scale', () => {
    expect(run(convolved(0.06), image(new Array<number>(18).fill(1)), 'all').plan).toContain('"n2"')
  })

  test('repeats codes where it repeats the edge', () => {
    const plan = run(
      model(['Pad', ['xd', 'pads'], ['p'], { mode: 'edge' }]),
      image(new Array<number>(18).fill(1)),
      'all',
    ).plan
    expect(plan).not.toContain('dequantize')
  })

  test('stays in floats with another constant', () => {
    const { codes, plan } = run(
      model(['Pad', ['xd', 'pads', 'one'], ['p']], { one: f(1.01) }),
      image(new Array<number>(18).fill(0)),
      'all',
    )
    expect(plan).toContain('dequantize')
    expect(codes[0]).toBe(codeOf(1.01))
  })
})

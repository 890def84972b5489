/** Float functions between codes become tables, with the bytes that they have one by one. */
import { InferenceSession } from '../../src/runtime/session'
import { Tensor } from '../../src/runtime/tensor'
import { known, type Value } from '../../src/runtime/value'
import { modelOf, type NodeSpec } from '../support/onnx-models'

const scalar = (value: number): Value => known('float32', [], Float32Array.of(value))

function modelWith(
  nodes: readonly NodeSpec[],
  out: string,
  signed: boolean,
  outputs: Record<string, 'uint8' | 'int8' | 'float32'> = {},
): Uint8Array {
  const zero = (value: number): Value =>
    signed ? known('int8', [], Int8Array.of(value - 128)) : known('uint8', [], Uint8Array.of(value))
  return modelOf({
    inputs: { q: [signed ? 'int8' : 'uint8', [2, 128]] },
    outputs: { y: signed ? 'int8' : 'uint8', ...outputs },
    nodes: [['DequantizeLinear', ['q', 'xs', 'xz'], ['x']], ...nodes, ['QuantizeLinear', [out, 'ys', 'yz'], ['y']]],
    constants: {
      xs: scalar(0.043),
      xz: zero(117),
      ys: scalar(0.031),
      yz: zero(88),
      three: scalar(3),
      six: scalar(6),
      none: scalar(0),
      slope: known('float32', [1], Float32Array.of(0.2)),
      row: known('float32', [128], new Float32Array(128).fill(2)),
    },
  })
}

const functions: Readonly<Record<string, readonly [nodes: readonly NodeSpec[], out: string]>> = {
  sigmoid: [[['Sigmoid', ['x'], ['f']]], 'f'],
  silu: [
    [
      ['Sigmoid', ['x'], ['s']],
      ['Mul', ['x', 's'], ['f']],
    ],
    'f',
  ],
  'hard swish in five nodes': [
    [
      ['Add', ['x', 'three'], ['a']],
      ['Clip', ['a', 'none', 'six'], ['c']],
      ['Mul', ['x', 'c'], ['m']],
      ['Div', ['m', 'six'], ['f']],
    ],
    'f',
  ],
  'leaky relu as a maximum': [
    [
      ['Mul', ['x', 'slope'], ['s']],
      ['Max', ['x', 's'], ['f']],
    ],
    'f',
  ],
  gelu: [[['Gelu', ['x'], ['f']]], 'f'],
}

describe.each(['uint8', 'int8'])('of %s', (type) => {
  test.each(Object.entries(functions))('%s is one look-up, and gives the same codes', (_, [nodes, out]) => {
    const model = modelWith(nodes, out, type === 'int8')
    const bytes = Uint8Array.from({ length: 256 }, (_byte, i) => i)
    const q =
      type === 'int8' ? new Tensor('int8', new Int8Array(bytes.buffer), [2, 128]) : new Tensor('uint8', bytes, [2, 128])
    const [all, none] = (['all', 'none'] as const).map((optimize) => InferenceSession.createSync(model, { optimize }))
    expect(all?.runSync({ q })['y']).toEqual(none?.runSync({ q })['y'])
    expect(all?.explainPlan()).toMatch(/ 1 steps, 0 of them in JavaScript[\s\S]*lookup/)
    expect(none?.explainPlan()).not.toContain('lookup')
  })
})

test.each<[string, readonly NodeSpec[], string, Record<string, 'float32'>]>([
  ['a value in between that is a result', [['Sigmoid', ['x'], ['f']]], 'f', { f: 'float32' }],
  ['a second operand that is no single number', [['Mul', ['x', 'row'], ['f']]], 'f', {}],
  [
    'an operator that is not element by element',
    [
      ['Softmax', ['x'], ['s']],
      ['Sigmoid', ['s'], ['f']],
    ],
    'f',
    {},
  ],
])('%s keeps a region from becoming a table', (_, nodes, out, outputs) => {
  expect(InferenceSession.createSync(modelWith(nodes, out, false, outputs)).explainPlan()).not.toContain('lookup')
})

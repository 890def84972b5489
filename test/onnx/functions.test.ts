/** Functions that a model brings along. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { ModelError } from '../../src/errors'
import { attributeTypes } from '../../src/onnx/attributeTypes'
import {
  AttributeProtoSchema,
  FunctionProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  type AttributeProto,
  type FunctionProto,
  type NodeProto,
} from '../../src/onnx/proto/onnx_pb'
import { quantizeOnnx } from '../../src/onnx/quantize'
import { InferenceSession } from '../../src/runtime/session'
import { Tensor } from '../../src/runtime/tensor'
import { known } from '../../src/runtime/value'
import { modelOf, type ModelSpec } from '../support/onnx-models'

const node = (
  opType: string,
  input: string[],
  output: string[],
  attribute: AttributeProto[] = [],
  domain = '',
  overload = '',
): NodeProto =>
  create(NodeProtoSchema, {
    ...{ opType, input, output, attribute, name: `${opType}_node` },
    // Fields that a file leaves out are not set.
    ...(domain !== '' && { domain }),
    ...(overload !== '' && { overload }),
  })

const number = (name: string, f: number): AttributeProto =>
  create(AttributeProtoSchema, { name, f, type: attributeTypes.FLOAT })
const reference = (name: string, refAttrName: string): AttributeProto =>
  create(AttributeProtoSchema, { name, refAttrName, type: attributeTypes.FLOAT })

interface FunctionSpec {
  readonly name: string
  readonly input: string[]
  readonly output: string[]
  readonly nodes: NodeProto[]
  readonly defaults?: AttributeProto[]
  readonly opset?: number
  readonly overload?: string
}

const functionOf = ({ name, input, output, nodes, defaults = [], opset = 17, overload = '' }: FunctionSpec) =>
  create(FunctionProtoSchema, {
    ...{ domain: 'local', name, overload, input, output, node: nodes, attributeProto: defaults },
    opsetImport: [
      create(OperatorSetIdProtoSchema, { domain: '', version: BigInt(opset) }),
      create(OperatorSetIdProtoSchema, { domain: 'local', version: 1n }),
    ],
  })

/** A model with functions. */
function modelWith(
  functions: FunctionProto[],
  spec: ModelSpec,
  change: (nodes: NodeProto[]) => void = () => undefined,
) {
  const model = fromBinary(ModelProtoSchema, modelOf(spec))
  model.functions = functions
  model.opsetImport.push(create(OperatorSetIdProtoSchema, { domain: 'local', version: 1n }))
  if (model.graph !== undefined) change(model.graph.node)
  return toBinary(ModelProtoSchema, model)
}

/** `leaky(x) = x` where positive, `slope * x` elsewhere, then added to itself. */
const leaky = functionOf({
  name: 'leaky',
  input: ['x'],
  output: ['y'],
  defaults: [number('slope', 0.5)],
  nodes: [node('LeakyRelu', ['x'], ['inner'], [reference('alpha', 'slope')]), node('Add', ['inner', 'inner'], ['y'])],
})
const calls = (...nodes: ModelSpec['nodes']): ModelSpec => ({
  inputs: { x: ['float32', [2]] },
  outputs: { y: 'float32' },
  nodes,
})
const feeds = { x: new Tensor('float32', Float32Array.of(1, -1), [2]) }
const run = (model: Uint8Array): number[] => {
  const { y } = InferenceSession.createSync(model).runSync(feeds)
  return Array.from(y?.data as Float32Array)
}

test('a call stands for the nodes of its body, with names of their own for each call', () => {
  expect(run(modelWith([leaky], calls(['local:leaky', ['x'], ['h']], ['local:leaky', ['h'], ['y']])))).toEqual([4, -1])
})

test('an attribute of the call goes where the body refers to it; without one its default does', () => {
  expect(run(modelWith([leaky], calls(['local:leaky', ['x'], ['y'], { slope: '0.25f' }])))).toEqual([2, -0.5])
  expect(run(modelWith([leaky], calls(['local:leaky', ['x'], ['y']])))).toEqual([2, -1])
})

test('a reference to an attribute that neither the call nor the function has leaves the operator its default', () => {
  const plain = functionOf({
    name: 'plain',
    input: ['x'],
    output: ['y'],
    nodes: [node('LeakyRelu', ['x'], ['y'], [reference('alpha', 'slope')])],
  })
  expect(run(modelWith([plain], calls(['local:plain', ['x'], ['y']])))[1]).toBeCloseTo(-0.01)
})

test('functions call functions', () => {
  const twice = functionOf({
    name: 'twice',
    input: ['a'],
    output: ['b'],
    nodes: [node('leaky', ['a'], ['c'], [number('slope', 1)], 'local'), node('leaky', ['c'], ['b'], [], 'local')],
  })
  expect(run(modelWith([twice, leaky], calls(['local:twice', ['x'], ['y']])))).toEqual([4, -2])
})

test('operators of a body are those of the operator set that the function imports', () => {
  const squeezing = functionOf({
    name: 'old',
    input: ['x'],
    output: ['y'],
    opset: 11,
    // Axes are an attribute there.
    nodes: [
      node(
        'Unsqueeze',
        ['x'],
        ['y'],
        [create(AttributeProtoSchema, { name: 'axes', type: attributeTypes.INTS, ints: [0n] })],
      ),
    ],
  })
  const model = modelWith([squeezing], calls(['local:old', ['x'], ['y']]))
  expect(InferenceSession.createSync(model).runSync(feeds)['y']?.dims).toEqual([1, 2])
  // A file has one version of each set for all of its graph.
  return expect(quantizeOnnx(model, { calibration: [feeds] })).rejects.toThrow(/operator sets 11 and 17/)
})

test('inputs and outputs may be left out', () => {
  const both = functionOf({
    name: 'both',
    input: ['x', 'least', 'most'],
    output: ['clipped', 'same'],
    nodes: [node('Clip', ['x', 'least', 'most'], ['clipped']), node('Identity', ['x'], ['same'])],
  })
  const model = modelWith([both], {
    ...calls(['local:both', ['x', '', 'half'], ['y']]),
    constants: { half: known('float32', [], Float32Array.of(0.5)) },
  })
  expect(run(model)).toEqual([0.5, -1])
})

test('an output that is an input is passed on', () => {
  const pass = functionOf({ name: 'pass', input: ['x'], output: ['x'], nodes: [] })
  expect(run(modelWith([pass], calls(['local:pass', ['x'], ['y']])))).toEqual([1, -1])
})

test('bodies of If within a function read its values', () => {
  const graph = fromBinary(
    ModelProtoSchema,
    modelOf({ inputs: {}, outputs: { z: 'float32' }, nodes: [['Add', ['doubled', 'x'], ['z']]] }),
  ).graph
  const chosen = functionOf({
    name: 'chosen',
    input: ['x', 'use'],
    output: ['y'],
    nodes: [
      node('Add', ['x', 'x'], ['doubled']),
      node(
        'If',
        ['use'],
        ['y'],
        ['then_branch', 'else_branch'].map((name) =>
          create(AttributeProtoSchema, { name, type: attributeTypes.GRAPH, ...(graph && { g: graph }) }),
        ),
      ),
    ],
  })
  const spec = {
    ...calls(['local:chosen', ['x', 'use'], ['y']]),
    constants: { use: known('bool', [], Uint8Array.of(1)) },
  }
  expect(run(modelWith([chosen], spec))).toEqual([3, -3])
})

test('overloads of one name are told apart', () => {
  const one = functionOf({
    name: 'f',
    overload: 'neg',
    input: ['x'],
    output: ['y'],
    nodes: [node('Neg', ['x'], ['y'])],
  })
  const other = functionOf({ name: 'f', input: ['x'], output: ['y'], nodes: [node('Abs', ['x'], ['y'])] })
  const spec = calls(['local:f', ['x'], ['y']])
  expect(run(modelWith([one, other], spec))).toEqual([1, 1])
  const model = modelWith([one, other], spec, ([call]) => {
    if (call !== undefined) call.overload = 'neg'
  })
  expect(run(model)).toEqual([-1, 1])
})

test('a function that calls itself is refused', () => {
  const endless = functionOf({
    name: 'endless',
    input: ['x'],
    output: ['y'],
    nodes: [node('endless', ['x'], ['y'], [], 'local')],
  })
  expect(() => run(modelWith([endless], calls(['local:endless', ['x'], ['y']])))).toThrow(ModelError)
})

test('functions that call each other in numbers beyond bounds are refused in time', () => {
  const levels = Array.from({ length: 40 }, (_, level) =>
    functionOf({
      name: `level${String(level)}`,
      input: ['x'],
      output: ['y'],
      nodes:
        level === 39
          ? [node('Neg', ['x'], ['y'])]
          : ['a', 'b'].map((name, i) =>
              node(`level${String(level + 1)}`, [i === 0 ? 'x' : 'a'], [i === 0 ? name : 'y'], [], 'local'),
            ),
    }),
  )
  expect(() => run(modelWith(levels, calls(['local:level0', ['x'], ['y']])))).toThrow(/too large/)
})

test('a call with more inputs than the function has is refused', () => {
  expect(() => run(modelWith([leaky], calls(['local:leaky', ['x', 'x'], ['y']])))).toThrow(/gives or takes more values/)
})

test('quantizing writes the bodies out', async () => {
  const layer = functionOf({
    name: 'layer',
    input: ['x', 'w'],
    output: ['y'],
    nodes: [node('MatMul', ['x', 'w'], ['m']), node('Relu', ['m'], ['y'])],
  })
  const weights = Float32Array.from({ length: 64 }, (_, i) => Math.sin(i))
  const model = modelWith([layer], {
    inputs: { x: ['float32', [1, 8]] },
    outputs: { y: 'float32' },
    nodes: [
      ['local:layer', ['x', 'w'], ['h']],
      ['local:layer', ['h', 'w'], ['y']],
    ],
    constants: { w: known('float32', [8, 8], weights) },
  })
  const x = new Tensor(
    'float32',
    Float32Array.from({ length: 8 }, (_, i) => Math.cos(i)),
    [1, 8],
  )
  const { model: quantized } = await quantizeOnnx(model, { calibration: [{ x }] })
  expect(fromBinary(ModelProtoSchema, quantized).functions).toEqual([])
  expect(InferenceSession.createSync(quantized).explainPlan()).toContain('qlinear')
})

test('a model with a function, a loop, a scan and a branch gives what onnxruntime 1.30 gives for it', () => {
  const session = InferenceSession.createSync(readFileSync(join(__dirname, '../fixtures/onnx/control.onnx')))
  const x = new Tensor('float32', Float32Array.of(1, -2), [2])
  const run = (use: number) => session.runSync({ use: new Tensor('bool', Uint8Array.of(use), [1]), x })
  expect(run(1)['y']?.data).toEqual(Float32Array.of(80, -160))
  expect(run(0)['y']?.data).toEqual(Float32Array.of(-15, 30))
  expect(run(0)['rows']).toMatchObject({ dims: [3, 2], data: Float32Array.of(30, 0, 37, 0, 40, 0) })
})

/** Brings nodes of older operator sets into the form of set 13, which is the first whose QuantizeLinear knows axes. */
import { Attributes, type Attribute } from '../../graph/attributes'
import { Graph, GraphNode } from '../../graph/graph'
import { UnsupportedOperatorError } from '../../errors'
import { known, type Value } from '../../runtime/value'

/** The operator set that quantized models are written in, at least. */
export const leastOpset = 13

/** A graph whose nodes all have the form of one operator set. */
export function upgradeGraph(graph: Graph, opset: number): { readonly graph: Graph; readonly opset: number } {
  if (opset >= leastOpset) return { graph, opset }
  const constants = new Map(graph.constants)
  let count = 0
  const constant = (node: GraphNode, what: string, value: Value): string => {
    const name = `${node.outputs[0] ?? ''}/${what}.${String(count++)}`
    constants.set(name, value)
    return name
  }
  const nodes = graph.nodes.flatMap((node) =>
    node.domain === '' && softmaxes.has(node.op)
      ? softmax(node, graph.infos.get(node.inputs[0] ?? '')?.dims?.length)
      : [upgradeNode(node, constant)],
  )
  const { name, inputs, outputs, infos } = graph
  return { graph: new Graph({ name, inputs, outputs, nodes, constants, infos }), opset: leastOpset }
}

type Constant = (node: GraphNode, what: string, value: Value) => string

/** Attributes that became inputs, with the position that they have there. */
const moved: Readonly<Record<string, readonly (readonly [attribute: string, input: number])[]>> = {
  Squeeze: [['axes', 1]],
  Unsqueeze: [['axes', 1]],
  ReduceSum: [['axes', 1]],
  Split: [['split', 1]],
  Clip: [
    ['min', 1],
    ['max', 2],
  ],
  Pad: [
    ['pads', 1],
    ['value', 2],
  ],
  Slice: [
    ['starts', 1],
    ['ends', 2],
    ['axes', 3],
  ],
  TopK: [['k', 1]],
  Dropout: [['ratio', 1]],
}
/** Operators whose older forms mean something else, not only in another place. */
const changed: ReadonlySet<string> = new Set(['Resize', 'Upsample', 'Scatter'])
/** Operators whose `axis` once meant all axes from there on. */
const softmaxes: ReadonlySet<string> = new Set(['Softmax', 'LogSoftmax', 'Hardmax'])

function upgradeNode(node: GraphNode, constant: Constant): GraphNode {
  if (node.domain !== '') return node
  if (changed.has(node.op) && node.opset < 11)
    throw new UnsupportedOperatorError({
      op: 'quantizeOnnx',
      message: `${node.op} of operator set ${String(node.opset)} cannot be brought to set ${String(leastOpset)}`,
      hint: 'Export the model with a newer operator set.',
    })
  const attributes = new Map(
    [...node.attributes.entries()].map(([name, attribute]) => [name, upgradeBody(attribute, node.opset)]),
  )
  const inputs = [...node.inputs]
  for (const [name, at] of moved[node.op] ?? []) {
    const attribute = attributes.get(name)
    if (attribute === undefined) continue
    attributes.delete(name)
    while (inputs.length < at) inputs.push('')
    inputs[at] = constant(node, name, asValue(attribute, node.op))
  }
  return new GraphNode({
    op: node.op,
    domain: node.domain,
    opset: leastOpset,
    name: node.name,
    inputs,
    outputs: node.outputs,
    attributes: new Attributes(node.op, attributes),
    captures: node.captures,
  })
}

function upgradeBody(attribute: Attribute, opset: number): Attribute {
  return attribute.kind === 'graph' ? { kind: 'graph', value: upgradeGraph(attribute.value, opset).graph } : attribute
}

/**
 * Before set 13 softmax joined the axes from `axis` on. Where the last axis is not known to be the only one of them, the
 * tensor is flattened before and reshaped after.
 */
function softmax(node: GraphNode, rank: number | undefined): readonly GraphNode[] {
  const axis = node.attributes.int('axis', 1)
  const [input = ''] = node.inputs
  const [output = ''] = node.outputs
  const make = (
    op: string,
    inputs: readonly string[],
    result: string,
    attributes: Record<string, Attribute> = {},
  ): GraphNode =>
    new GraphNode({
      op,
      domain: '',
      opset: leastOpset,
      name: `${node.name === '' ? output : node.name}/${op}`,
      inputs,
      outputs: [result],
      attributes: Attributes.of(attributes),
    })
  const last = { axis: { kind: 'int', value: -1 } } as const
  if (axis === -1 || (rank !== undefined && axis === rank - 1)) return [make(node.op, [input], output, last)]
  return [
    make('Shape', [input], `${output}/shape`),
    make('Flatten', [input], `${output}/flat`, { axis: { kind: 'int', value: axis } }),
    make(node.op, [`${output}/flat`], `${output}/rows`, last),
    make('Reshape', [`${output}/rows`, `${output}/shape`], output),
  ]
}

function asValue(attribute: Attribute, op: string): Value {
  switch (attribute.kind) {
    case 'int':
      return known('int64', op === 'TopK' ? [1] : [], BigInt64Array.of(BigInt(attribute.value)))
    case 'float':
      return known('float32', [], Float32Array.of(attribute.value))
    case 'ints':
      return known('int64', [attribute.value.length], BigInt64Array.from(attribute.value, BigInt))
    default:
      throw new UnsupportedOperatorError({
        op: 'quantizeOnnx',
        message: `an attribute of type ${attribute.kind} of ${op}`,
      })
  }
}

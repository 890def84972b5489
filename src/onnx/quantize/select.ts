/** Which nodes of a float model are computed in int8, and which of its values become codes. */
import { clipOf, Rewriter } from '../../graph/passes/rewrite'
import type { Graph, GraphNode } from '../../graph/graph'

/** Operators without weights, whose operands and results are both codes. */
const elementwise: ReadonlySet<string> = new Set(['Add', 'Mul', 'GlobalAveragePool', 'AveragePool', 'Concat'])
/** Functions of one value: a table in int8. */
const functions: ReadonlySet<string> = new Set([
  'Sigmoid',
  'HardSigmoid',
  'HardSwish',
  'LeakyRelu',
  'Tanh',
  'Elu',
  'Gelu',
])
/** Operators that move elements: their result has the parameters of what they move. */
const movers: ReadonlySet<string> = new Set(['MaxPool', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Transpose'])

/** A layer with weights. */
export interface Layer {
  readonly node: GraphNode
  /** Name of the value that it reads. */
  readonly input: string
  /** Axis of the weight that output channels lie along. */
  readonly axis: number
  /** The node that adds the bias, and which of its inputs that is: the layer's own third, or an Add behind a MatMul. */
  readonly bias: { readonly node: GraphNode; readonly index: number } | undefined
}

/** The choice for a graph. */
export interface Selection {
  readonly layers: readonly Layer[]
  /** Nodes chosen for themselves, with the value that holds their result: layers, elementwise operators, functions. */
  readonly heads: ReadonlyMap<GraphNode, string>
  /** Nodes that are computed on codes, activations that are fused into others included. */
  readonly nodes: ReadonlySet<GraphNode>
  /** Values that become codes; those that share the parameters of another one name it. */
  readonly values: ReadonlyMap<string, string>
}

/**
 * Chooses nodes and values. The graph's results stay float where a layer with weights computes them.
 *
 * @param isExcluded - Whether a node stays float.
 */
export function selectNodes(graph: Graph, isExcluded: (node: GraphNode) => boolean): Selection {
  const rewriter = new Rewriter(graph)
  const nodes = new Set<GraphNode>()
  const layers: Layer[] = []
  const heads = new Map<GraphNode, string>()
  const values = new Map<string, string>()
  const isActivation = (name: string | undefined): name is string =>
    name !== undefined && name !== '' && !graph.constants.has(name)
  const quantize = (names: readonly string[]): void => {
    for (const name of names) if (!values.has(name)) values.set(name, name)
  }
  for (const node of graph.nodes) {
    if (node.domain !== '' || isExcluded(node)) continue
    const [input = '', ...others] = node.inputs
    const [output = ''] = node.outputs
    if (movers.has(node.op) || isZeroPad(rewriter, node)) {
      // Moving codes pays where they are codes already.
      const source = values.get(input)
      if (source === undefined || node.outputs.length > 1 || graph.isOutput(output)) continue
      nodes.add(node)
      values.set(output, source)
      continue
    }
    const layer = layerOf(graph, rewriter, node)
    if (layer !== undefined && isActivation(input)) {
      const result = endOfClips(rewriter, layer.bias?.node.outputs[0] ?? output, nodes)
      layers.push(layer)
      heads.set(node, result)
      nodes.add(node)
      quantize(graph.isOutput(result) ? [input] : [input, result])
      continue
    }
    const operands = elementwise.has(node.op) ? [input, ...others] : functions.has(node.op) ? [input] : []
    const fused = new Set<GraphNode>()
    const result = endOfClips(rewriter, output, fused)
    if (operands.length === 0 || !operands.every(isActivation) || graph.isOutput(result)) continue
    heads.set(node, result)
    for (const each of [node, ...fused]) nodes.add(each)
    quantize([...operands, result])
  }
  return { layers, heads, nodes, values }
}

/** A Pad with zeros, which every range of codes holds. Its other inputs have to be constants. */
function isZeroPad(rewriter: Rewriter, { op, attributes, inputs: [, ...parameters] }: GraphNode): boolean {
  if (op !== 'Pad' || attributes.has('value') || attributes.string('mode', 'constant') !== 'constant') return false
  const [, value = ''] = parameters
  return (
    parameters.every((name) => name === '' || rewriter.constant(name) !== undefined) &&
    (rewriter.scalar(value) ?? 0) === 0
  )
}

/** A node with a constant float weight that int8 kernels take. */
function layerOf(graph: Graph, rewriter: Rewriter, node: GraphNode): Layer | undefined {
  const [input = '', weightName = '', biasName = ''] = node.inputs
  const weight = graph.constants.get(weightName)
  if (weight?.type !== 'float32') return undefined
  const own = biasName === '' ? undefined : { node, index: 2 }
  if (own !== undefined && graph.constants.get(biasName)?.type !== 'float32') return undefined
  const { attributes } = node
  switch (node.op) {
    case 'Conv':
      return { node, input, axis: 0, bias: own }
    case 'Gemm': {
      const plain = attributes.int('transA', 0) === 0 && attributes.float('alpha', 1) === 1
      const columns = weight.dims[attributes.int('transB', 0) === 0 ? 1 : 0]
      const row = graph.constants.get(biasName)
      const fits = own === undefined || (attributes.float('beta', 1) === 1 && row?.dims.join() === String(columns))
      return plain && fits ? { node, input, axis: attributes.int('transB', 0) === 0 ? 1 : 0, bias: own } : undefined
    }
    case 'MatMul': {
      if (weight.dims.length !== 2) return undefined
      const add = rewriter.onlyReader(node.outputs[0] ?? '')
      const index = add?.op === 'Add' ? add.inputs.findIndex((name) => name !== node.outputs[0]) : -1
      const row = graph.constants.get(add?.inputs[index] ?? '')
      const added = add !== undefined && row?.type === 'float32' && row.dims.join() === String(weight.dims[1])
      return { node, input, axis: 1, bias: added ? { node: add, index } : undefined }
    }
    default:
      return undefined
  }
}

/** The value behind Relu and Clip nodes that nobody else reads: these are fused, so only their result becomes codes. */
function endOfClips(rewriter: Rewriter, name: string, fused: Set<GraphNode>): string {
  const reader = rewriter.onlyReader(name)
  const result = reader?.outputs[0]
  if (reader === undefined || result === undefined || clipOf(rewriter, reader) === undefined) return name
  fused.add(reader)
  return endOfClips(rewriter, result, fused)
}

/**
 * Functions of one 8-bit variable: whatever float arithmetic stands between DequantizeLinear and QuantizeLinear, if it takes
 * element by element and reads nothing else but single constants, is a table of 256 codes. The table is made by running the nodes
 * on all codes, so the bytes stay the same.
 */
import type { Backend } from '../../backend/contract'
import { operatorOf } from '../../onnx/ops'
import { evaluate } from '../../runtime/steps'
import { known, type Value } from '../../runtime/value'
import { sizeOf } from '../../tensor/shape'
import type { Graph, GraphNode } from '../graph'
import { activation, targetOf, type Dequantized } from './islands/quantized'
import { ownNode, Rewriter } from './rewrite'

const elementwise: ReadonlySet<string> = new Set([
  ...[
    'Add',
    'Sub',
    'Mul',
    'Div',
    'Pow',
    'Min',
    'Max',
    'Neg',
    'Abs',
    'Reciprocal',
    'Sqrt',
    'Exp',
    'Log',
    'Erf',
    'Floor',
    'Ceil',
    'Round',
  ],
  ...[
    'Relu',
    'Clip',
    'Sigmoid',
    'Tanh',
    'LeakyRelu',
    'Elu',
    'Celu',
    'Selu',
    'Gelu',
    'HardSigmoid',
    'HardSwish',
    'Softplus',
    'Softsign',
  ],
  ...['Mish', 'Swish', 'ThresholdedRelu'],
])
/** Nodes of the longest such function; a larger region is left alone. */
const maxNodes = 16

/** Replaces every such region by a table. */
export function tables(backend: Backend, graph: Graph): void {
  const rewriter = new Rewriter(graph)
  for (const quantizer of graph.nodes) {
    const target = targetOf(rewriter, quantizer)
    const region = target === undefined ? undefined : regionOf(rewriter, quantizer)
    if (target === undefined || region === undefined) continue
    const { source, nodes } = region
    const name = rewriter.addConstant(
      `${source.codes}/table`,
      known('uint8', [256], tableOf(backend, rewriter, region, quantizer)),
    )
    rewriter.replace(
      quantizer,
      ownNode(nodes[0] ?? quantizer, 'Table', [source.codes, name], quantizer.outputs, {
        type: { kind: 'string', value: target.type },
      }),
    )
  }
  rewriter.finish()
}

interface Region {
  readonly source: Dequantized
  /** The codes' name as the region's nodes read it, dequantized. */
  readonly inputs: ReadonlySet<string>
  /** In an order in which they can run. */
  readonly nodes: readonly GraphNode[]
}

/** The nodes between a quantizer and the one tensor of codes that it is a function of. */
function regionOf(rewriter: Rewriter, quantizer: GraphNode): Region | undefined {
  const nodes = new Set<GraphNode>()
  const inputs = new Set<string>()
  const sources: Dequantized[] = []
  const pending = [quantizer.inputs[0] ?? '']
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const source = activation(rewriter, name)
    if (source !== undefined) {
      sources.push(source)
      inputs.add(name)
      continue
    }
    if (name === '' || rewriter.scalar(name) !== undefined) continue
    const node = rewriter.producer(name)
    if (node?.domain !== '' || !elementwise.has(node.op) || node.outputs.length !== 1 || nodes.size >= maxNodes)
      return undefined
    // Nobody else may need the values in between.
    if (rewriter.graph.isOutput(name)) return undefined
    nodes.add(node)
    pending.push(...node.inputs)
  }
  const [source] = sources
  if (source === undefined || nodes.size === 0) return undefined
  const same = sources.every(
    ({ codes, scale, zeroPoint }) => codes === source.codes && scale === source.scale && zeroPoint === source.zeroPoint,
  )
  const closed = [...nodes].every(({ outputs: [name = ''] }) =>
    rewriter.readersOf(name).every((reader) => nodes.has(reader) || reader === quantizer),
  )
  return same && closed ? { source, inputs, nodes: rewriter.graph.nodes.filter((node) => nodes.has(node)) } : undefined
}

/** The byte of the result for each byte of the codes. */
function tableOf(
  backend: Backend,
  rewriter: Rewriter,
  { source, inputs, nodes }: Region,
  quantizer: GraphNode,
): Uint8Array {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i)
  const codes: Value =
    source.type === 'int8' ? known('int8', [256], new Int8Array(bytes.buffer)) : known('uint8', [256], bytes)
  const values = new Map<string, Value>([[source.codes, codes]])
  const compute = (node: GraphNode): Value => {
    const operands = node.inputs.map((name) =>
      name === '' ? undefined : (values.get(name) ?? rewriter.constant(name)),
    )
    const [result] = evaluate(backend, operatorOf(node)(node, operands))
    if (result === undefined || sizeOf(result.dims) !== 256) throw new Error(`${node.op} of 256 codes has another size`)
    const value = { ...result, known: true }
    values.set(node.outputs[0] ?? '', value)
    return value
  }
  for (const name of inputs) {
    const producer = rewriter.producer(name)
    if (producer !== undefined) compute(producer)
  }
  for (const node of nodes) compute(node)
  const { data } = compute(quantizer)
  return new Uint8Array((data as Uint8Array).buffer).slice()
}

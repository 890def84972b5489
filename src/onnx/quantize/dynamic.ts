/** Writes the dynamic form: weights are int8 codes, activations are quantized while the model runs. */
import type { Graph, GraphNode } from '../../graph/graph'
import { known, type TypedValue } from '../../runtime/value'
import { attributeTypes } from '../attributeTypes'
import type { Layer } from './select'
import { quantizeWeight } from './weights'
import { GraphWriter } from './writer'

/** What {@link insertDynamic} gives. */
export interface DynamicGraph {
  readonly graph: Graph
  /** The layers of the given graph that became integer products. */
  readonly quantized: ReadonlySet<GraphNode>
}

/** The graph with each layer as DynamicQuantizeLinear, MatMulInteger or ConvInteger, Cast, Mul and Add. */
export function insertDynamic(graph: Graph, layers: readonly Layer[], opset: number): DynamicGraph {
  const writer = new GraphWriter(graph, opset)
  /** Codes, scale and zero point of a value, once for all layers that read it. */
  const codes = new Map<string, readonly [codes: string, scale: string, zeroPoint: string]>()
  const codesOf = (value: string): readonly [string, string, string] => {
    const found = codes.get(value)
    if (found !== undefined) return found
    const made = [
      writer.fresh(`${value}_quantized`),
      writer.fresh(`${value}_scale`),
      writer.fresh(`${value}_zero_point`),
    ] as const
    writer.add('DynamicQuantizeLinear', value, [value], made)
    codes.set(value, made)
    return made
  }
  const layerNodes = new Set(layers.map(({ node }) => node))
  const quantized = new Set<GraphNode>()
  for (const node of graph.nodes) {
    const [input = '', weightName = '', biasName = ''] = node.inputs
    const [output = ''] = node.outputs
    const given = graph.constants.get(weightName)
    if (!layerNodes.has(node) || given?.type !== 'float32') {
      writer.copy(node, node.inputs, node.outputs)
      continue
    }
    quantized.add(node)
    const conv = node.op === 'Conv'
    // A matrix product reads its second matrix as [inner, columns].
    const weight = !conv && node.attributes.int('transB', 0) !== 0 ? transposed(given) : given
    const { codes: weightCodes, scales } = quantizeWeight(weight, conv ? 0 : 1, 1, undefined)
    const perChannel = (data: Float32Array): TypedValue<'float32'> =>
      known('float32', conv ? [data.length, ...weight.dims.slice(2).map(() => 1)] : [data.length], data)
    const [xCodes, xScale, xZero] = codesOf(input)
    const wCodes = writer.constant(`${weightName}_quantized`, weightCodes)
    const wScale = writer.constant(`${weightName}_scale`, perChannel(scales))
    const bias = graph.constants.get(biasName)
    const [sums, floats] = [writer.fresh(`${output}_int32`), writer.fresh(`${output}_sums`)]
    const scale = writer.fresh(`${output}_scale`)
    const product = bias?.type === 'float32' ? writer.fresh(`${output}_product`) : output
    if (conv) writer.add('ConvInteger', output, [xCodes, wCodes, xZero], [sums], node.attributes)
    else writer.add('MatMulInteger', output, [xCodes, wCodes, xZero], [sums])
    writer.add('Cast', output, [sums], [floats], { to: { kind: 'int', value: attributeTypes.FLOAT } })
    writer.add('Mul', `${output}_scale`, [xScale, wScale], [scale])
    writer.add('Mul', output, [floats, scale], [product])
    if (bias?.type !== 'float32') continue
    const row = writer.constant(`${biasName}_row`, perChannel(bias.data))
    writer.add('Add', output, [product, row], [output])
  }
  return { graph: writer.finish(), quantized }
}

function transposed({ dims, data }: TypedValue<'float32'>): TypedValue<'float32'> {
  const [rows = 1, columns = 1] = dims
  const turned = Float32Array.from(data, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)] ?? 0)
  return known('float32', [columns, rows], turned)
}

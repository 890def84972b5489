/** Writes the quantization into a graph: pairs of QuantizeLinear and DequantizeLinear (QDQ), and int8 weights. */
import type { Graph, GraphNode } from '../../graph/graph'
import { known } from '../../runtime/value'
import type { PerTensorQParams } from '../../tensor/qparams'
import type { Layer, Selection } from './select'
import { biasCorrection, quantizeBias, quantizeWeight } from './weights'
import { GraphWriter } from './writer'

/**
 * The graph with codes in the place of the selected values and weights. `opset` is at least 13.
 *
 * @param means - Means of the layers' input channels, by which biases are corrected; undefined: they are not.
 */
export function insertQdq(
  graph: Graph,
  { layers, values }: Selection,
  qparams: ReadonlyMap<string, PerTensorQParams>,
  opset: number,
  means?: ReadonlyMap<string, Float64Array>,
): Graph {
  const writer = new GraphWriter(graph, opset)
  /** Names of the scale and zero point of a value that has parameters of its own. */
  const parameters = new Map<string, readonly [scale: string, zeroPoint: string]>()
  const parametersOf = (name: string): readonly [string, string] => {
    const found = parameters.get(name)
    if (found !== undefined) return found
    const { scale, zeroPoint } = qparams.get(name) ?? { scale: 1, zeroPoint: 0 }
    const made = [
      writer.constant(`${name}_scale`, known('float32', [], Float32Array.of(scale))),
      writer.constant(`${name}_zero_point`, known('uint8', [], Uint8Array.of(zeroPoint))),
    ] as const
    parameters.set(name, made)
    return made
  }
  const pair = (from: string, near: string, to: string, source: string): void => {
    const codes = writer.fresh(`${near}_quantized`)
    writer.add('QuantizeLinear', near, [from, ...parametersOf(source)], [codes])
    writer.add('DequantizeLinear', near, [codes, ...parametersOf(source)], [to])
  }

  /** Inputs of the graph that their readers know by another name. */
  const renamed = new Map<string, string>()
  for (const { name } of graph.inputs) {
    const source = values.get(name)
    if (source === undefined) continue
    const to = writer.fresh(`${name}_dequantized`)
    renamed.set(name, to)
    pair(name, name, to, source)
  }
  const replaced = new Replacements()
  for (const layer of layers) {
    const scale = qparams.get(values.get(layer.input) ?? layer.input)?.scale ?? 1
    quantizeLayer(graph, writer, layer, scale, means?.get(layer.input), replaced)
  }
  for (const node of graph.nodes) {
    const inputs = replaced.inputsOf(node).map((name) => renamed.get(name) ?? name)
    const outputs = node.outputs.map((name) => (values.has(name) ? writer.fresh(`${name}_float`) : name))
    writer.copy(node, inputs, outputs)
    node.outputs.forEach((name, i) => {
      const source = values.get(name)
      if (source !== undefined) pair(outputs[i] ?? '', name, name, source)
    })
  }
  return writer.finish()
}

/** New inputs of nodes: weights and biases. */
class Replacements {
  private readonly byNode = new Map<GraphNode, Map<number, string>>()

  set(node: GraphNode, index: number, name: string): void {
    const list = this.byNode.get(node) ?? new Map<number, string>()
    this.byNode.set(node, list.set(index, name))
  }

  inputsOf(node: GraphNode): string[] {
    const inputs = [...node.inputs]
    for (const [index, name] of this.byNode.get(node) ?? []) {
      while (inputs.length < index) inputs.push('')
      inputs[index] = name
    }
    return inputs
  }
}

/** Writes a layer's weight and bias as codes. */
function quantizeLayer(
  graph: Graph,
  writer: GraphWriter,
  { node, axis, bias }: Layer,
  inputScale: number,
  means: Float64Array | undefined,
  replaced: Replacements,
): void {
  const [, weightName = ''] = node.inputs
  const weight = graph.constants.get(weightName)
  if (weight?.type !== 'float32') return
  // A correction needs a bias; a MatMul has no place for one of its own.
  const place = bias ?? (means !== undefined && node.op !== 'MatMul' ? { node, index: 2 } : undefined)
  const biasName = bias?.node.inputs[bias.index] ?? `${weightName}_bias`
  const biasValue = graph.constants.get(biasName)
  const given = biasValue?.type === 'float32' ? biasValue.data : undefined
  const quantized = quantizeWeight(weight, axis, inputScale, given)
  const { codes, scales } = quantized
  const scaleName = writer.constant(`${weightName}_scale`, known('float32', [scales.length], scales))
  const zeros = known('int8', [scales.length], new Int8Array(scales.length))
  const zeroName = writer.constant(`${weightName}_zero_point`, zeros)
  const codesName = writer.constant(`${weightName}_quantized`, codes)
  const to = writer.fresh(`${weightName}_dequantized`)
  writer.add('DequantizeLinear', weightName, [codesName, scaleName, zeroName], [to], {
    axis: { kind: 'int', value: axis },
  })
  replaced.set(node, 1, to)

  const floats =
    means && place ? biasCorrection(weight, quantized, axis, means).map((lost, c) => lost + (given?.[c] ?? 0)) : given
  if (floats === undefined || place === undefined) return
  const biasCodes = quantizeBias(floats, inputScale, scales)
  const biasTo = writer.fresh(`${biasName}_dequantized`)
  writer.add(
    'DequantizeLinear',
    biasName,
    [
      writer.constant(`${biasName}_quantized`, known('int32', [floats.length], biasCodes.codes)),
      writer.constant(`${biasName}_scale`, known('float32', [floats.length], biasCodes.scales)),
    ],
    [biasTo],
    { axis: { kind: 'int', value: 0 } },
  )
  replaced.set(place.node, place.index, biasTo)
}

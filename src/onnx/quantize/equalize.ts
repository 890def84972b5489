/**
 * Cross-layer equalization (Nagel et al. 2019, "Data-free quantization"), with the ranges of activations in place of those of
 * weights: between two convolutions, channels that use little of the tensor's range are scaled up by the first and down
 * by the second. The float model's results stay the same to the bit, because the factors are powers of two; only where a
 * value goes far beyond what the samples showed does a Clip between the two cut it off earlier than before.
 */
import { clipOf, nodeLike, Rewriter } from '../../graph/passes/rewrite'
import type { Graph, GraphNode } from '../../graph/graph'
import type { Feeds } from '../../runtime/feeds'
import { known, type TypedValue } from '../../runtime/value'
import type { Model } from '../read'
import { sessionWith } from './calibrate'

/** Factors are at most two to this power: what is scaled by more was noise. */
const maxExponent = 8

/** Two convolutions with nothing but an activation between. */
interface Pair {
  readonly first: GraphNode
  readonly second: GraphNode
  /** The value between, behind the activation. */
  readonly value: string
  /** Where the activation clips; Infinity where it does not. */
  readonly limit: number
}

/** Equalizes a model in place, by what its values are on these samples. Returns how many pairs of layers took part. */
export async function equalize(model: Model, samples: readonly Feeds[]): Promise<number> {
  const { graph } = model
  const pairs = findPairs(graph)
  if (pairs.length === 0) return 0
  const largest = await largestByChannel(
    model,
    pairs.map(({ value }) => value),
    samples,
  )
  const rewriter = new Rewriter(graph)
  // A layer may be the second of one pair and the first of the next: the nodes as they are now.
  const now = new Map<GraphNode, GraphNode>()
  const current = (node: GraphNode): GraphNode => now.get(node) ?? node
  const put = (node: GraphNode, inputs: readonly string[]): void => {
    const next = nodeLike(current(node), { inputs })
    rewriter.replace(current(node), next)
    now.set(node, next)
  }
  let count = 0
  for (const { first, second, value, limit } of pairs) {
    const factors = factorsOf(largest.get(value) ?? [], limit, isDepthwise(graph, second))
    if (factors.every((factor) => factor === 1)) continue
    const [x = '', weight = '', bias = ''] = current(first).inputs
    const scaled = scaleRows(floats(graph, weight), factors)
    const offsets = bias === '' ? '' : rewriter.addConstant(bias, scaleRows(floats(graph, bias), factors))
    put(first, [x, rewriter.addConstant(weight, scaled), ...(offsets === '' ? [] : [offsets])])
    const [input = '', weight2 = '', ...rest] = current(second).inputs
    const group = second.attributes.int('group', 1)
    put(second, [input, rewriter.addConstant(weight2, scaleColumns(floats(graph, weight2), factors, group)), ...rest])
    count++
  }
  rewriter.finish()
  return count
}

function findPairs(graph: Graph): Pair[] {
  const rewriter = new Rewriter(graph)
  const pairs: Pair[] = []
  for (const first of graph.nodes) {
    if (!isConv(graph, first)) continue
    const [output = ''] = first.outputs
    const reader = rewriter.onlyReader(output)
    const clip = clipOf(rewriter, reader)
    const isActivation = clip?.lo === 0 || (reader?.domain === '' && reader.op === 'LeakyRelu')
    const value = isActivation ? (reader?.outputs[0] ?? '') : output
    const second = isActivation ? rewriter.onlyReader(value) : reader
    if (second === undefined || !isConv(graph, second) || second.inputs[0] !== value) continue
    pairs.push({ first, second, value, limit: clip?.hi ?? Infinity })
  }
  return pairs
}

/** Whether a node is a convolution whose weights are its own constants. */
function isConv(graph: Graph, { domain, op, inputs: [, weight = '', bias = ''] }: GraphNode): boolean {
  const isOwn = (name: string): boolean =>
    graph.constants.get(name)?.type === 'float32' &&
    graph.nodes.filter(({ inputs }) => inputs.includes(name)).length === 1
  return domain === '' && op === 'Conv' && isOwn(weight) && (bias === '' || isOwn(bias))
}

function isDepthwise(graph: Graph, node: GraphNode): boolean {
  return floats(graph, node.inputs[1] ?? '').dims[1] === 1 && node.attributes.int('group', 1) > 1
}

/** The largest magnitude in each channel of values, over samples. */
async function largestByChannel(
  model: Model,
  names: readonly string[],
  samples: readonly Feeds[],
): Promise<ReadonlyMap<string, number[]>> {
  const session = sessionWith(model, names)
  const result = new Map<string, number[]>()
  for (const feeds of samples) {
    const results = await session.run(feeds)
    for (const name of names) {
      const { data, dims = [] } = results[name] ?? {}
      const channels = dims[1] ?? 1
      const inner = dims.slice(2).reduce((product, size) => product * size, 1)
      const largest = result.get(name) ?? new Array<number>(channels).fill(0)
      ;(data as Float32Array).forEach((element, i) => {
        const channel = Math.floor(i / inner) % channels
        largest[channel] = Math.max(largest[channel] ?? 0, Math.abs(element))
      })
      result.set(name, largest)
    }
  }
  session.dispose()
  return result
}

/**
 * A factor for each channel, a power of two of at least 1, that brings it near the largest. A depthwise layer has a weight
 * scale for each channel, and takes all of it; in any other, channels share their weight scales, and halving the exponent
 * keeps weights and activations from paying for one another.
 */
function factorsOf(largest: readonly number[], limit: number, isFree: boolean): number[] {
  const top = Math.min(limit, Math.max(...largest))
  return largest.map((value) => {
    if (!(value > 0 && value < top)) return 1
    const exponent = Math.log2(top / value) * (isFree ? 1 : 0.5)
    return 2 ** Math.min(maxExponent, Math.floor(exponent))
  })
}

function floats(graph: Graph, name: string): TypedValue<'float32'> {
  const value = graph.constants.get(name)
  return value?.type === 'float32' ? value : known('float32', [0], new Float32Array(0))
}

/** Multiplies output channels. */
function scaleRows({ dims, data }: TypedValue<'float32'>, factors: readonly number[]): TypedValue<'float32'> {
  const perChannel = data.length / factors.length
  return known(
    'float32',
    dims,
    data.map((w, i) => w * (factors[Math.floor(i / perChannel)] ?? 1)),
  )
}

/** Divides input channels, of weights `[out, in / group, kernel…]`. */
function scaleColumns(
  { dims, data }: TypedValue<'float32'>,
  factors: readonly number[],
  group: number,
): TypedValue<'float32'> {
  const [out = 1, inPerGroup = 1, ...kernel] = dims
  const taps = kernel.reduce((product, size) => product * size, 1)
  const scaled = data.map((w, i) => {
    const column = Math.floor(i / taps) % inPerGroup
    const row = Math.floor(i / (taps * inPerGroup))
    const channel = Math.floor(row / (out / group)) * inPerGroup + column
    return w / (factors[channel] ?? 1)
  })
  return known('float32', dims, scaled)
}

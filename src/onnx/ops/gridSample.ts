/** GridSample: elements of a map at places that a second input names. PyTorch: `torch.nn.functional.grid_sample`. */
import type { GraphNode } from '../../graph/graph'
import { host, type Lowering } from '../../runtime/steps'
import { allocateFor, computed, type Value } from '../../runtime/value'
import { checkShape, shapeText, sizeOf, stridesOf, type Shape } from '../../tensor/shape'
import { contiguousOf, need, unsupported, wrong, type Inputs, type Operators } from './operator'

const { fround, floor, trunc } = Math

type Mode = 'nearest' | 'linear' | 'cubic'
type Padding = 'zeros' | 'border' | 'reflection'

const modes: Readonly<Record<string, Mode>> = {
  nearest: 'nearest',
  linear: 'linear',
  bilinear: 'linear',
  cubic: 'cubic',
  bicubic: 'cubic',
}
/** Places whose offsets and weights are found before all channels are read there. */
const atOnce = 1024
const tapsOf = { nearest: 1, linear: 2, cubic: 4 } as const

/** One axis of the map. */
interface Axis {
  readonly length: number
  readonly stride: number
  /** Where -1 and 1 lie. */
  readonly low: number
  readonly high: number
}

interface Sampling {
  readonly mode: Mode
  readonly padding: Padding
  readonly axes: readonly Axis[]
  readonly isAligned: boolean
}

/** Turned back at the ends as often as it takes. */
function reflected(x: number, { low, high }: Axis): number {
  const range = high - low
  if (x >= low && x <= high) return x
  if (!(range > 0) || !Number.isFinite(x)) return low
  const beyond = x < low ? low - x : x - high
  const turns = trunc(beyond / range)
  const rest = beyond - turns * range
  return x < low === (turns % 2 === 0) ? low + rest : high - rest
}

/** To the nearest whole number, ties to even. */
function nearbyint(x: number): number {
  const down = floor(x)
  const rest = x - down
  return rest < 0.5 || (rest === 0.5 && down % 2 === 0) ? down : down + 1
}

/** A place on the axis, for a coordinate from -1 to 1. As PyTorch computes it, in float32. */
function placeOf(n: number, axis: Axis, { mode, padding, isAligned, axes }: Sampling): number {
  const { length, low, high } = axis
  let x = isAligned
    ? fround(fround(fround(n + 1) / 2) * (length - 1))
    : fround(fround(fround(fround(n + 1) * length) - 1) / 2)
  // With three axes PyTorch rounds ties away from 0.
  if (mode === 'nearest') x = axes.length === 2 ? nearbyint(x) : x < 0 ? -floor(0.5 - x) : floor(x + 0.5)
  // Cubic weights are those of the place itself: PyTorch and onnxruntime turn back single elements (`indexOf`) there.
  if ((x >= low && x <= high) || mode === 'cubic') return x
  if (padding === 'border') return x > 0 ? Math.min(x, length - 1) : 0
  return padding === 'reflection' ? reflected(x, axis) : x
}

/** The element that stands for index `i` of an axis; -1 for none. */
function indexOf(i: number, axis: Axis, padding: Padding): number {
  const { length } = axis
  if (i >= 0 && i < length) return i
  if (padding === 'zeros') return -1
  return Math.min(Math.max(trunc(padding === 'border' ? i : reflected(i, axis)), 0), length - 1)
}

/** Weights of Keys' cubic convolution at a distance of `t` behind the second of four elements; a = -0.75. */
function cubic(t: number): readonly number[] {
  const a = -0.75
  const near = (d: number): number => ((a + 2) * d - (a + 3)) * d * d + 1
  const far = (d: number): number => ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
  return [far(t + 1), near(t), near(1 - t), far(2 - t)]
}

/** What one axis gives to a sample: the first index and the weights from there on. */
function weightsAt(x: number, mode: Mode): readonly [first: number, weights: readonly number[]] {
  if (mode === 'nearest') return [x, [1]]
  const low = floor(x)
  return mode === 'linear' ? [low, [1 - (x - low), x - low]] : [low - 1, cubic(x - low)]
}

/** Fills offsets and weights of one sample, whose coordinates come last axis first. Offset -1 is outside, and nothing. */
function sample(
  sampling: Sampling,
  coordinates: Float32Array,
  at: number,
  offsets: Int32Array,
  weights: Float64Array,
): void {
  const { axes, mode, padding } = sampling
  const taps = tapsOf[mode]
  const end = at + taps ** axes.length
  offsets.fill(0, at, end)
  weights.fill(1, at, end)
  let repeat = end - at
  for (const [a, axis] of axes.entries()) {
    repeat /= taps
    const [first, factors] = weightsAt(placeOf(coordinates[axes.length - 1 - a] ?? 0, axis, sampling), mode)
    // A place that is no number, or too far away for one, is outside; what stands for it is the first element.
    const isPlace = Number.isFinite(first)
    for (let i = at; i < end; i++) {
      const tap = floor((i - at) / repeat) % taps
      const index = isPlace ? indexOf(first + tap, axis, padding) : padding === 'zeros' ? -1 : 0
      const offset = offsets[i] ?? 0
      offsets[i] = offset < 0 || index < 0 ? -1 : offset + index * axis.stride
      weights[i] = (weights[i] ?? 0) * (isPlace ? (factors[tap] ?? 0) : 1 / taps)
    }
  }
}

function readSampling(node: GraphNode, spatial: Shape): Sampling {
  const name = node.attributes.string('mode', node.opset < 20 ? 'bilinear' : 'linear')
  const padding = node.attributes.string('padding_mode', 'zeros')
  const isAligned = node.attributes.int('align_corners', 0) !== 0
  const mode = modes[name]
  if (mode === undefined) throw unsupported(node, `mode "${name}"`)
  if (padding !== 'zeros' && padding !== 'border' && padding !== 'reflection')
    throw unsupported(node, `padding_mode "${padding}"`)
  const strides = stridesOf(spatial, 'contiguous')
  const axes = spatial.map((length, a): Axis => {
    const [low, high] = isAligned ? [0, length - 1] : [-0.5, length - 0.5]
    return { length, stride: strides[a] ?? 1, low, high }
  })
  return { mode, padding, axes, isAligned }
}

function* gridSample(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = yield* contiguousOf(node, need(node, inputs, 0), 'X', 'float32')
  const grid = yield* contiguousOf(node, need(node, inputs, 1), 'grid', 'float32')
  const [batch = 0, channels = 0, ...spatial] = x.dims
  const rank = spatial.length
  const places = grid.dims.slice(1, -1)
  if ((rank !== 2 && rank !== 3) || places.length !== rank || grid.dims[0] !== batch || grid.dims.at(-1) !== rank)
    throw wrong(node, `X ${shapeText(x.dims)} and grid ${shapeText(grid.dims)} do not belong together`)
  const dims = [batch, channels, ...places]
  checkShape(node.op, dims, 'the output shape')
  const count = sizeOf(places)
  const area = sizeOf(spatial)
  if (area === 0 && sizeOf(dims) > 0) throw wrong(node, `X ${shapeText(x.dims)} has no elements`)
  const sampling = readSampling(node, spatial)
  const taps = tapsOf[sampling.mode] ** rank
  const y = allocateFor('float32', dims)
  yield host('sample a grid', [x.data, grid.data] as const, [y] as const, ([map, coordinates], [to]) => {
    const offsets = new Int32Array(atOnce * taps)
    const weights = new Float64Array(atOnce * taps)
    for (let n = 0; n < batch; n++) {
      for (let first = 0; first < count; first += atOnce) {
        const here = Math.min(atOnce, count - first)
        for (let i = 0; i < here; i++) {
          const from = (n * count + first + i) * rank
          sample(sampling, coordinates.subarray(from, from + rank), i * taps, offsets, weights)
        }
        for (let c = 0; c < channels; c++) {
          const plane = (n * channels + c) * area
          const out = (n * channels + c) * count + first
          for (let i = 0; i < here; i++) {
            let sum = 0
            for (let t = i * taps; t < (i + 1) * taps; t++) {
              const offset = offsets[t] ?? -1
              if (offset >= 0) sum += (weights[t] ?? 0) * (map[plane + offset] ?? 0)
            }
            to[out + i] = sum
          }
        }
      }
    }
  })
  return [computed('float32', dims, y)]
}

export const gridSamples: Operators = { GridSample: gridSample }

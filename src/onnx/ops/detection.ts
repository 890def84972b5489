/** What detection networks end in: boxes without their doubles, and features cut out by boxes. */
import type { GraphNode } from '../../graph/graph'
import { host, type Lowering } from '../../runtime/steps'
import { allocateFor, computed, type Value } from '../../runtime/value'
import { checkShape, shapeText } from '../../tensor/shape'
import {
  contiguousOf,
  need,
  needKnown,
  optionalKnown,
  unsupported,
  wrong,
  type Inputs,
  type Operators,
} from './operator'

const { fround, max, min, ceil } = Math

/** Boxes by their corners, with their areas. */
interface Boxes {
  readonly top: Float32Array
  readonly left: Float32Array
  readonly bottom: Float32Array
  readonly right: Float32Array
  readonly area: Float32Array
}

/** Reads `[count][4]`: two opposite corners y, x, y, x; or centre x, y and sizes. */
function readBoxes(data: Float32Array, count: number, areCentres: boolean): Boxes {
  const [top, left, bottom, right, area] = Array.from({ length: 5 }, () => new Float32Array(count)) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ]
  for (let i = 0; i < count; i++) {
    const [a = 0, b = 0, c = 0, d = 0] = data.subarray(4 * i, 4 * i + 4)
    if (areCentres) {
      const [halfWidth, halfHeight] = [fround(c / 2), fround(d / 2)]
      left[i] = a - halfWidth
      right[i] = a + halfWidth
      top[i] = b - halfHeight
      bottom[i] = b + halfHeight
    } else {
      top[i] = min(a, c)
      bottom[i] = max(a, c)
      left[i] = min(b, d)
      right[i] = max(b, d)
    }
    const [t = 0, l = 0, u = 0, r = 0] = [top[i], left[i], bottom[i], right[i]]
    area[i] = fround(u - t) * fround(r - l)
  }
  return { top, left, bottom, right, area }
}

/** Whether two boxes have more than `threshold` of their union in common. Boxes without an area have nothing. */
function overlap({ top, left, bottom, right, area }: Boxes, i: number, j: number, threshold: number): boolean {
  const height = fround(min(bottom[i] ?? 0, bottom[j] ?? 0) - max(top[i] ?? 0, top[j] ?? 0))
  const width = fround(min(right[i] ?? 0, right[j] ?? 0) - max(left[i] ?? 0, left[j] ?? 0))
  const [first, second] = [area[i] ?? 0, area[j] ?? 0]
  if (!(height > 0 && width > 0 && first > 0 && second > 0)) return false
  const common = fround(height * width)
  const union = fround(fround(first + second) - common)
  return union > 0 && fround(common / union) > threshold
}

/** The best boxes of one class, best first: each that overlaps none of those before it. */
function pick(
  scores: Float32Array,
  boxes: Boxes,
  most: number,
  overlapping: number,
  above: number | undefined,
): number[] {
  const order: number[] = []
  // A score that is no number is no candidate.
  for (const [i, score] of scores.entries())
    if (above === undefined ? !Number.isNaN(score) : score > above) order.push(i)
  order.sort((i, j) => (scores[j] ?? 0) - (scores[i] ?? 0) || i - j)
  const picked: number[] = []
  for (const candidate of order) {
    if (picked.length === most) break
    if (!picked.some((better) => overlap(boxes, better, candidate, overlapping))) picked.push(candidate)
  }
  return picked
}

/** The first element of an optional input that decides on the number of results. */
function parameter(node: GraphNode, inputs: Inputs, i: number): number | undefined {
  const value = optionalKnown(node, inputs, i)
  return value === undefined ? undefined : Number(value.data[0])
}

/** Rows of batch, class and box. How many there are depends on the data. */
function* nonMaxSuppression(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const boxes = yield* contiguousOf(node, needKnown(node, inputs, 0), 'boxes', 'float32')
  const scores = yield* contiguousOf(node, needKnown(node, inputs, 1), 'scores', 'float32')
  const most = parameter(node, inputs, 2) ?? 0
  const overlapping = parameter(node, inputs, 3) ?? 0
  const above = parameter(node, inputs, 4)
  const [batch = 0, count = 0] = boxes.dims
  const classes = scores.dims[1] ?? 0
  if (boxes.dims.join() !== [batch, count, 4].join() || scores.dims.join() !== [batch, classes, count].join())
    throw wrong(node, `boxes ${shapeText(boxes.dims)} and scores ${shapeText(scores.dims)} do not belong together`)
  if (!(overlapping >= 0 && overlapping <= 1)) throw wrong(node, `iou_threshold is ${String(overlapping)}`)
  const areCentres = node.attributes.int('center_point_box', 0) !== 0
  const rows: number[] = []
  for (let b = 0; b < batch && most > 0; b++) {
    const corners = readBoxes(boxes.data.subarray(4 * b * count), count, areCentres)
    for (let c = 0; c < classes; c++) {
      const from = (b * classes + c) * count
      const own = scores.data.subarray(from, from + count)
      for (const box of pick(own, corners, most, overlapping, above)) rows.push(b, c, box)
    }
  }
  return [computed('int64', [rows.length / 3, 3], BigInt64Array.from(rows, BigInt))]
}

/** Bins along one axis of one region. */
interface Bins {
  readonly start: number
  readonly size: number
  /** Samples in each. */
  readonly samples: number
}

/** A place between two elements. */
interface Place {
  readonly low: number
  readonly high: number
  /** Of the second; the first has the rest. */
  readonly weight: number
}

/** The places in a map of `length` of a bin's samples. Only those near it are looked at, however large the region is. */
function placesIn({ start, size, samples }: Bins, bin: number, length: number): Place[] {
  const [first, step] = [start + bin * size, size / samples]
  const isLong = step > 0 && Number.isFinite(step)
  const begin = isLong ? max(ceil((-1 - first) / step - 0.5) - 1, 0) : 0
  const end = isLong
    ? min(Math.floor((length - first) / step - 0.5) + 2, samples)
    : Number.isFinite(samples)
      ? samples
      : 0
  const places: Place[] = []
  for (let i = begin; i < end; i++) {
    const x = first + ((i + 0.5) * size) / samples
    if (!(x >= -1 && x <= length)) continue
    const at = max(x, 0)
    const low = Math.trunc(at)
    places.push(
      low >= length - 1 ? { low: length - 1, high: length - 1, weight: 0 } : { low, high: low + 1, weight: at - low },
    )
  }
  return places
}

/** What all bins of a region read of each channel: four elements and weights for each sample, bin by bin. */
interface Samples {
  /** Where each bin's samples begin and the last one's end. */
  readonly starts: readonly number[]
  readonly offsets: Int32Array
  readonly weights: Float64Array
  /** Samples of a bin, those outside the map too, which count as 0. */
  readonly count: number
}

function samplesOf(down: Bins, across: Bins, rows: number, columns: number, height: number, width: number): Samples {
  const starts = [0]
  const offsets: number[] = []
  const weights: number[] = []
  const horizontal = Array.from({ length: columns }, (_, j) => placesIn(across, j, width))
  for (let i = 0; i < rows; i++) {
    const vertical = placesIn(down, i, height)
    for (const places of horizontal) {
      for (const y of vertical) {
        for (const x of places) {
          const [upper, lower] = [y.low * width, y.high * width]
          offsets.push(upper + x.low, upper + x.high, lower + x.low, lower + x.high)
          const [top, left] = [1 - y.weight, 1 - x.weight]
          weights.push(top * left, top * x.weight, y.weight * left, y.weight * x.weight)
        }
      }
      starts.push(offsets.length)
    }
  }
  const count = down.samples * across.samples
  return { starts, offsets: Int32Array.from(offsets), weights: Float64Array.from(weights), count }
}

/** All bins of one channel, into `y` from `out` on. */
function align(
  plane: Float32Array,
  { starts, offsets, weights, count }: Samples,
  isMax: boolean,
  y: Float32Array,
  out: number,
): void {
  for (let bin = 0; bin + 1 < starts.length; bin++) {
    const [begin = 0, end = 0] = [starts[bin], starts[bin + 1]]
    // Samples outside the map are 0.
    let value = isMax && (end - begin) / 4 >= count && end > begin ? -Infinity : 0
    for (let i = begin; i < end; i++) {
      const part = (weights[i] ?? 0) * (plane[offsets[i] ?? 0] ?? 0)
      value = isMax ? max(value, part) : value + part
    }
    y[out + bin] = isMax ? value : value / max(count, 1)
  }
}

const mostSamples = 1024

/** Regions of a map, each as a grid of bins: the mean or the largest of samples between elements. */
function* roiAlign(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = yield* contiguousOf(node, need(node, inputs, 0), 'X', 'float32')
  const rois = yield* contiguousOf(node, need(node, inputs, 1), 'rois', 'float32')
  const images = yield* contiguousOf(node, need(node, inputs, 2), 'batch_indices', 'int64')
  const { attributes } = node
  const mode = attributes.string('mode', 'avg')
  const oldest = node.opset < 16 ? 'output_half_pixel' : 'half_pixel'
  const transform = attributes.string('coordinate_transformation_mode', oldest)
  const [rows, columns] = [attributes.int('output_height', 1), attributes.int('output_width', 1)]
  const ratio = attributes.int('sampling_ratio', 0)
  const scale = attributes.float('spatial_scale') ?? 1
  if (mode !== 'avg' && mode !== 'max') throw unsupported(node, `mode "${mode}"`)
  if (transform !== 'half_pixel' && transform !== 'output_half_pixel')
    throw unsupported(node, `coordinate_transformation_mode "${transform}"`)
  if (ratio < 0 || ratio > mostSamples) throw unsupported(node, `a sampling_ratio of ${String(ratio)}`)
  const [batch = 0, channels = 0, height = 0, width = 0] = x.dims
  const [count = 0] = images.dims
  if (x.dims.length !== 4 || images.dims.length !== 1 || rois.dims.join() !== [count, 4].join())
    throw wrong(node, `X ${shapeText(x.dims)}, rois ${shapeText(rois.dims)}, batch_indices ${shapeText(images.dims)}`)
  if (rows < 1 || columns < 1) throw wrong(node, `an output of ${String(rows)} x ${String(columns)}`)
  const dims = [count, channels, rows, columns]
  checkShape(node.op, dims, 'the output shape')
  const shift = transform === 'half_pixel' ? 0.5 : 0
  const binsOf = (from: number, to: number, parts: number): Bins => {
    const start = from * scale - shift
    const length = to * scale - shift - start
    // Without the shift a region has at least one element.
    const size = (shift === 0 ? max(length, 1) : length) / parts
    return { start, size, samples: ratio > 0 ? ratio : max(ceil(size), 0) }
  }
  const y = allocateFor('float32', dims)
  yield host('align regions', [x.data, rois.data, images.data] as const, [y] as const, ([map, regions, of], [to]) => {
    const area = height * width
    for (let region = 0; region < count; region++) {
      const image = Number(of[region])
      if (!(image >= 0 && image < batch)) throw wrong(node, `there is no image ${String(image)} for a region`)
      const [left = 0, top = 0, right = 0, bottom = 0] = regions.subarray(4 * region, 4 * region + 4)
      const samples = samplesOf(binsOf(top, bottom, rows), binsOf(left, right, columns), rows, columns, height, width)
      for (let c = 0; c < channels; c++) {
        const from = (image * channels + c) * area
        const out = (region * channels + c) * rows * columns
        align(map.subarray(from, from + area), samples, mode === 'max', to, out)
      }
    }
  })
  return [computed('float32', dims, y)]
}

export const detections: Operators = {
  NonMaxSuppression: nonMaxSuppression,
  RoiAlign: roiAlign,
}

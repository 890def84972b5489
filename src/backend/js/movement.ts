/** Data movement: copies between strided views, and fold (col2im). */
import type { Elements, Kernels } from '../contract'
import { eachRun } from './runs'

/**
 * For every index of `shape`, `y[yOffset + Σ i_d*yStrides_d] = x[xOffset + Σ i_d*xStrides_d]`. Elements move as bits:
 * floats are copied as integers, so that a NaN keeps its payload.
 */
export function stridedCopy({ x, y, shape, xOffset, xStrides, yOffset, yStrides }: Kernels['stridedCopy']): void {
  const count = shape.at(-1) ?? 1
  const xStep = xStrides.at(-1) ?? 0
  const yStep = yStrides.at(-1) ?? 0
  const copyRun = runCopier(x, y)
  eachRun(shape, xStrides, yStrides, (from, to) => {
    copyRun(xOffset + from, xStep, yOffset + to, yStep, count)
  })
}

type CopyRun = (from: number, xStep: number, to: number, yStep: number, count: number) => void

/** Copies by the size of an element, whatever its type. */
function runCopier(x: Elements, y: Elements): CopyRun {
  switch (x.BYTES_PER_ELEMENT) {
    case 1:
      return copier(
        new Uint8Array(x.buffer, x.byteOffset, x.length),
        new Uint8Array(y.buffer, y.byteOffset, y.length),
        0,
      )
    case 2:
      return copier(
        new Uint16Array(x.buffer, x.byteOffset, x.length),
        new Uint16Array(y.buffer, y.byteOffset, y.length),
        0,
      )
    case 4:
      return copier(
        new Int32Array(x.buffer, x.byteOffset, x.length),
        new Int32Array(y.buffer, y.byteOffset, y.length),
        0,
      )
    default:
      return copier(
        new BigInt64Array(x.buffer, x.byteOffset, x.length),
        new BigInt64Array(y.buffer, y.byteOffset, y.length),
        0n,
      )
  }
}

function copier<T>(source: ArrayLike<T>, target: Record<number, T>, zero: T): CopyRun {
  return (from, xStep, to, yStep, count) => {
    for (let i = 0; i < count; i++) target[to + i * yStep] = source[from + i * xStep] ?? zero
  }
}

/** An index inside an axis; one outside it is an error, as in the addon. */
function inside(op: string, index: number, length: number): number {
  if (index < 0 || index >= length) throw new RangeError(`${op}: an index lies outside the axis`)
  return index
}

/** `y[o, i] = x[o, indices[i]]`; elements move as bytes. */
export function gather({ x, y, outer, axis, inner, indices }: Kernels['gather']): void {
  const size = inner * x.BYTES_PER_ELEMENT
  const from = new Uint8Array(x.buffer, x.byteOffset, x.byteLength)
  const to = new Uint8Array(y.buffer, y.byteOffset, y.byteLength)
  const rows = Array.from(indices, (index) => inside('gather', index < 0 ? index + axis : index, axis))
  for (let o = 0; o < outer; o++)
    rows.forEach((row, i) => {
      const begin = (o * axis + row) * size
      to.set(from.subarray(begin, begin + size), (o * rows.length + i) * size)
    })
}

/** `y[o, j] = Σ f(x[o, indices[j, t]] * weights[j, t])`, t ascending, each addition rounded. */
export function resample(operands: Kernels['resample']): void {
  const { x, y, outer, inLength, outLength, inner, taps, indices, weights } = operands
  for (const index of indices) inside('resample', index, inLength)
  for (let o = 0; o < outer; o++)
    for (let j = 0; j < outLength; j++)
      for (let i = 0; i < inner; i++) {
        const at = (o * outLength + j) * inner + i
        for (let t = 0; t < taps; t++) {
          const row = indices[j * taps + t] ?? 0
          const product = Math.fround((x[(o * inLength + row) * inner + i] ?? 0) * (weights[j * taps + t] ?? 0))
          y[at] = t === 0 ? product : (y[at] ?? 0) + product
        }
      }
}

/** Each output element starts at 0 and adds its contributions in ascending kernel position. */
export function fold(operands: Kernels['fold']): void {
  const { x, y, batch, channels, blocks, output, kernel, stride, dilation, padding } = operands
  y.fill(0)
  let i = 0
  for (let image = 0; image < batch * channels; image++) {
    const plane = image * output[0] * output[1]
    for (let kh = 0; kh < kernel[0]; kh++)
      for (let kw = 0; kw < kernel[1]; kw++)
        for (let bh = 0; bh < blocks[0]; bh++) {
          const h = bh * stride[0] - padding[0] + kh * dilation[0]
          for (let bw = 0; bw < blocks[1]; bw++, i++) {
            const w = bw * stride[1] - padding[1] + kw * dilation[1]
            if (h < 0 || h >= output[0] || w < 0 || w >= output[1]) continue
            const at = plane + h * output[1] + w
            y[at] = (y[at] ?? 0) + (x[i] ?? 0)
          }
        }
  }
}

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

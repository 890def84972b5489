/** Pools over channels-last data: numerics.md 6 and 7. */
import type { Kernels, PoolWindows } from '../contract'
import { toCode } from './codes'
import { laneSum } from './math'

const { fround } = Math

/** Size of the largest window, in elements. */
function largestWindow({ counts }: PoolWindows): number {
  let size = 1
  for (const axis of counts) size *= axis.reduce((largest, count) => Math.max(largest, count), 0)
  return size
}

/**
 * Calls `visit` for every output position (batch, depth, height, width). The first `count` entries of `offsets` are then
 * the indices in x of channel 0 of the window's elements, in order; `position` counts within the image, `at` is the
 * index in y of channel 0.
 */
function eachWindow(
  windows: PoolWindows,
  visit: (offsets: Int32Array, count: number, position: number, at: number) => void,
): void {
  const { batch, channels, input, output, starts, counts, steps } = windows
  const offsets = new Int32Array(largestWindow(windows))
  let at = 0
  for (let n = 0; n < batch; n++) {
    let position = 0
    for (let od = 0; od < output[0]; od++)
      for (let oh = 0; oh < output[1]; oh++)
        for (let ow = 0; ow < output[2]; ow++) {
          let count = 0
          for (let kd = 0; kd < (counts[0][od] ?? 0); kd++) {
            const d = (starts[0][od] ?? 0) + kd * steps[0]
            for (let kh = 0; kh < (counts[1][oh] ?? 0); kh++) {
              const h = (starts[1][oh] ?? 0) + kh * steps[1]
              for (let kw = 0; kw < (counts[2][ow] ?? 0); kw++) {
                const w = (starts[2][ow] ?? 0) + kw * steps[2]
                offsets[count++] = (((n * input[0] + d) * input[1] + h) * input[2] + w) * channels
              }
            }
          }
          visit(offsets, count, position++, at)
          at += channels
        }
  }
}

/** The largest code of each window; an empty window gives the type's minimum. */
export function qmaxPool({ x, y, windows }: Kernels['qmaxPool']): void {
  const minimum = x[Symbol.toStringTag] === 'Uint8Array' ? 0 : -128
  eachWindow(windows, (offsets, count, _position, at) => {
    for (let c = 0; c < windows.channels; c++) {
      let largest = minimum
      for (let i = 0; i < count; i++) largest = Math.max(largest, x[(offsets[i] ?? 0) + c] ?? 0)
      y[at + c] = largest
    }
  })
}

/** `S = Σ (q - xZp)`, `y = yZp + rne(clamp(f(f(S) * multiplier), lo - yZp, hi - yZp))` */
export function qavgPool(operands: Kernels['qavgPool']): void {
  const { x, y, windows, xZeroPoint, yZeroPoint, multipliers, lo, hi } = operands
  eachWindow(windows, (offsets, count, position, at) => {
    const multiplier = multipliers[position] ?? 0
    for (let c = 0; c < windows.channels; c++) {
      let sum = 0
      for (let i = 0; i < count; i++) sum += (x[(offsets[i] ?? 0) + c] ?? 0) - xZeroPoint
      y[at + c] = toCode(fround(fround(sum) * multiplier), yZeroPoint, lo, hi)
    }
  })
}

/** The largest value of each window; NaN propagates, `max(-0, +0) = +0`; an empty window gives -Infinity. */
export function fmaxPool({ x, y, windows }: Kernels['fmaxPool']): void {
  eachWindow(windows, (offsets, count, _position, at) => {
    for (let c = 0; c < windows.channels; c++) {
      let largest = -Infinity
      for (let i = 0; i < count; i++) largest = Math.max(largest, x[(offsets[i] ?? 0) + c] ?? 0)
      y[at + c] = largest
    }
  })
}

/** `f(sum / divisor)`, the sum in 16 lanes over the window's elements. */
export function favgPool({ x, y, windows, divisors }: Kernels['favgPool']): void {
  const elements = new Float32Array(largestWindow(windows))
  eachWindow(windows, (offsets, count, position, at) => {
    const divisor = divisors[position] ?? 0
    for (let c = 0; c < windows.channels; c++) {
      for (let i = 0; i < count; i++) elements[i] = x[(offsets[i] ?? 0) + c] ?? 0
      y[at + c] = laneSum(elements, 0, count, 1) / divisor
    }
  })
}

/** Where the taps of a convolution window lie: shared by the quantized and the float convolution. */
import type { ConvGeometry } from '../contract'

/**
 * Calls `visit` for every output position, in the order of channels-last y. `offsets` then holds, for each tap of the
 * kernel (depth, height, width), the index in x of channel 0 under it, or -1 where the tap lies in padding.
 */
export function eachWindow(geometry: ConvGeometry, visit: (offsets: Int32Array, position: number) => void): void {
  const { batch, inChannels, input, output, kernel, stride, dilation, padding } = geometry
  const offsets = new Int32Array(kernel[0] * kernel[1] * kernel[2])
  let position = 0
  for (let n = 0; n < batch; n++)
    for (let od = 0; od < output[0]; od++)
      for (let oh = 0; oh < output[1]; oh++)
        for (let ow = 0; ow < output[2]; ow++) {
          let tap = 0
          for (let kd = 0; kd < kernel[0]; kd++) {
            const d = od * stride[0] - padding[0] + kd * dilation[0]
            for (let kh = 0; kh < kernel[1]; kh++) {
              const h = oh * stride[1] - padding[1] + kh * dilation[1]
              for (let kw = 0; kw < kernel[2]; kw++) {
                const w = ow * stride[2] - padding[2] + kw * dilation[2]
                const inside = d >= 0 && d < input[0] && h >= 0 && h < input[1] && w >= 0 && w < input[2]
                offsets[tap++] = inside ? (((n * input[0] + d) * input[1] + h) * input[2] + w) * inChannels : -1
              }
            }
          }
          visit(offsets, position++)
        }
}

/**
 * The same of a transposed convolution: `offsets` holds, for each tap, the index in x of channel 0 of the input pixel that
 * adds this tap to the output pixel, `outside` where that pixel lies beyond the input, `notHere` where there is none: the
 * tap falls between two input pixels.
 */
export function eachTransposedWindow(
  geometry: ConvGeometry,
  visit: (offsets: Int32Array, position: number) => void,
): void {
  const { batch, inChannels, input, output, kernel } = geometry
  const offsets = new Int32Array(kernel[0] * kernel[1] * kernel[2])
  const source = (axis: 0 | 1 | 2, o: number, k: number): number => sourceIndex(geometry, axis, o, k)
  let position = 0
  for (let n = 0; n < batch; n++)
    for (let od = 0; od < output[0]; od++)
      for (let oh = 0; oh < output[1]; oh++)
        for (let ow = 0; ow < output[2]; ow++) {
          let tap = 0
          for (let kd = 0; kd < kernel[0]; kd++) {
            const d = source(0, od, kd)
            for (let kh = 0; kh < kernel[1]; kh++) {
              const h = source(1, oh, kh)
              for (let kw = 0; kw < kernel[2]; kw++) {
                const w = source(2, ow, kw)
                const worst = Math.min(d, h, w)
                offsets[tap++] = worst < 0 ? worst : (((n * input[0] + d) * input[1] + h) * input[2] + w) * inChannels
              }
            }
          }
          visit(offsets, position++)
        }
}

/** A tap whose input pixel lies beyond the input. */
export const outside = -1
/** A tap that no input pixel, inside or outside, adds to this output pixel. */
export const notHere = -2

/** Along one axis, the input index that adds kernel position k to output index o: `(o + padding - k * dilation) / stride`. */
function sourceIndex(geometry: ConvGeometry, axis: 0 | 1 | 2, o: number, k: number): number {
  const steps = o + geometry.padding[axis] - k * geometry.dilation[axis]
  const i = steps / geometry.stride[axis]
  if (!Number.isInteger(i)) return notHere
  return i >= 0 && i < geometry.input[axis] ? i : outside
}

/** Layers by their definition, for the edge cases. */
import * as quantized from '../../src/ops/quantized'
import type { QDType8 } from '../../src/tensor/dtype'
import type { QTensor } from '../../src/tensor/qtensor'
import { tensor } from '../../src/tensor/tensor'
import { naiveConv, naiveRequantize, type NaiveGeometry } from '../ops/naive'

/** Parameters of a result. */
export interface Target {
  readonly scale: number
  readonly zeroPoint: number
  readonly dtype: QDType8
}

/** Codes of a convolution by the definition (numerics.md 4, 5). */
export function convCodes(
  x: QTensor,
  w: QTensor,
  bias: readonly number[] | null,
  y: Target & { readonly lo?: number; readonly hi?: number },
  geometry: NaiveGeometry = {},
): number[] {
  const { shape, data } = naiveConv(x, w, geometry)
  const [, O = 1, H = 1, W = 1] = shape
  return naiveRequantize(data, (i) => Math.floor(i / (H * W)) % O, x, w, bias, y)
}

/** Expects conv2d to be its definition. */
export function expectConv(
  x: QTensor<QDType8>,
  w: QTensor<QDType8>,
  bias: readonly number[] | null,
  y: Target,
  geometry: NaiveGeometry = {},
): void {
  const packed = quantized.conv2dPrepack(w, bias === null ? null : tensor([...bias]), geometry)
  const out = quantized.conv2d(x, packed, y.scale, y.zeroPoint, { dtype: y.dtype })
  expect([...out.intRepr().data]).toEqual(convCodes(x, w, bias, y, geometry))
}

/** Expects linear to be its definition, which is that of a 1x1 convolution over one pixel per row. */
export function expectLinear(x: QTensor<QDType8>, w: QTensor<QDType8>, y: Target): void {
  const out = quantized.linear(x, quantized.linearPrepack(w), y.scale, y.zeroPoint, { dtype: y.dtype })
  const pixels = ({ shape: [rows = 0, features = 0] }: QTensor): number[] => [rows, features, 1, 1]
  expect([...out.storage]).toEqual(convCodes(x.reshape(pixels(x)), w.reshape(pixels(w)), null, y))
}

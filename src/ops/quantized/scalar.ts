/**
 * Sums and products with a number, as PyTorch does them: the parameters change, not the codes, as long as the type can
 * hold them.
 */
import { runAsync, runSync, type Steps } from '../../backend/steps'
import { codeRange, type QDType8 } from '../../tensor/dtype'
import { checkScale, type PerTensorQParams } from '../../tensor/qparams'
import type { QTensor } from '../../tensor/qtensor'
import { toCode } from '../../tensor/rounding'
import { checkFinite } from '../options'
import { buildTable, clampCodesSteps, lookupSteps, relabel } from './codes'
import { readQTensor } from './params'

/** Half away from zero: how PyTorch rounds the scalar. */
function roundAway(x: number): number {
  return Math.sign(x) * Math.floor(Math.abs(x) + 0.5)
}

function* addSteps<D extends QDType8>(op: string, x: QTensor<D>, value: number, relu: boolean): Steps<QTensor<D>> {
  const { scale, zeroPoint } = readQTensor(op, x, 'x')
  checkFinite(op, 'value', value)
  const [min, max] = codeRange[x.dtype]
  const moved = zeroPoint - roundAway(value / scale)
  if (moved >= min && moved <= max) {
    const y = relabel(x, { kind: 'perTensor', scale, zeroPoint: moved + 0 })
    return relu ? yield* clampCodesSteps(y, moved, max) : y
  }
  // The zero point leaves the type: 0.0 goes to the nearer end, and the scale grows until the far end still fits.
  const span = moved < min ? max - moved : moved - min
  const grown = (scale * span) / (max - min)
  const qparams: PerTensorQParams = {
    kind: 'perTensor',
    scale: checkScale(op, grown, 'the scale of the result'),
    zeroPoint: moved < min ? min : max,
  }
  const lo = relu ? qparams.zeroPoint : min
  const table = buildTable(x.dtype, (code) => toCode((code - moved) * (scale / grown), qparams.zeroPoint, lo, max))
  return yield* lookupSteps(x, table, qparams)
}

function* mulSteps<D extends QDType8>(op: string, x: QTensor<D>, value: number, relu: boolean): Steps<QTensor<D>> {
  const { scale, zeroPoint } = readQTensor(op, x, 'x')
  checkFinite(op, 'value', value)
  const [min, max] = codeRange[x.dtype]
  if (value === 0) return yield* lookupSteps(x, new Uint8Array(256), { kind: 'perTensor', scale: 1, zeroPoint: 0 })
  const qparams: PerTensorQParams = {
    kind: 'perTensor',
    scale: checkScale(op, scale * Math.abs(value), 'the scale of the result'),
    zeroPoint: value > 0 ? zeroPoint : min + max - zeroPoint,
  }
  const y =
    value > 0
      ? relabel(x, qparams)
      : yield* lookupSteps(
          x,
          buildTable(x.dtype, (code) => min + max - code),
          qparams,
        )
  return relu ? yield* clampCodesSteps(y, qparams.zeroPoint, max) : y
}

/**
 * `x + value`: the zero point moves by `round(value / scale)`, halves away from zero, and the codes stay (the result then
 * shares memory with x); where the zero point would leave the type, scale and codes are made anew. PyTorch:
 * `torch.ops.quantized.add_scalar`.
 *
 * @param x - quint8 or qint8, per tensor.
 * @param value - A finite number.
 * @throws DTypeError, QParamsError, ArgumentError
 * @example
 * addScalar(quantizePerTensor(tensor([1, 2]), 0.5, 10, 'quint8'), 3).dequantize().data // 4, 5
 */
export function addScalar<D extends QDType8>(x: QTensor<D>, value: number): QTensor<D> {
  return runSync(addSteps('quantized.addScalar', x, value, false))
}

/** {@link addScalar} off the event loop. */
export function addScalarAsync<D extends QDType8>(x: QTensor<D>, value: number): Promise<QTensor<D>> {
  return runAsync(addSteps('quantized.addScalar', x, value, false))
}

/** {@link addScalar}, then ReLU. PyTorch: `torch.ops.quantized.add_scalar_relu`. */
export function addScalarRelu<D extends QDType8>(x: QTensor<D>, value: number): QTensor<D> {
  return runSync(addSteps('quantized.addScalarRelu', x, value, true))
}

/** {@link addScalarRelu} off the event loop. */
export function addScalarReluAsync<D extends QDType8>(x: QTensor<D>, value: number): Promise<QTensor<D>> {
  return runAsync(addSteps('quantized.addScalarRelu', x, value, true))
}

/**
 * `x * value`: the scale is multiplied by `|value|` and the codes stay; a negative value mirrors codes and zero point, and 0
 * gives scale 1 and codes 0. PyTorch: `torch.ops.quantized.mul_scalar`.
 *
 * @param x - quint8 or qint8, per tensor.
 * @param value - A finite number.
 * @throws DTypeError, QParamsError, ArgumentError
 */
export function mulScalar<D extends QDType8>(x: QTensor<D>, value: number): QTensor<D> {
  return runSync(mulSteps('quantized.mulScalar', x, value, false))
}

/** {@link mulScalar} off the event loop. */
export function mulScalarAsync<D extends QDType8>(x: QTensor<D>, value: number): Promise<QTensor<D>> {
  return runAsync(mulSteps('quantized.mulScalar', x, value, false))
}

/** {@link mulScalar}, then ReLU. PyTorch: `torch.ops.quantized.mul_scalar_relu`. */
export function mulScalarRelu<D extends QDType8>(x: QTensor<D>, value: number): QTensor<D> {
  return runSync(mulSteps('quantized.mulScalarRelu', x, value, true))
}

/** {@link mulScalarRelu} off the event loop. */
export function mulScalarReluAsync<D extends QDType8>(x: QTensor<D>, value: number): Promise<QTensor<D>> {
  return runAsync(mulSteps('quantized.mulScalarRelu', x, value, true))
}

/**
 * Functions of one 8-bit variable, each a table of 256 codes (numerics.md 6): `code = clamp(rne(F((q - zx) * sx) / sy) + zy)`
 * in float64, from the definition of F.
 */
import { runAsync, runSync, type Steps } from '../../backend/steps'
import { codeRange, type QDType8 } from '../../tensor/dtype'
import type { PerTensorQParams } from '../../tensor/qparams'
import type { QTensor } from '../../tensor/qtensor'
import { Recent } from '../../tensor/recent'
import { toCode } from '../../tensor/rounding'
import type { LeakyReluOptions } from '../float/activations'
import { checkFinite, checkOptions } from '../options'
import { buildTable, lookupSteps } from './codes'
import { readQTensor, readTarget } from './params'

/** Parameters of a result that has usual ones. */
export interface FixedQParamsOptions {
  /** Scale of the result. */
  readonly scale?: number
  /** Code of 0.0 in the result. */
  readonly zeroPoint?: number
}

/** What a table is computed from. `parameter` is the function's own, where it has one. */
interface TableKey {
  readonly op: string
  readonly dtype: QDType8
  readonly from: PerTensorQParams
  readonly to: PerTensorQParams
  readonly parameter: number
}

const sameParams = (a: PerTensorQParams, b: PerTensorQParams): boolean =>
  a.scale === b.scale && a.zeroPoint === b.zeroPoint

/** A network has a table for each of its activations: 256 bytes, which cost some microseconds to compute. */
const tables = new Recent<TableKey, Uint8Array>(
  64,
  (a, b) =>
    a.op === b.op &&
    a.dtype === b.dtype &&
    sameParams(a.from, b.from) &&
    sameParams(a.to, b.to) &&
    Object.is(a.parameter, b.parameter),
)

/** A function of one variable under another op's name, by its definition in float64. */
export function* tableSteps<D extends QDType8>(
  op: string,
  x: QTensor<D>,
  scale: number,
  zeroPoint: number,
  definition: (x: number) => number,
  parameter = 0,
): Steps<QTensor<D>> {
  const from = readQTensor(op, x, 'x')
  const to = readTarget(op, scale, zeroPoint, x.dtype)
  const key: TableKey = { op, dtype: x.dtype, from, to, parameter }
  let table = tables.find(key)
  if (table === undefined) {
    const [min, max] = codeRange[x.dtype]
    table = buildTable(x.dtype, (code) =>
      toCode(definition((code - from.zeroPoint) * from.scale) / to.scale, to.zeroPoint, min, max),
    )
    tables.keep(key, table)
  }
  return yield* lookupSteps(x, table, to)
}

function* fixedSteps<D extends QDType8>(
  op: string,
  x: QTensor<D>,
  options: FixedQParamsOptions,
  usual: { readonly scale: number; readonly quint8: number; readonly qint8: number },
  definition: (x: number) => number,
): Steps<QTensor<D>> {
  readQTensor(op, x, 'x')
  checkOptions(op, options, ['scale', 'zeroPoint'])
  const { scale = usual.scale, zeroPoint = usual[x.dtype] } = options
  return yield* tableSteps(op, x, scale, zeroPoint, definition)
}

function* leakySteps<D extends QDType8>(
  x: QTensor<D>,
  scale: number,
  zeroPoint: number,
  options: LeakyReluOptions,
): Steps<QTensor<D>> {
  const op = 'quantized.leakyRelu'
  checkOptions(op, options, ['negativeSlope'])
  const { negativeSlope = 0.01 } = options
  checkFinite(op, 'options.negativeSlope', negativeSlope)
  return yield* tableSteps(op, x, scale, zeroPoint, (v) => (v > 0 ? v : v * negativeSlope), negativeSlope)
}

const sigmoidRange = { scale: 1 / 256, quint8: 0, qint8: -128 } as const
const tanhRange = { scale: 2 / 256, quint8: 128, qint8: 0 } as const

const logistic = (v: number): number => 1 / (1 + Math.exp(-v))
const hardswishOf = (v: number): number => (v * Math.min(Math.max(v + 3, 0), 6)) / 6

/**
 * `1 / (1 + e^-x)`. Its result lies in 0..1: scale 1/256 and zero point 0 (quint8) or -128 (qint8), unless `options` says
 * otherwise. PyTorch: `torch.ops.quantized.sigmoid`.
 *
 * @param x - quint8 or qint8, per tensor.
 * @throws DTypeError, QParamsError, ArgumentError
 */
export function sigmoid<D extends QDType8>(x: QTensor<D>, options: FixedQParamsOptions = {}): QTensor<D> {
  return runSync(fixedSteps('quantized.sigmoid', x, options, sigmoidRange, logistic))
}

/** {@link sigmoid} off the event loop. */
export function sigmoidAsync<D extends QDType8>(x: QTensor<D>, options: FixedQParamsOptions = {}): Promise<QTensor<D>> {
  return runAsync(fixedSteps('quantized.sigmoid', x, options, sigmoidRange, logistic))
}

/**
 * Hyperbolic tangent. Its result lies in -1..1: scale 2/256 and zero point 128 (quint8) or 0 (qint8), unless `options` says
 * otherwise. PyTorch: `torch.tanh` of a quantized tensor.
 */
export function tanh<D extends QDType8>(x: QTensor<D>, options: FixedQParamsOptions = {}): QTensor<D> {
  return runSync(fixedSteps('quantized.tanh', x, options, tanhRange, Math.tanh))
}

/** {@link tanh} off the event loop. */
export function tanhAsync<D extends QDType8>(x: QTensor<D>, options: FixedQParamsOptions = {}): Promise<QTensor<D>> {
  return runAsync(fixedSteps('quantized.tanh', x, options, tanhRange, Math.tanh))
}

/**
 * `x * min(max(x + 3, 0), 6) / 6`. PyTorch: `torch.ops.quantized.hardswish`.
 *
 * @param x - quint8 or qint8, per tensor.
 * @param scale - Scale of the result.
 * @param zeroPoint - Code of 0.0 in the result.
 */
export function hardswish<D extends QDType8>(x: QTensor<D>, scale: number, zeroPoint: number): QTensor<D> {
  return runSync(tableSteps('quantized.hardswish', x, scale, zeroPoint, hardswishOf))
}

/** {@link hardswish} off the event loop. */
export function hardswishAsync<D extends QDType8>(
  x: QTensor<D>,
  scale: number,
  zeroPoint: number,
): Promise<QTensor<D>> {
  return runAsync(tableSteps('quantized.hardswish', x, scale, zeroPoint, hardswishOf))
}

/**
 * `x` above 0, `x * options.negativeSlope` (0.01) below. PyTorch: `torch.ops.quantized.leaky_relu`.
 *
 * @param x - quint8 or qint8, per tensor.
 * @param scale - Scale of the result.
 * @param zeroPoint - Code of 0.0 in the result.
 */
export function leakyRelu<D extends QDType8>(
  x: QTensor<D>,
  scale: number,
  zeroPoint: number,
  options: LeakyReluOptions = {},
): QTensor<D> {
  return runSync(leakySteps(x, scale, zeroPoint, options))
}

/** {@link leakyRelu} off the event loop. */
export function leakyReluAsync<D extends QDType8>(
  x: QTensor<D>,
  scale: number,
  zeroPoint: number,
  options: LeakyReluOptions = {},
): Promise<QTensor<D>> {
  return runAsync(leakySteps(x, scale, zeroPoint, options))
}

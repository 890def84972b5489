/** ReLU and clips on codes: scale and zero point stay (numerics.md 6). */
import { runAsync, runSync, type Steps } from '../../backend/steps'
import type { QDType8 } from '../../tensor/dtype'
import type { QTensor } from '../../tensor/qtensor'
import type { ClampOptions } from '../float/activations'
import { checkOptions } from '../options'
import { clampCodesSteps } from './codes'
import { codeBounds, readClip, readQTensor, relu as reluActivation, type Activation } from './params'

function* activationSteps<D extends QDType8>(op: string, q: QTensor<D>, activation: Activation): Steps<QTensor<D>> {
  const { scale, zeroPoint } = readQTensor(op, q, 'x')
  const [lo, hi] = codeBounds({ kind: 'perTensor', scale, zeroPoint, dtype: q.dtype }, activation)
  return yield* clampCodesSteps(q, lo, hi)
}

function* rangeSteps<D extends QDType8>(
  op: string,
  q: QTensor<D>,
  options: ClampOptions,
  defaults: ClampOptions = {},
): Steps<QTensor<D>> {
  checkOptions(op, options, ['min', 'max'])
  const { min, max } = { ...defaults, ...options }
  return yield* activationSteps(op, q, readClip(op, min, max))
}

const six: Activation = { kind: 'clip', min: 0, max: 6 }

/**
 * `max(code, zeroPoint)`. PyTorch: `torch.relu` of a quantized tensor.
 *
 * @param x - quint8 or qint8, per tensor.
 * @example
 * relu(fromIntRepr(new Uint8Array([5, 15]), [2], 'quint8', { scale: 1, zeroPoint: 10 })).storage // 10, 15
 */
export function relu<D extends QDType8>(x: QTensor<D>): QTensor<D> {
  return runSync(activationSteps('quantized.relu', x, reluActivation))
}

/** {@link relu} off the event loop. */
export function reluAsync<D extends QDType8>(x: QTensor<D>): Promise<QTensor<D>> {
  return runAsync(activationSteps('quantized.relu', x, reluActivation))
}

/** Codes between those of 0 and 6. PyTorch: `torch.ops.quantized.relu6`. */
export function relu6<D extends QDType8>(x: QTensor<D>): QTensor<D> {
  return runSync(activationSteps('quantized.relu6', x, six))
}

/** {@link relu6} off the event loop. */
export function relu6Async<D extends QDType8>(x: QTensor<D>): Promise<QTensor<D>> {
  return runAsync(activationSteps('quantized.relu6', x, six))
}

/**
 * Codes between those of the real numbers `options.min` and `options.max`, either of which may be absent. PyTorch:
 * `torch.ops.quantized.clamp`.
 *
 * @throws ArgumentError where min is above max.
 */
export function clamp<D extends QDType8>(x: QTensor<D>, options: ClampOptions): QTensor<D> {
  return runSync(rangeSteps('quantized.clamp', x, options))
}

/** {@link clamp} off the event loop. */
export function clampAsync<D extends QDType8>(x: QTensor<D>, options: ClampOptions): Promise<QTensor<D>> {
  return runAsync(rangeSteps('quantized.clamp', x, options))
}

/** {@link clamp} with bounds of -1 and 1 where `options` gives none. PyTorch: `hardtanh` of a quantized tensor. */
export function hardtanh<D extends QDType8>(x: QTensor<D>, options: ClampOptions = {}): QTensor<D> {
  return runSync(rangeSteps('quantized.hardtanh', x, options, { min: -1, max: 1 }))
}

/** {@link hardtanh} off the event loop. */
export function hardtanhAsync<D extends QDType8>(x: QTensor<D>, options: ClampOptions = {}): Promise<QTensor<D>> {
  return runAsync(rangeSteps('quantized.hardtanh', x, options, { min: -1, max: 1 }))
}

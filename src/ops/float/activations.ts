/** Float activation functions (numerics.md 7): elementwise, in x's memory format. */
import type { Kernels } from '../../backend/contract'
import { runAsync, runSync, step, type Steps } from '../../backend/steps'
import { checkTensor, Tensor } from '../../tensor/tensor'
import { checkFinite, checkOptions, readRange } from '../options'
import { allocate } from '../../tensor/dtype'

const { fround } = Math

/** Bounds of a clamp. */
export interface ClampOptions {
  /** @defaultValue none */
  readonly min?: number
  /** @defaultValue none */
  readonly max?: number
}

/** Options of {@link leakyRelu}. */
export interface LeakyReluOptions {
  /** Slope below 0. @defaultValue 0.01 */
  readonly negativeSlope?: number
}

function* clampSteps(op: string, x: Tensor, lo: number, hi: number): Steps<Tensor> {
  checkTensor(op, x, 'x')
  const y = allocate('float32', x.size)
  if (y.length > 0) yield step('fclamp', { x: x.storage, y, lo: fround(lo), hi: fround(hi) })
  return new Tensor('float32', x.shape, y, x.memoryFormat)
}

function* rangeSteps(op: string, x: Tensor, options: ClampOptions, defaults: ClampOptions = {}): Steps<Tensor> {
  checkOptions(op, options, ['min', 'max'])
  const { min, max } = { ...defaults, ...options }
  return yield* clampSteps(op, x, ...readRange(op, min, max))
}

function* unarySteps(op: Kernels['funary']['op'], x: Tensor, alpha = 0): Steps<Tensor> {
  checkTensor(`functional.${op}`, x, 'x')
  const y = allocate('float32', x.size)
  if (y.length > 0) yield step('funary', { x: x.storage, y, op, alpha, beta: 0 })
  return new Tensor('float32', x.shape, y, x.memoryFormat)
}

function* leakySteps(x: Tensor, options: LeakyReluOptions): Steps<Tensor> {
  const op = 'functional.leakyRelu'
  checkOptions(op, options, ['negativeSlope'])
  const { negativeSlope = 0.01 } = options
  checkFinite(op, 'options.negativeSlope', negativeSlope)
  return yield* unarySteps('leakyRelu', x, fround(negativeSlope))
}

/**
 * `max(x, 0)`; NaN stays NaN. PyTorch: `torch.nn.functional.relu`.
 *
 * @example
 * relu(tensor([-1, 2])).data // 0, 2
 */
export function relu(x: Tensor): Tensor {
  return runSync(clampSteps('functional.relu', x, 0, Infinity))
}

/** {@link relu} off the event loop. */
export function reluAsync(x: Tensor): Promise<Tensor> {
  return runAsync(clampSteps('functional.relu', x, 0, Infinity))
}

/** `min(max(x, 0), 6)`; NaN stays NaN. PyTorch: `torch.nn.functional.relu6`. */
export function relu6(x: Tensor): Tensor {
  return runSync(clampSteps('functional.relu6', x, 0, 6))
}

/** {@link relu6} off the event loop. */
export function relu6Async(x: Tensor): Promise<Tensor> {
  return runAsync(clampSteps('functional.relu6', x, 0, 6))
}

/**
 * `min(max(x, options.min), options.max)`, by default -1 and 1; NaN stays NaN. PyTorch: `torch.nn.functional.hardtanh`.
 *
 * @throws ArgumentError where min is above max.
 */
export function hardtanh(x: Tensor, options: ClampOptions = {}): Tensor {
  return runSync(rangeSteps('functional.hardtanh', x, options, { min: -1, max: 1 }))
}

/** {@link hardtanh} off the event loop. */
export function hardtanhAsync(x: Tensor, options: ClampOptions = {}): Promise<Tensor> {
  return runAsync(rangeSteps('functional.hardtanh', x, options, { min: -1, max: 1 }))
}

/**
 * `min(max(x, options.min), options.max)`, either of which may be absent; NaN stays NaN. PyTorch: `torch.clamp`.
 *
 * @throws ArgumentError where min is above max (PyTorch returns max).
 */
export function clamp(x: Tensor, options: ClampOptions): Tensor {
  return runSync(rangeSteps('functional.clamp', x, options))
}

/** {@link clamp} off the event loop. */
export function clampAsync(x: Tensor, options: ClampOptions): Promise<Tensor> {
  return runAsync(rangeSteps('functional.clamp', x, options))
}

/** `1 / (1 + e^-x)`, within 2 ULP. PyTorch: `torch.sigmoid`. */
export function sigmoid(x: Tensor): Tensor {
  return runSync(unarySteps('sigmoid', x))
}

/** {@link sigmoid} off the event loop. */
export function sigmoidAsync(x: Tensor): Promise<Tensor> {
  return runAsync(unarySteps('sigmoid', x))
}

/** Hyperbolic tangent, within 2 ULP. PyTorch: `torch.tanh`. */
export function tanh(x: Tensor): Tensor {
  return runSync(unarySteps('tanh', x))
}

/** {@link tanh} off the event loop. */
export function tanhAsync(x: Tensor): Promise<Tensor> {
  return runAsync(unarySteps('tanh', x))
}

/** `x * min(max(x + 3, 0), 6) / 6`. PyTorch: `torch.nn.functional.hardswish`. */
export function hardswish(x: Tensor): Tensor {
  return runSync(unarySteps('hardswish', x))
}

/** {@link hardswish} off the event loop. */
export function hardswishAsync(x: Tensor): Promise<Tensor> {
  return runAsync(unarySteps('hardswish', x))
}

/**
 * `x` above 0, `x * options.negativeSlope` (0.01) below. PyTorch: `torch.nn.functional.leaky_relu`.
 *
 * @example
 * leakyRelu(tensor([-2, 2]), { negativeSlope: 0.5 }).data // -1, 2
 */
export function leakyRelu(x: Tensor, options: LeakyReluOptions = {}): Tensor {
  return runSync(leakySteps(x, options))
}

/** {@link leakyRelu} off the event loop. */
export function leakyReluAsync(x: Tensor, options: LeakyReluOptions = {}): Promise<Tensor> {
  return runAsync(leakySteps(x, options))
}

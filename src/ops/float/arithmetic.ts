/** Float sums, products and batch normalisation (numerics.md 7). */
import { runAsync, runSync, step, type Steps } from '../../backend/steps'
import { ArgumentError, ShapeError } from '../../errors'
import { shapeText, sizeOf } from '../../tensor/shape'
import { splitAt } from '../../tensor/split'
import { checkTensor, Tensor } from '../../tensor/tensor'
import { checkFinite, checkOptions } from '../options'
import { planBroadcast } from '../shapes/broadcast'
import { allocate } from '../../tensor/dtype'

const { fround } = Math

function* pairSteps(name: 'add' | 'mul', a: Tensor, b: Tensor): Steps<Tensor> {
  const op = `functional.${name}`
  checkTensor(op, a, 'a')
  checkTensor(op, b, 'b')
  const { shape, memoryFormat, broadcast } = planBroadcast(op, a, b)
  const y = allocate('float32', sizeOf(shape))
  if (y.length > 0) yield step('fbinary', { a: a.storage, b: b.storage, y, broadcast, op: name })
  return new Tensor('float32', shape, y, memoryFormat)
}

/**
 * `a + b`, broadcast against each other: sizes equal or 1, counted from the last axis. The result has the memory format
 * of the operand that has its shape, a before b. PyTorch: `torch.add`.
 *
 * @throws ShapeError where the shapes do not broadcast.
 * @example
 * add(tensor([[1, 2], [3, 4]]), tensor([10, 20])).toArray() // [[11, 22], [13, 24]]
 */
export function add(a: Tensor, b: Tensor): Tensor {
  return runSync(pairSteps('add', a, b))
}

/** {@link add} off the event loop. */
export function addAsync(a: Tensor, b: Tensor): Promise<Tensor> {
  return runAsync(pairSteps('add', a, b))
}

/** `a * b`, broadcast as in {@link add}. PyTorch: `torch.mul`. */
export function mul(a: Tensor, b: Tensor): Tensor {
  return runSync(pairSteps('mul', a, b))
}

/** {@link mul} off the event loop. */
export function mulAsync(a: Tensor, b: Tensor): Promise<Tensor> {
  return runAsync(pairSteps('mul', a, b))
}

/** Options of {@link batchNorm}. */
export interface BatchNormOptions {
  /** float32 `[C]`. @defaultValue ones */
  readonly weight?: Tensor | null
  /** float32 `[C]`. @defaultValue zeros */
  readonly bias?: Tensor | null
  /** Added to the variance. @defaultValue 1e-5 */
  readonly eps?: number
}

/** Keys of {@link BatchNormOptions}. */
export const batchNormKeys = ['weight', 'bias', 'eps'] as const

/**
 * Batch normalisation as one multiplication and one addition per channel, from float64:
 * `scale = f(weight / sqrt(variance + eps))`, `shift = f(bias - mean * weight / sqrt(variance + eps))`.
 */
export function readBatchNorm(
  op: string,
  channels: number,
  mean: Tensor,
  variance: Tensor,
  options: BatchNormOptions,
): { readonly scales: Float32Array; readonly shifts: Float32Array } {
  const { weight = null, bias = null, eps = 1e-5 } = options
  checkFinite(op, 'options.eps', eps)
  if (eps < 0) throw new ArgumentError({ op, argument: 'options.eps', expected: 'at least 0', received: String(eps) })
  const read = (argument: string, x: Tensor): Float32Array => {
    checkTensor(op, x, argument)
    if (x.rank !== 1 || x.size !== channels)
      throw new ShapeError({
        op,
        argument,
        expected: `of shape [${String(channels)}], one value per channel of x`,
        received: shapeText(x.shape),
      })
    return x.storage
  }
  const means = read('mean', mean)
  const gammas = weight === null ? null : read('options.weight', weight)
  const betas = bias === null ? null : read('options.bias', bias)
  const factors = Float64Array.from(read('variance', variance), (v, c) => (gammas?.[c] ?? 1) / Math.sqrt(v + eps))
  return {
    scales: Float32Array.from(factors),
    shifts: Float32Array.from(factors, (factor, c) => fround((betas?.[c] ?? 0) - (means[c] ?? 0) * factor)),
  }
}

/** Refuses an input without a channel axis. */
export function checkChannels(op: string, x: { readonly rank: number; readonly shape: readonly number[] }): number {
  const channels = x.shape[1]
  if (channels === undefined)
    throw new ShapeError({ op, argument: 'x', expected: 'of shape [N, C, ...]', received: shapeText(x.shape) })
  return channels
}

function* batchNormSteps(x: Tensor, mean: Tensor, variance: Tensor, options: BatchNormOptions): Steps<Tensor> {
  const op = 'functional.batchNorm'
  checkTensor(op, x, 'x')
  checkOptions(op, options, batchNormKeys)
  const { scales, shifts } = readBatchNorm(op, checkChannels(op, x), mean, variance, options)
  const y = allocate('float32', x.size)
  if (y.length > 0)
    yield step('faffine', { x: x.storage, y, split: splitAt(x.shape, x.memoryFormat, 1), scales, shifts })
  return new Tensor('float32', x.shape, y, x.memoryFormat)
}

/**
 * Batch normalisation with frozen statistics: `y = f(f(x * scale) + shift)` per channel, `scale = weight / sqrt(variance +
 * eps)`, `shift = bias - mean * scale` (from float64, rounded once). PyTorch: `torch.nn.functional.batch_norm`, not training.
 *
 * @param x - float32 `[N, C, ...]`.
 * @param mean - float32 `[C]`: running mean.
 * @param variance - float32 `[C]`: running variance.
 * @param options - `weight`, `bias`: float32 `[C]`; `eps`.
 * @throws ShapeError, DTypeError, ArgumentError
 */
export function batchNorm(x: Tensor, mean: Tensor, variance: Tensor, options: BatchNormOptions = {}): Tensor {
  return runSync(batchNormSteps(x, mean, variance, options))
}

/** {@link batchNorm} off the event loop. */
export function batchNormAsync(
  x: Tensor,
  mean: Tensor,
  variance: Tensor,
  options: BatchNormOptions = {},
): Promise<Tensor> {
  return runAsync(batchNormSteps(x, mean, variance, options))
}

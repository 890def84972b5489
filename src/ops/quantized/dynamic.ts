/** Dynamic quantization: float in, float out, 8-bit products in between (numerics.md 5, float output). */
import { currentBackend } from '../../backend/current'
import { runAsync, runSync, type Steps } from '../../backend/steps'
import { dynamicSteps, type DynamicOptions } from '../../tensor/quantize'
import { QTensor } from '../../tensor/qtensor'
import { checkTensor, Tensor } from '../../tensor/tensor'
import { linearShape } from '../float/conv'
import { checkBoolean, checkOptions } from '../options'
import { sizeOf } from '../../tensor/shape'
import { bindFloat } from './epilogue'
import { checkPackedLinear, type PackedLinear } from './prepack'
import { linearKernel } from './run'
import { allocate } from '../../tensor/dtype'

/** Options of {@link linearDynamic}. */
export interface LinearDynamicOptions extends DynamicOptions {
  /** Whether the result goes through a ReLU. @defaultValue false */
  readonly relu?: boolean
}

function* steps(op: string, x: Tensor, packed: PackedLinear, options: LinearDynamicOptions): Steps<Tensor> {
  checkTensor(op, x, 'x')
  checkPackedLinear(op, packed)
  checkOptions(op, options, ['reduceRange', 'relu'])
  const { relu = false, reduceRange = false } = options
  checkBoolean(op, 'options.relu', relu)
  checkBoolean(op, 'options.reduceRange', reduceRange)
  const backend = currentBackend()
  const { rows, shape } = linearShape(op, x.shape, packed.inFeatures, packed.outFeatures)
  if (sizeOf(shape) === 0) return new Tensor('float32', shape, new Float32Array(0))
  const qx =
    x.size > 0
      ? yield* dynamicSteps(op, x, 'quint8', { reduceRange })
      : new QTensor('quint8', x.shape, new Uint8Array(0), one)
  const bounds = relu ? ([0, Infinity] as const) : ([-Infinity, Infinity] as const)
  const bound = bindFloat(op, packed.packed, backend, qx, ...bounds)
  const y = allocate('float32', sizeOf(shape))
  yield* linearKernel(bound, qx, packed, rows, y)
  return new Tensor('float32', shape, y)
}

/** Parameters of an input without elements. */
const one = { kind: 'perTensor', scale: 1, zeroPoint: 0 } as const

/**
 * Linear layer that quantizes its input by the input's own range: `y = f(f(acc) * f(sx*sw)) + bias` in float32. PyTorch:
 * `torch.ops.quantized.linear_dynamic`.
 *
 * @param x - float32 `[..., K]`, with at least one finite element unless it is empty.
 * @param packed - What {@link linearPrepack} returned, with a float32 bias or none.
 * @param options - `reduceRange`: 7 bits for x, as PyTorch's fbgemm engine; `relu`.
 * @returns float32 `[..., N]`
 * @throws DTypeError, ShapeError, QParamsError, ArgumentError
 */
export function linearDynamic(x: Tensor, packed: PackedLinear, options: LinearDynamicOptions = {}): Tensor {
  return runSync(steps('quantized.linearDynamic', x, packed, options))
}

/** {@link linearDynamic} off the event loop. */
export function linearDynamicAsync(
  x: Tensor,
  packed: PackedLinear,
  options: LinearDynamicOptions = {},
): Promise<Tensor> {
  return runAsync(steps('quantized.linearDynamic', x, packed, options))
}

/** {@link linearDynamic} with a ReLU. PyTorch: `torch.ops.quantized.linear_relu_dynamic`. */
export function linearReluDynamic(x: Tensor, packed: PackedLinear, options: DynamicOptions = {}): Tensor {
  return runSync(reluSteps(x, packed, options))
}

/** {@link linearReluDynamic} off the event loop. */
export function linearReluDynamicAsync(x: Tensor, packed: PackedLinear, options: DynamicOptions = {}): Promise<Tensor> {
  return runAsync(reluSteps(x, packed, options))
}

function* reluSteps(x: Tensor, packed: PackedLinear, options: DynamicOptions): Steps<Tensor> {
  const op = 'quantized.linearReluDynamic'
  checkOptions(op, options, ['reduceRange'])
  return yield* steps(op, x, packed, { ...options, relu: true })
}

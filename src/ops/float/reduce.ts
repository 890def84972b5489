/** Float mean and softmax (numerics.md 7): 16-lane sums over elements in row-major order, whatever the memory format. */
import { runAsync, runSync, step, type Steps } from '../../backend/steps'
import { permuteSteps } from '../../tensor/movement'
import { resolveAxis, storageOrder } from '../../tensor/shape'
import { checkTensor, Tensor } from '../../tensor/tensor'
import { readReduce, type Dims, type ReduceOptions } from '../shapes/reduce'
import { allocate } from '../../tensor/dtype'

const floats = (length: number): Float32Array => allocate('float32', length)

function* meanSteps(x: Tensor, dims: Dims | undefined, options: ReduceOptions): Steps<Tensor> {
  const op = 'functional.mean'
  checkTensor(op, x, 'x')
  const { kept, reduced, rows, length, shape } = readReduce(op, x.shape, dims, options)
  const y = floats(rows)
  if (length === 0) y.fill(NaN)
  else if (rows > 0) {
    const axes = [...kept, ...reduced]
    const stored = storageOrder(x.rank, x.memoryFormat)
    const inOrder = axes.every((axis, i) => axis === stored[i])
    yield step('freduce', {
      x: inOrder ? x.storage : yield* permuteSteps(x, axes, floats),
      y,
      rows,
      length,
      op: 'mean',
    })
  }
  return new Tensor('float32', shape, y)
}

/**
 * Mean over axes: a 16-lane sum, divided once; NaN where there is nothing to average. PyTorch: `torch.mean`.
 *
 * @param x - float32.
 * @param dims - An axis, several, or all of them if absent; negative counts from the end.
 * @param options - `keepDim`: reduced axes stay, with size 1.
 * @throws ShapeError, ArgumentError
 * @example
 * mean(tensor([[1, 2], [3, 4]]), 1).data // 1.5, 3.5
 */
export function mean(x: Tensor, dims?: Dims, options: ReduceOptions = {}): Tensor {
  return runSync(meanSteps(x, dims, options))
}

/** {@link mean} off the event loop. */
export function meanAsync(x: Tensor, dims?: Dims, options: ReduceOptions = {}): Promise<Tensor> {
  return runAsync(meanSteps(x, dims, options))
}

function* softmaxSteps(x: Tensor, dim: number): Steps<Tensor> {
  const op = 'functional.softmax'
  checkTensor(op, x, 'x')
  // A scalar has, as in PyTorch, the axes 0 and -1.
  const axis = resolveAxis(op, dim, Math.max(1, x.rank), 'dim')
  const length = x.shape[axis] ?? 1
  const y = floats(x.size)
  if (y.length === 0) return new Tensor('float32', x.shape, y, x.memoryFormat)
  const rows = x.size / length
  if (x.rank === 0 || storageOrder(x.rank, x.memoryFormat).at(-1) === axis) {
    yield step('softmax', { x: x.storage, y, rows, length })
    return new Tensor('float32', x.shape, y, x.memoryFormat)
  }
  const axes = [...x.shape.keys()].filter((other) => other !== axis).concat(axis)
  yield step('softmax', { x: yield* permuteSteps(x, axes, floats), y, rows, length })
  const shape = axes.map((other) => x.shape[other] ?? 1)
  const back = [...x.shape.keys()].map((other) => axes.indexOf(other))
  const storage = yield* permuteSteps({ storage: y, shape, memoryFormat: 'contiguous' }, back, floats)
  return new Tensor('float32', x.shape, storage)
}

/**
 * `exp(x - max) / Σ exp(x - max)` along an axis. PyTorch: `torch.softmax`.
 *
 * @param x - float32.
 * @param dim - The axis; negative counts from the end.
 * @throws ShapeError
 * @example
 * softmax(tensor([0, 0]), 0).data // 0.5, 0.5
 */
export function softmax(x: Tensor, dim: number): Tensor {
  return runSync(softmaxSteps(x, dim))
}

/** {@link softmax} off the event loop. */
export function softmaxAsync(x: Tensor, dim: number): Promise<Tensor> {
  return runAsync(softmaxSteps(x, dim))
}

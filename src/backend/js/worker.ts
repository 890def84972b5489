/** A worker thread of the JavaScript backend: keeps weights, runs kernels, hands results back. */
import { parentPort } from 'node:worker_threads'
import type { KernelName, Kernels } from '../contract'
import { kernels } from './kernels'
import type { Reply, Request } from './messages'

const weights = new Map<number, object>()

function run<K extends KernelName>(kernel: K, operands: Kernels[K]): Kernels[K]['y'] {
  kernels[kernel](operands)
  return operands.y
}

/** Answers the requests of the thread that started this one. */
export function startWorker(): void {
  parentPort?.on('message', (request: Request) => {
    switch (request.type) {
      case 'keep': {
        const { id, packed } = request
        weights.set(id, packed === null ? request.weights : { ...request.weights, packed: weights.get(packed) })
        return
      }
      case 'drop':
        weights.delete(request.id)
        return
      case 'run':
        parentPort?.postMessage(...answer(request))
    }
  })
}

function answer({ id, kernel, operands, op }: Request & { type: 'run' }): [Reply, ArrayBuffer[]] {
  try {
    const y = run(kernel, { ...operands, ...(op !== null && { op: weights.get(op) }) } as Kernels[KernelName])
    return [{ id, y }, y.buffer instanceof ArrayBuffer ? [y.buffer] : []]
  } catch (error) {
    return [{ id, error: { message: error instanceof Error ? (error.stack ?? error.message) : String(error) } }, []]
  }
}

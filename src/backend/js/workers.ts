/**
 * The worker threads behind the JavaScript backend's `runAsync`. Operands are copied before `run` returns and handed
 * over without a second copy; packed weights travel to a worker once and stay there until they are collected here. A
 * worker holds the process up only while it has work.
 */
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { BackendError } from '../../errors'
import type { KernelName, Kernels } from '../contract'
import { packageRoot } from '../root'
import { bytesOf } from './codes'
import type { Reply, Request, TypedArray } from './messages'

/** Compiled worker. */
const workerFile = join(packageRoot, 'dist/lib/worker.js')
const maxWorkers = Math.max(1, Math.min(2, availableParallelism() - 1))

interface Pending {
  readonly y: TypedArray
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

interface Member {
  readonly worker: Worker
  readonly pending: Map<number, Pending>
  /** Weights that the worker holds. */
  readonly kept: Set<number>
}

export interface WorkerPool {
  /** Runs a kernel on a worker and writes `y` when it is done. Throws where no worker can be had. */
  run<K extends KernelName>(kernel: K, operands: Kernels[K]): Promise<void>
}

/** A pool without threads: they start as they are needed, `maxWorkers` of them at most. */
export function createWorkerPool(file: string = workerFile): WorkerPool {
  const members: Member[] = []
  const ids = new WeakMap<object, number>()
  let lastId = 0
  const collected = new FinalizationRegistry((id: number) => {
    for (const { worker, kept } of members) if (kept.delete(id)) post(worker, { type: 'drop', id })
  })

  function idOf(weights: object): number {
    const known = ids.get(weights)
    if (known !== undefined) return known
    const id = ++lastId
    ids.set(weights, id)
    collected.register(weights, id)
    return id
  }

  /** Makes sure that the worker holds these weights, and names them. */
  function keep(member: Member, weights: object): number {
    const id = idOf(weights)
    if (member.kept.has(id)) return id
    if ('packed' in weights && typeof weights.packed === 'object' && weights.packed !== null) {
      const packed = keep(member, weights.packed)
      post(member.worker, { type: 'keep', id, weights: { ...weights, packed: undefined }, packed })
    } else post(member.worker, { type: 'keep', id, weights, packed: null })
    member.kept.add(id)
    return id
  }

  function start(): Member {
    if (!existsSync(file))
      throw new BackendError({
        op: 'runAsync',
        message: `the JavaScript backend's worker is not there (${file})`,
        hint: 'Run `npm run compile`: async calls need the compiled package.',
      })
    const worker = new Worker(file, { name: 'int8', execArgv: [] })
    const member: Member = { worker, pending: new Map(), kept: new Set() }
    const lose = (error: Error): void => {
      const index = members.indexOf(member)
      if (index >= 0) members.splice(index, 1)
      for (const { reject } of member.pending.values()) reject(error)
      member.pending.clear()
    }
    worker.on('message', (reply: Reply) => {
      settle(member, reply)
    })
    worker.on('error', (error: unknown) => {
      lose(error instanceof Error ? error : new Error(String(error)))
    })
    worker.on('exit', () => {
      lose(new BackendError({ op: 'runAsync', message: 'a worker of the JavaScript backend ended before its run did' }))
    })
    worker.unref()
    members.push(member)
    return member
  }

  /** The least busy worker; a new one where all are busy and there may be more. */
  function choose(): Member {
    const [first, ...rest] = members
    if (first === undefined) return start()
    const idlest = rest.reduce((best, member) => (member.pending.size < best.pending.size ? member : best), first)
    return idlest.pending.size > 0 && members.length < maxWorkers ? start() : idlest
  }

  return {
    run(kernel, operands) {
      const member = choose()
      const op = 'op' in operands && typeof operands.op === 'object' ? keep(member, operands.op) : null
      const { copies, buffers } = copyArrays(operands)
      const id = ++lastId
      return new Promise((resolve, reject) => {
        post(member.worker, { type: 'run', id, kernel, operands: copies, op }, buffers)
        member.pending.set(id, { y: operands.y, resolve, reject })
        if (member.pending.size === 1) member.worker.ref()
      })
    },
  }
}

function post(worker: Worker, request: Request, transfer: ArrayBuffer[] = []): void {
  worker.postMessage(request, transfer)
}

/** Ends a run: writes the result, or rejects. */
function settle({ worker, pending }: Member, reply: Reply): void {
  const run = pending.get(reply.id)
  if (run === undefined) return
  pending.delete(reply.id)
  if (pending.size === 0) worker.unref()
  if ('error' in reply) {
    run.reject(new BackendError({ op: 'runAsync', message: `the kernel threw: ${reply.error.message}` }))
    return
  }
  try {
    bytesOf(run.y).set(bytesOf(reply.y))
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    run.reject(new BackendError({ op: 'runAsync', message: `y cannot take the result: ${reason}` }))
    return
  }
  run.resolve()
}

/**
 * Copies of the operands' own arrays, in buffers of exactly their size that may be handed over: a view's buffer may be
 * larger, shared, or changed by the caller. Weights (`op`) travel apart; nested arrays are small and are cloned.
 */
function copyArrays(operands: object): { copies: object; buffers: ArrayBuffer[] } {
  const buffers: ArrayBuffer[] = []
  const copies = Object.entries(operands).map(([name, value]: [string, unknown]) => {
    if (name === 'op' && typeof value === 'object') return [name, undefined]
    if (!isArray(value)) return [name, value]
    const buffer = new ArrayBuffer(value.byteLength)
    new Uint8Array(buffer).set(bytesOf(value))
    buffers.push(buffer)
    return [name, viewsOf[value[Symbol.toStringTag]](buffer)]
  })
  return { copies: Object.fromEntries(copies) as object, buffers }
}

const viewsOf: Readonly<Record<TypedArray[typeof Symbol.toStringTag], (buffer: ArrayBuffer) => TypedArray>> = {
  Float32Array: (buffer) => new Float32Array(buffer),
  Int32Array: (buffer) => new Int32Array(buffer),
  BigInt64Array: (buffer) => new BigInt64Array(buffer),
  Uint8Array: (buffer) => new Uint8Array(buffer),
  Int8Array: (buffer) => new Int8Array(buffer),
  Float64Array: (buffer) => new Float64Array(buffer),
  Uint32Array: (buffer) => new Uint32Array(buffer),
  Int16Array: (buffer) => new Int16Array(buffer),
  Uint16Array: (buffer) => new Uint16Array(buffer),
  BigUint64Array: (buffer) => new BigUint64Array(buffer),
}

function isArray(value: unknown): value is TypedArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView)
}

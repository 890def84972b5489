/** What the main thread and a worker say to each other. */
import type { Elements, KernelName } from '../contract'

/** To the worker. */
export type Request =
  /** Weights that later runs name: sent once, kept until dropped. Bound weights name their packed ones by `packed`. */
  | { readonly type: 'keep'; readonly id: number; readonly weights: object; readonly packed: number | null }
  | { readonly type: 'drop'; readonly id: number }
  /** Run a kernel. The arrays among the operands belong to the worker; `op` names weights kept before. */
  | {
      readonly type: 'run'
      readonly id: number
      readonly kernel: KernelName
      readonly operands: object
      readonly op: number | null
    }

/** From the worker: the result of run `id`, or what it threw. */
export type Reply =
  | { readonly id: number; readonly y: TypedArray }
  | { readonly id: number; readonly error: { readonly message: string } }

/** The arrays that kernels read and write. */
export type TypedArray = Elements

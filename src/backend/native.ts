/**
 * The native backend: loads the addon and turns the contract's calls into the addon's. Every place where the binary may
 * lie is tried, every failure kept with its reason.
 */
import { types } from 'node:util'
import { BackendError, show } from '../errors'
import { candidates, platformKey } from './candidates'
import type {
  AccumulatorOutput,
  Backend,
  BoundQuantized,
  Executable,
  KernelName,
  Kernels,
  MappedFile,
  PackedFloat,
  PackedQuantized,
  Program,
} from './contract'
import { oneAtATime } from './executable'
import { encoders, weightSizes, type Call } from './encode'

/** The addon as a backend, with its settings. They hold for the whole process, worker threads included. */
export interface NativeBackend extends Backend {
  readonly name: 'native'
  /** Instruction sets that this CPU can run, best first. */
  readonly supportedIsas: readonly string[]
  setIsa(name: string): void
  /** Threads that one kernel uses. */
  readonly numThreads: number
  readonly defaultNumThreads: number
  setNumThreads(n: number): void
  /** Maps a file into memory, the first `length` bytes for JavaScript too; undefined where that cannot be done: read it then. */
  mapFile(path: string, length: number): MappedFile | undefined
  /** Packed weights as bytes, for {@link QuantizedWeights.image}; undefined where they have no such form. */
  imageOf(packed: PackedQuantized): Uint8Array | undefined
  /** Gives the native memory of packed weights back now instead of when they are collected. Later use is an error. */
  dispose(object: PackedQuantized | BoundQuantized | PackedFloat): void
  /** Whether this is the first environment (main thread, worker) of the process that loaded the addon. */
  readonly firstInProcess: boolean
}

/** A place that was tried in vain. */
export interface LoadFailure {
  /** From the package's root. */
  readonly path: string
  readonly reason: string
}

/** What came of looking for the addon. */
export type LoadResult =
  | { readonly backend: NativeBackend; readonly path: string; readonly failures: readonly LoadFailure[] }
  | { readonly backend: undefined; readonly path: undefined; readonly failures: readonly LoadFailure[] }

export const maxThreads = 256

/** Raised with every change of a function's arguments, here and in `binding/addon.cc`. */
const abi = 13

declare const brand: unique symbol
/** A plan of the addon's. */
interface NativePlan {
  readonly [brand]: 'NativePlan'
}

/** Functions of the addon beside the kernels. */
interface Control {
  readonly abi: number
  readonly firstInProcess: boolean
  readonly supportedIsas: readonly string[]
  isa(): number
  setIsa(name: string): void
  numThreads(): number
  defaultNumThreads(): number
  setNumThreads(n: number): void
  dispose(object: object): void
  packQuantized(...args: readonly unknown[]): PackedQuantized
  bindQuantized(...args: readonly unknown[]): BoundQuantized
  packFloat(...args: readonly unknown[]): PackedFloat
  mapFile(path: string, length: number): MappedFile | null
  imageOf(packed: PackedQuantized): Uint8Array | null
  packImage(file: object, offset: number, length: number, sizes: Float64Array): PackedQuantized | null
  planCreate(bytes: number): NativePlan
  planStep(plan: NativePlan, memory: ArrayBuffer, kernel: KernelName, ...args: readonly unknown[]): void
  planApply(plan: NativePlan, memory: ArrayBuffer, kernel: KernelName, ...args: readonly unknown[]): void
  planRun(plan: NativePlan, first: number, last: number, times: Float64Array | null): void
  planRunAsync(plan: NativePlan, first: number, last: number, times: Float64Array | null): Promise<void>
  planWrite(plan: NativePlan, offset: number, array: ArrayBufferView): void
  planRead(plan: NativePlan, offset: number, array: ArrayBufferView): void
}

/** The addon's exports: control, and each kernel twice. */
export type Addon = Control &
  Readonly<Record<KernelName, Call<void>>> &
  Readonly<Record<`${KernelName}Async`, Call<Promise<void>>>>

const controlFunctions: readonly (keyof Control)[] = [
  'isa',
  'setIsa',
  'numThreads',
  'defaultNumThreads',
  'setNumThreads',
  'dispose',
  'packQuantized',
  'bindQuantized',
  'packFloat',
  'mapFile',
  'imageOf',
  'packImage',
  'planCreate',
  'planStep',
  'planApply',
  'planRun',
  'planRunAsync',
  'planWrite',
  'planRead',
]
const kernelNames = Object.keys(encoders) as readonly KernelName[]

let found: LoadResult | undefined

/** Looks for the addon; a second call returns what the first found. */
export function tryNative(): LoadResult {
  if (found?.backend !== undefined) return found
  found = look()
  return found
}

/** The native backend. Throws a `BackendError` that names each place tried and what was wrong there. */
export function loadNative(): NativeBackend {
  const { backend, failures } = tryNative()
  if (backend !== undefined) return backend
  throw new BackendError({
    op: 'int8',
    message: `the native backend could not be loaded (${describeFailures(failures)})`,
    hint: fixFor(failures),
  })
}

/** Failures in words: `path: reason; path: reason`. */
export function describeFailures(failures: readonly LoadFailure[]): string {
  return failures.map(({ path, reason }) => `${path}: ${reason}`).join('; ')
}

/** What would make the native backend load. */
export function fixFor(failures: readonly LoadFailure[]): string {
  return failures.some(({ path }) => path.startsWith('prebuilds/'))
    ? 'Reinstall the package, or in a clone of it run `npm run compile`.'
    : `There is no prebuilt binary for ${platformKey()}: in a clone of the package run \`npm run compile\`.`
}

/** The addon itself, for tests of the binding; throws as `loadNative` does. */
export function loadAddon(): Addon {
  loadNative()
  for (const { load } of candidates()) {
    try {
      return checked(load())
    } catch {
      // the next place; loadNative has found one that works
    }
  }
  throw new BackendError({ op: 'int8', message: 'the addon is gone' })
}

function look(): LoadResult {
  const failures: LoadFailure[] = []
  for (const { path, load } of candidates()) {
    try {
      return { backend: createNativeBackend(checked(load())), path, failures }
    } catch (error) {
      failures.push({ path, reason: reasonOf(error) })
    }
  }
  return { backend: undefined, path: undefined, failures }
}

function reasonOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return String(error)
  if ('code' in error && error.code === 'MODULE_NOT_FOUND') return 'there is no such file'
  return 'message' in error ? String(error.message) : show(error)
}

/** Refuses a binary that was built from other sources. */
function checked(exports: unknown): Addon {
  const addon = exports as Partial<Addon>
  if (addon.abi !== abi) {
    throw new Error(`it is another version of the addon (ABI ${show(addon.abi)}, wanted ${String(abi)})`)
  }
  const names = [...controlFunctions, ...kernelNames, ...kernelNames.map((name) => `${name}Async` as const)]
  const missing = names.filter((name) => typeof addon[name] !== 'function')
  if (missing.length > 0) throw new Error(`it is another version of the addon (it lacks ${missing.join(', ')})`)
  return addon as Addon
}

function createNativeBackend(addon: Addon): NativeBackend {
  const { supportedIsas, firstInProcess } = addon
  const activeIsa = (): string => supportedIsas[addon.isa()] ?? 'portable'
  let isa = activeIsa()
  return {
    name: 'native',
    supportedIsas,
    firstInProcess,
    get isa() {
      return isa
    },
    setIsa(name) {
      if (!supportedIsas.includes(name)) throw unknownIsa('setIsa', 'name', supportedIsas, name)
      addon.setIsa(name)
      isa = activeIsa()
    },
    get numThreads() {
      return addon.numThreads()
    },
    get defaultNumThreads() {
      return addon.defaultNumThreads()
    },
    setNumThreads(n) {
      checkNumThreads('setNumThreads', 'n', n)
      addon.setNumThreads(n)
    },
    dispose(object) {
      addon.dispose(object)
    },
    mapFile: (path, length) => addon.mapFile(path, length) ?? undefined,
    imageOf: (packed) => addon.imageOf(packed) ?? undefined,
    packQuantized(weights) {
      const { image, zeroPoints } = weights
      if (image?.isa === isa) {
        const found = addon.packImage(image.from.file, image.offset, image.length, weightSizes(weights))
        if (found !== null) return found
      }
      // Laid out before the sizes are: that is a call of its own, which may use the same scratch array.
      const { codes } = weights
      return addon.packQuantized(codes, zeroPoints, weightSizes(weights))
    },
    packFloat: (weights) => addon.packFloat(weights.values, weights.bias, weightSizes(weights)),
    bindQuantized: (packed, { xDType, xZeroPoint, bias, output }) =>
      addon.bindQuantized(packed, bias, xDType === 'quint8' ? 0 : 1, xZeroPoint, ...outputArguments(output)),
    compile: (program) => compile(addon, program),
    run(kernel, operands) {
      encoders[kernel](addon[kernel], operands)
    },
    async runAsync<K extends KernelName>(kernel: K, operands: Kernels[K]) {
      const caller: { stack?: string } = {}
      Error.captureStackTrace(caller)
      const running = encoders[kernel](addon[`${kernel}Async`], operands)
      try {
        await running
      } catch (error) {
        // Made on the event loop, where the caller is long gone: give it the caller's stack.
        if (types.isNativeError(error)) error.stack = String(caller.stack).replace(/^.*/, String(error))
        throw error
      }
    },
  }
}

/** Records the program's steps in a plan of the addon's, which has memory of its own. */
function compile(addon: Addon, { memory, steps }: Program): Executable {
  const plan = addon.planCreate(memory.byteLength)
  const encode = <K extends KernelName>(call: 'planStep' | 'planApply', kernel: K, operands: Kernels[K]): void => {
    encoders[kernel]((...args) => {
      addon[call](plan, memory, kernel, ...args)
    }, operands)
  }
  for (const { kernel, operands } of steps) encode('planStep', kernel, operands as never)
  return oneAtATime({
    apply({ kernel, operands }) {
      encode('planApply', kernel, operands as never)
    },
    write(offset, from) {
      addon.planWrite(plan, offset, from)
    },
    read(offset, to) {
      addon.planRead(plan, offset, to)
    },
    run(first, last, times) {
      addon.planRun(plan, first, last, times ?? null)
    },
    async runAsync(first, last, times) {
      await addon.planRunAsync(plan, first, last, times ?? null)
    },
    dispose() {
      addon.dispose(plan)
    },
  })
}

/** outputKind, multipliers, floatBias, yZeroPoint, lo, hi. */
function outputArguments(output: AccumulatorOutput): readonly unknown[] {
  switch (output.kind) {
    case 'codes':
      return [output.dtype === 'quint8' ? 0 : 1, output.multipliers, null, output.zeroPoint, output.lo, output.hi]
    case 'int32':
      return [2, null, null, 0, 0, 0]
    case 'float32':
      return [3, output.scales, output.bias, 0, output.lo, output.hi]
  }
}

/** Throws a `BackendError` unless `n` is a number of threads that can be set. */
export function checkNumThreads(op: string, argument: string, n: unknown): asserts n is number {
  if (typeof n === 'number' && Number.isInteger(n) && n >= 1 && n <= maxThreads) return
  throw new BackendError({ op, argument, expected: `an integer from 1 to ${String(maxThreads)}`, received: show(n) })
}

/** The error for an instruction set that cannot be had; names those that can. */
export function unknownIsa(op: string, argument: string, allowed: readonly string[], name: unknown): BackendError {
  const expected = allowed.map((isa) => `'${isa}'`).join(' or ')
  return new BackendError({ op, argument, expected, received: show(name), hint: 'These are what this CPU can run.' })
}

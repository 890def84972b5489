/**
 * Which backend runs: chosen once, at the first use. `INT8_BACKEND` (`native` or `js`) forces one; otherwise it is the
 * native backend where the addon loads, else the JavaScript backend with one warning. `INT8_ISA` and `INT8_NUM_THREADS`
 * set the native backend up. A value that means nothing is an error, never ignored.
 */
import { BackendError, show } from '../errors'
import type { Backend } from './contract'
import { createJsBackend } from './js'
import {
  checkNumThreads,
  describeFailures,
  fixFor,
  loadNative,
  maxThreads,
  tryNative,
  unknownIsa,
  type LoadFailure,
  type NativeBackend,
} from './native'

/** How the choice came about. */
export interface BackendStatus {
  /** `not tried`: `INT8_BACKEND=js` left no choice. */
  readonly native: 'loaded' | 'failed' | 'not tried'
  /** The binary in use, from the package's root. */
  readonly path: string | undefined
  /** Places that were tried in vain, with the reasons. */
  readonly failures: readonly LoadFailure[]
}

interface Choice {
  readonly backend: Backend
  readonly status: BackendStatus
}

let chosen: Choice | undefined
let forTests: Backend | undefined

/** The backend that ops run on. Throws a `BackendError` where the environment's settings cannot be met. */
export function currentBackend(): Backend {
  return forTests ?? choice().backend
}

/** How the backend was chosen; chooses it if nothing has been run yet. */
export function currentStatus(): BackendStatus {
  return choice().status
}

/**
 * Makes all ops run on this backend, until called with `undefined`.
 * @internal
 */
export function useBackend(backend: Backend | undefined): void {
  forTests = backend
}

/** Tells the native backend from the JavaScript one. */
export function isNative(backend: Backend): backend is NativeBackend {
  return backend.name === 'native'
}

function choice(): Choice {
  chosen ??= choose()
  return chosen
}

function choose(): Choice {
  const wanted = variable('INT8_BACKEND')
  const isa = variable('INT8_ISA')
  const threads = threadsOf(variable('INT8_NUM_THREADS'))
  if (wanted !== undefined && wanted !== 'native' && wanted !== 'js') {
    throw new BackendError({
      op: 'int8',
      argument: 'INT8_BACKEND',
      expected: `'native' or 'js'`,
      received: show(wanted),
      hint: 'Unset it to let the library choose.',
    })
  }
  if (wanted === 'js') {
    checkJsIsa(isa, 'INT8_BACKEND=js chose the JavaScript backend.')
    return { backend: createJsBackend(), status: { native: 'not tried', path: undefined, failures: [] } }
  }
  const { backend, path, failures } = tryNative()
  if (backend !== undefined) {
    applySettings(backend, isa, threads)
    return { backend, status: { native: 'loaded', path, failures } }
  }
  if (wanted === 'native') loadNative() // throws, with the reasons
  checkJsIsa(isa, `The native backend could not be loaded (${describeFailures(failures)}).`)
  warn(failures)
  return { backend: createJsBackend(), status: { native: 'failed', path: undefined, failures } }
}

/** An environment variable; an empty one counts as unset. */
function variable(name: string): string | undefined {
  const value = process.env[name]
  return value === '' ? undefined : value
}

function threadsOf(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const n = /^\d{1,4}$/.test(value) ? Number(value) : NaN
  if (n >= 1 && n <= maxThreads) return n
  throw new BackendError({
    op: 'int8',
    argument: 'INT8_NUM_THREADS',
    expected: `an integer from 1 to ${String(maxThreads)}`,
    received: show(value),
  })
}

/** Settings are the process's: a worker that starts later does not undo what was set meanwhile. */
function applySettings(backend: NativeBackend, isa: string | undefined, threads: number | undefined): void {
  if (isa !== undefined && !backend.supportedIsas.includes(isa)) {
    throw unknownIsa('int8', 'INT8_ISA', backend.supportedIsas, isa)
  }
  if (!backend.firstInProcess) return
  if (isa !== undefined) backend.setIsa(isa)
  if (threads !== undefined) backend.setNumThreads(threads)
}

function checkJsIsa(isa: string | undefined, why: string): void {
  if (isa === undefined || isa === 'js') return
  throw new BackendError({
    op: 'int8',
    argument: 'INT8_ISA',
    expected: `unset or 'js' on the JavaScript backend, which has no instruction sets`,
    received: show(isa),
    hint: why,
  })
}

function warn(failures: readonly LoadFailure[]): void {
  process.emitWarning(
    'The native backend of int8 could not be loaded; the JavaScript backend runs in its place: the same results, much ' +
      `slower. Tried ${describeFailures(failures)}. ${fixFor(failures)} ` +
      'INT8_BACKEND=js chooses the JavaScript backend without this warning.',
    { type: 'Int8Warning', code: 'INT8_FALLBACK' },
  )
}

/** Sets the threads that one kernel may use. The JavaScript backend computes on one thread, whatever the bound. */
export function setNumThreads(n: number): void {
  checkNumThreads('backend.setNumThreads', 'n', n)
  const backend = currentBackend()
  if (isNative(backend)) backend.setNumThreads(n)
}

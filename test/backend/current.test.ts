/**
 * The choice of the backend: what the environment's variables do, what a missing or stale binary leads to, and that
 * nothing is ever ignored in silence.
 */
import type { Candidate } from '../../src/backend/candidates'
import { loadNative, type NativeBackend } from '../../src/backend/native'

type Current = typeof import('../../src/backend/current')
type Public = typeof import('../../src/backend/public')

const before = { ...process.env }
let restore: (() => void) | undefined

afterEach(() => {
  restore?.()
  restore = undefined
  process.env = { ...before }
  jest.dontMock('../../src/backend/candidates')
  jest.restoreAllMocks()
})

/** The modules as a fresh process sees them, with these variables and, where given, these places for the binary. */
function fresh(variables: Record<string, string>, places?: readonly Candidate[]): Current & Public {
  jest.resetModules()
  process.env = { ...before, INT8_BACKEND: '', INT8_ISA: '', INT8_NUM_THREADS: '', ...variables }
  if (places !== undefined) {
    jest.doMock('../../src/backend/candidates', () => ({ candidates: () => places, platformKey: () => 'test-x64' }))
  }
  return {
    ...jest.requireActual<Current>('../../src/backend/current'),
    ...jest.requireActual<Public>('../../src/backend/public'),
  }
}

/** Remembers the process-wide settings, to be put back after the test. */
function keepSettings(native: NativeBackend): void {
  const { isa, numThreads } = native
  restore = () => {
    native.setIsa(isa)
    native.setNumThreads(numThreads)
  }
}

const missing: Candidate = {
  path: 'prebuilds/test-x64/int8.node',
  load: () => {
    throw Object.assign(new Error("Cannot find module '…'"), { code: 'MODULE_NOT_FOUND' })
  },
}
const broken: Candidate = {
  path: 'build/Release/int8.node',
  load: () => {
    throw new Error('invalid ELF header')
  },
}

test('without settings the native backend runs, with the best instruction set', () => {
  const { backend } = fresh({})
  expect(backend.name).toBe('native')
  expect(backend.supportedIsas.at(-1)).toBe('portable')
  expect(backend.status.native).toBe('loaded')
  expect(backend.status.path).toMatch(/int8.*\.node$/)
})

test('INT8_BACKEND=js chooses the JavaScript backend without looking for the binary', () => {
  const { backend } = fresh({ INT8_BACKEND: 'js' })
  expect(backend).toMatchObject({
    name: 'js',
    isa: 'js',
    supportedIsas: ['js'],
    numThreads: 1,
    status: { native: 'not tried' },
  })
})

test('INT8_ISA forces an instruction set', () => {
  keepSettings(loadNative())
  const { backend } = fresh({ INT8_ISA: 'portable' })
  expect(backend.isa).toBe('portable')
})

test('INT8_NUM_THREADS sets the threads', () => {
  keepSettings(loadNative())
  const { backend } = fresh({ INT8_NUM_THREADS: '3' })
  expect(backend.numThreads).toBe(3)
  backend.setNumThreads(1)
  expect(backend.numThreads).toBe(1)
})

test.each([
  ['INT8_BACKEND', 'wasm', "'native' or 'js'"],
  ['INT8_BACKEND', 'Native', "'native' or 'js'"],
  ['INT8_ISA', 'mmx', "'portable'"],
  ['INT8_ISA', 'js', "'portable'"],
  ['INT8_NUM_THREADS', '0', 'an integer from 1 to 256'],
  ['INT8_NUM_THREADS', '257', 'an integer from 1 to 256'],
  ['INT8_NUM_THREADS', '1.5', 'an integer from 1 to 256'],
  ['INT8_NUM_THREADS', '-1', 'an integer from 1 to 256'],
  ['INT8_NUM_THREADS', 'all', 'an integer from 1 to 256'],
])('%s=%s is an error that names what is allowed', (name, value, allowed) => {
  const { currentBackend } = fresh({ [name]: value })
  const error = errorOf(currentBackend)
  expect(error).toMatchObject({ name: 'BackendError', code: 'BACKEND', argument: name })
  expect(String(error)).toContain(allowed)
  expect(String(error)).toContain(`"${value}"`)
})

test('an instruction set is refused on the JavaScript backend, which has none', () => {
  const { currentBackend } = fresh({ INT8_BACKEND: 'js', INT8_ISA: 'avx512vnni' })
  expect(errorOf(currentBackend)).toMatchObject({ name: 'BackendError', argument: 'INT8_ISA' })
})

test.each([0, 257, 1.5, NaN, '2', undefined])('setNumThreads(%p) is an error on either backend', (n) => {
  for (const name of ['native', 'js']) {
    const { backend } = fresh({ INT8_BACKEND: name })
    const error = errorOf(() => {
      backend.setNumThreads(n as number)
    })
    expect(error).toMatchObject({ name: 'BackendError', argument: 'n', expected: 'an integer from 1 to 256' })
  }
})

test('setIsa refuses a name that this CPU cannot run, and names those it can', () => {
  const error = errorOf(() => {
    loadNative().setIsa('sse9')
  })
  expect(error).toMatchObject({ name: 'BackendError', argument: 'name' })
  expect(String(error)).toContain("'portable'")
})

test('without a binary the JavaScript backend runs, and one warning says why and what would fix it', () => {
  const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  const { currentBackend, backend } = fresh({}, [missing, broken])
  expect(currentBackend().name).toBe('js')
  currentBackend()
  expect(backend.status).toEqual({
    native: 'failed',
    path: undefined,
    failures: [
      { path: missing.path, reason: 'there is no such file' },
      { path: broken.path, reason: 'invalid ELF header' },
    ],
  })
  expect(warn).toHaveBeenCalledTimes(1)
  expect(warn).toHaveBeenCalledWith(expect.stringMatching(/invalid ELF header.*npm run compile.*INT8_BACKEND=js/), {
    type: 'Int8Warning',
    code: 'INT8_FALLBACK',
  })
})

test('INT8_BACKEND=native without a binary is an error with the reasons', () => {
  const { currentBackend } = fresh({ INT8_BACKEND: 'native' }, [missing, broken])
  const error = errorOf(currentBackend)
  expect(error).toMatchObject({ name: 'BackendError' })
  expect(String(error)).toContain('prebuilds/test-x64/int8.node: there is no such file')
})

test('INT8_ISA without a binary is an error, not a silent fallback', () => {
  const { currentBackend } = fresh({ INT8_ISA: 'portable' }, [missing])
  expect(String(errorOf(currentBackend))).toContain('could not be loaded')
})

test.each([
  ['another ABI', { abi: 0 }, 'it is another version of the addon (ABI 0, wanted 13)'],
  ['no ABI', {}, 'it is another version of the addon (ABI undefined, wanted 13)'],
  ['functions that are missing', { abi: 13 }, 'it is another version of the addon (it lacks isa, '],
])('a binary with %s is refused with words', (_, exports, reason) => {
  jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  const { backend } = fresh({}, [{ path: 'build/Release/int8.node', load: () => exports }])
  expect(backend.status.failures[0]?.reason).toContain(reason)
})

test('useBackend puts a backend in the place of the chosen one, and takes it away again', () => {
  const { currentBackend, useBackend } = fresh({})
  const other = { ...currentBackend(), name: 'js' as const }
  useBackend(other)
  expect(currentBackend()).toBe(other)
  useBackend(undefined)
  expect(currentBackend().name).toBe('native')
})

function errorOf(f: () => unknown): unknown {
  try {
    f()
  } catch (error) {
    return error
  }
  return undefined
}

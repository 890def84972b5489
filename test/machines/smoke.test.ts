/** The parts of smoke.js on this Node; `npm run test:runtimes` runs them on other runtimes. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(__dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'int8-smoke-'))
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

function smoke(part: string, env: Record<string, string> = {}): unknown {
  const result = join(folder, 'result.json')
  rmSync(result, { force: true })
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    [join(__dirname, 'smoke.js'), root, result, part],
    { encoding: 'utf8', env: { ...process.env, ...env }, timeout: 120_000 },
  )
  expect({ status, signal, stdout, stderr }).toEqual({ status: 0, signal: null, stdout: '', stderr: '' })
  return JSON.parse(readFileSync(result, 'utf8'))
}

test('every family of ops has the same digest on both backends', () => {
  const native = smoke('digests', { INT8_BACKEND: 'native' })
  const { digests } = smoke('digests', { INT8_BACKEND: 'js' }) as { digests: object }
  expect(Object.keys(digests).length).toBeGreaterThan(20)
  expect(native).toMatchObject({ name: 'native', digests })
})

test('32 worker threads can be ended while their calls run', () => {
  expect(smoke('workers')).toEqual({})
}, 120_000)

test.each(['exit', 'worker exit'])('%s with calls queued is clean', (part) => {
  expect(smoke(part)).toEqual({})
})

// What test:cpus and test:runtimes share: programs of test/machines, run by some command, and compared with the
// JavaScript backend on this Node.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_|INT8_)/i.test(name)))

/**
 * Runs `command program package result …rest`; what the program wrote into the result file, or an Error. `patience` is
 * how long it may take, in seconds.
 */
export function runProgram({ command, cwd, program, packagePath, rest = [], env = {}, patience = 120 }) {
  const folder = mkdtempSync(join(tmpdir(), 'int8-machine-'))
  const result = join(folder, 'result.json')
  try {
    const [file, ...args] = [...command, program, packagePath, result, ...rest]
    const { status, signal, stdout, stderr, error } = spawnSync(file, args, {
      cwd,
      encoding: 'utf8',
      env: { ...clean, ...env },
      timeout: patience * 1000,
    })
    const said = `${stdout ?? ''}${stderr ?? ''}`.replace(/^qemu-\w+: warning: TCG doesn't support .*\n/gm, '').trim()
    if (error !== undefined) return new Error(error.message)
    if (status !== 0) return new Error(`ended with ${signal ?? status}: ${said}`)
    if (said !== '') return new Error(`printed ${said}`)
    if (!existsSync(result)) return new Error('wrote no result')
    return JSON.parse(readFileSync(result, 'utf8'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The families of ops in which two answers differ. */
export function differences(answer, reference) {
  return Object.keys(reference.digests).filter((family) => answer.digests[family] !== reference.digests[family])
}

/** Prints one line per check and keeps count; `end` is the process's exit status. */
export function makeReport(name) {
  let failed = 0
  return {
    note(what, problem) {
      if (problem) failed++
      console.log(problem ? `FAILED  ${what}: ${problem}` : `ok      ${what}`)
    },
    end() {
      console.log(failed === 0 ? `${name}: all passed` : `${name}: ${failed} failed`)
      return failed === 0 ? 0 : 1
    },
  }
}

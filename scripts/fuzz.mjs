// Feeds damaged files to the readers: ONNX models (ONNX's own operator tests), saved sessions, safetensors and .npy files.
// Each must load and run, or end in an error of this library, in bounded time and memory. Cases follow from their number.
//
//   npm run fuzz -- --seconds 60 [--first N]     as many cases as that takes, from case N on (1)
//   npm run fuzz -- --case N                     one case again, in this process, with its error
//
// The cases run in a child process, so that one that crashes or hangs is found and named; its file is kept.
import { execFileSync, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))
const { index, onnx, fuzzing } = createRequire(import.meta.url)('../dist/lib/int8.js')
/** A case may take so long, in seconds. */
const caseSeconds = 20
/** The child's memory, in bytes. */
const memoryLimit = 6e9
/** Elements of inputs, above which a model is loaded and not run. */
const elementLimit = 1 << 16

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    first: { type: 'string', default: '1' },
    case: { type: 'string' },
    child: { type: 'string' },
  },
})

/** Whole numbers from a seed. */
function randomOf(seed) {
  let state = Math.imul(seed, 0x9e3779b1) >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

/** Small files of each kind. */
async function readCorpus(folder) {
  execFileSync('tar', ['xzf', join(root, 'test/fixtures/onnx/node-tests.tar.gz'), '-C', folder])
  const models = readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('model.onnx'))
    .sort()
    .map((name) => readFileSync(join(folder, name)))
  const saved = []
  for (let i = 0; i < models.length && saved.length < 40; i += 17) {
    try {
      const session = onnx.InferenceSession.createSync(models[i])
      const path = join(folder, 'session.int8')
      await session.save(path)
      saved.push(readFileSync(path))
      session.dispose()
    } catch {
      // a model that cannot be loaded cannot be saved
    }
  }
  const { tensor } = index
  const safetensors = index.serializeSafetensors(
    new Map([
      ['a', tensor([1, 2, 3, 4], [2, 2])],
      ['b', tensor([1, 2], [2], { dtype: 'int8' })],
    ]),
    { made: 'here' },
  )
  const own = (name) => [readFileSync(join(root, `test/fixtures/onnx/${name}.onnx`))]
  return {
    models,
    saved,
    control: own('control'),
    detection: own('detection'),
    safetensors: [safetensors],
    npy: [npyFile()],
  }
}

function npyFile() {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.padEnd(117) + '\n'
  const file = Buffer.alloc(10 + header.length + 24)
  file.write('\x93NUMPY\x01\x00', 'latin1')
  file.writeUInt16LE(header.length, 8)
  file.write(header, 10, 'latin1')
  return file
}

const interesting = [0, 1, 2, 7, 8, 9, 10, 0x12, 0x1a, 0x22, 0x2a, 0x7f, 0x80, 0x81, 0xfe, 0xff]

/** The bytes, damaged in one to six places. */
function damaged(bytes, other, random) {
  let result = Buffer.from(bytes)
  for (let i = 1 + random(1 + random(6)); i > 0 && result.length > 0; i--) {
    const at = random(result.length)
    const length = 1 + random(Math.min(16, result.length - at))
    const kind = random(8)
    if (kind === 0) result[at] ^= 1 << random(8)
    else if (kind === 1) result[at] = interesting[random(interesting.length)]
    else if (kind === 2) result.fill(0xff, at, at + length)
    else if (kind === 3) result = Buffer.concat([result.subarray(0, at), result.subarray(at + length)])
    else if (kind === 4) {
      const part = result.subarray(at, at + length)
      result = Buffer.concat([result.subarray(0, at), part, result.subarray(at)])
    } else if (kind === 5) result = result.subarray(0, at)
    else if (kind === 6) {
      const from = random(other.length)
      const part = other.subarray(from, from + 1 + random(64))
      result = Buffer.concat([result.subarray(0, at), part, result.subarray(at)])
    } else result[at] = random(256)
  }
  return result
}

/** File and reader of a case. */
function caseOf(number, corpus) {
  const random = randomOf(number)
  const pick = (list) => list[random(list.length)]
  const which = random(12)
  const [kind, files] =
    which < 6
      ? ['onnx', corpus.models]
      : which < 8
        ? ['session', corpus.saved]
        : which === 8
          ? ['safetensors', corpus.safetensors]
          : which === 9
            ? ['npy', corpus.npy]
            : which === 10
              ? ['control', corpus.control]
              : ['detection', corpus.detection]
  const file = pick(files)
  return { kind, bytes: damaged(file, pick(files), random) }
}

/** Reads a file of this kind and runs what it holds. */
function attempt({ kind, bytes }, path) {
  if (kind === 'safetensors') {
    index.parseSafetensors(bytes)
    return
  }
  writeFileSync(path, bytes)
  if (kind === 'npy') {
    for (const { shape, rows } of fuzzing.openArrays(`${path}.npy`)) rows(0, Math.min(shape[0] ?? 1, 4))
    return
  }
  const session = onnx.InferenceSession.createSync(kind === 'session' ? path : bytes)
  try {
    const sizes = session.inputMetadata.map(({ shape = [] }) =>
      shape.reduce((product, dim) => product * (typeof dim === 'number' ? dim : 1), 1),
    )
    if (session.inputMetadata.some(({ type, shape }) => type === 'string' || shape === undefined)) return
    if (sizes.some((size) => size > elementLimit)) return
    // A damaged loop may well say that it has no end.
    if (kind === 'control') session.explainPlan()
    else session.runSync(fuzzing.seededFeeds(session.inputMetadata, 1))
  } finally {
    session.dispose()
  }
}

/** Whether an error is one that a user should get. */
function isOwn(error) {
  return error instanceof index.Int8Error
}

function run(item, path) {
  if (item.kind === 'npy') writeFileSync(`${path}.npy`, item.bytes)
  try {
    attempt(item, path)
    return 'ran'
  } catch (error) {
    if (isOwn(error)) return 'refused'
    throw error
  }
}

/** The child: tells the number of each case before it runs it. */
async function child(first) {
  const folder = mkdtempSync(join(tmpdir(), 'int8-fuzz-'))
  const tell = (line) => new Promise((resolve) => process.stdout.write(`${line}\n`, resolve))
  const path = join(folder, 'case')
  try {
    const corpus = await readCorpus(folder)
    for (let number = first; ; number++) {
      await tell(`case ${number}`)
      let outcome
      try {
        outcome = run(caseOf(number, corpus), path)
      } catch (error) {
        await tell(`fault ${number} ${String(error?.stack ?? error).replaceAll('\n', ' | ')}`)
        continue
      }
      await tell(outcome)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The parent: starts children until the time is over, and names the cases at fault. */
async function parent(first, seconds) {
  const end = Date.now() + 1000 * seconds
  const counts = { ran: 0, refused: 0 }
  const faults = []
  let next = first
  while (Date.now() < end && faults.length < 20) {
    const process_ = spawn(process.execPath, [fileURLToPath(import.meta.url), '--child', String(next)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let current
    let stderr = ''
    let reason
    let watchdog
    const stop = (why) => {
      reason ??= why
      process_.kill('SIGKILL')
    }
    process_.stderr.on('data', (text) => (stderr = `${stderr}${text}`.slice(-2000)))
    const timer = setInterval(() => {
      if (Date.now() >= end) stop('time')
      else if (current !== undefined && memoryOf(process_.pid) > memoryLimit)
        stop(`took more than ${memoryLimit / 1e9} GB of memory`)
    }, 200)
    for await (const line of createInterface({ input: process_.stdout })) {
      clearTimeout(watchdog)
      if (line.startsWith('case ')) {
        current = Number(line.slice(5))
        next = current + 1
        watchdog = setTimeout(stop, 1000 * caseSeconds, `took more than ${caseSeconds} s`)
      } else if (line.startsWith('fault ')) faults.push(line.slice(6))
      else counts[line]++
      if (process.stderr.isTTY && next % 50 === 0) process.stderr.write(`\rcase ${next}`)
    }
    clearTimeout(watchdog)
    clearInterval(timer)
    if (reason === 'time') break
    faults.push(`${current} ${reason ?? `ended the process: ${stderr.replaceAll('\n', ' | ')}`}`)
  }
  console.log(`${next - first} cases: ${counts.ran} ran, ${counts.refused} were refused, ${faults.length} at fault`)
  for (const fault of faults) console.error(`case ${fault}`)
  return faults.length === 0 && counts.ran > 0 && counts.refused > 0 ? 0 : 1
}

/** Resident memory of a process, where the system tells. */
function memoryOf(pid) {
  try {
    return 4096 * Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
  } catch {
    return 0
  }
}

if (values.child !== undefined) await child(Number(values.child))
else if (values.case !== undefined) {
  const folder = mkdtempSync(join(tmpdir(), 'int8-fuzz-'))
  const item = caseOf(Number(values.case), await readCorpus(folder))
  const file = join(tmpdir(), `int8-fuzz-case-${values.case}`)
  writeFileSync(file, item.bytes)
  console.log(`${item.kind}, ${item.bytes.length} bytes: ${file}`)
  console.log(run(item, join(folder, 'case')))
  rmSync(folder, { recursive: true, force: true })
} else process.exitCode = await parent(Number(values.first), Number(values.seconds))

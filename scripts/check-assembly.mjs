// Reads the inner loops of the compiled microkernels: compilers keep accumulators on the stack silently.
//
//   npm run check:assembly                  the addon's build (npm run compile:native): fails where a loop keeps vectors
//                                           on the stack that is not listed here
//   npm run check:assembly -- --in FOLDER   another build; objects of arm64 need aarch64-linux-gnu-objdump
//   npm run check:assembly -- --list TEXT   each loop whose place holds TEXT, with what is in it
//   npm run check:assembly -- --mca TEXT    what llvm-mca (Debian: llvm) says of those: cycles per round, and what bounds them
//
// A loop counts if it ends with a conditional jump, and holds at least four multiply-adds, a tenth of its instructions or
// more, and no smaller loop.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const leastProducts = 4
/** Jumps back to shared code look like loops, but hold few of them. */
const leastShare = 0.1
/** Loops outside the microkernels (functions of floats, sums of rows) are bound by other things. */
const microkernels = /^(gemm|gemm_pairs|depthwise|fconv)_/

const machines = {
  x64: {
    objdump: ['objdump', '-M', 'intel'],
    product: /^(vpdpbusd|vfmadd\d+ps|vpmaddwd|vpmaddubsw|tdpbusd)$/,
    jump: /^j(?!mp)[a-z]+$/,
    isOnStack: (op, operands) => /^v?mov/.test(op) && /\[r[sb]p[^\]]*\]/.test(operands) && /[xyz]mm\d/.test(operands),
    mca: ['-mtriple=x86_64', '-mcpu=sapphirerapids', '-x86-asm-syntax=intel'],
  },
  arm64: {
    objdump: ['aarch64-linux-gnu-objdump'],
    product: /^([su]dot|usdot|[su]mmla|usmmla|fmla|[su]mlal2?|[su]mull2?)$/,
    jump: /^(b\.[a-z]+|cbn?z|tbn?z)$/,
    isOnStack: (op, operands) =>
      /^(ldr|str|ldp|stp|ldur|stur)$/.test(op) && /^q\d/.test(operands) && /\[sp/.test(operands),
    mca: ['-mtriple=aarch64', '-mcpu=neoverse-n1'],
  },
}

/** Loops that keep vectors on the stack: where, how many moves at most, and why. */
const accepted = [
  [/^gemm_avx512vnni: whole_tile<7, 4/, 6, 'one accumulator of 28 waits there; a tile of one row instead is slower'],
  [/^gemm_pairs_avx2: tile<.*, 6, 2/, 2, '12 accumulators, 2 of W, X, ones and a product are 17 of 16 registers'],
  [/^gemm_avx2: .*tile<1, 8/, 1, 'a constant; the loop waits for W'],
  [/^fconv_portable: /, 8, 'on arm64, where no CPU takes it'],
  [/^depthwise_avx512vnni: run_ring<.*, 5, /, 14, '5x5: columns, weights and five outputs in flight are more than 32'],
  [
    /^depthwise_avxvnni: run_ring<.*, 5, /,
    17,
    '5x5: ten accumulators, a column of four and constants are more than 16',
  ],
  [/^depthwise_avx2: run_ring</, 16, 'weights of all taps in 16 registers, where a load is as cheap as an operand'],
  [/^depthwise_avx2: multiply_groups<GroupOps, 2>/, 20, 'codes of two turns; turning them again each time is slower'],
  [/^depthwise_neon: run_ring</, 12, 'weights of all taps, as above'],
  [/^depthwise_avx2: (depthwise_block<|float_depthwise)/, 10, 'masks of the last channels'],
]

/** By the number of the machine in an ELF header. */
function machineOf(file) {
  const number = readFileSync(file).readUInt16LE(18)
  return number === 0xb7 ? machines.arm64 : machines.x64
}

function* objects(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath ?? entry.path, entry.name)
    if (entry.isFile() && path.includes('int8_kernels.dir') && /\.(o|obj)$/.test(path) && microkernels.test(entry.name))
      yield path
  }
}

function run(command, args, input) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 30, input })
  if (status !== 0) throw new Error(`${command}: ${error?.message ?? stderr}`)
  return stdout
}

/** Functions of an object file: instructions as { at, op, operands, target }. */
function functionsOf(file, [command, ...options]) {
  const functions = []
  for (const line of run(command, [...options, '-d', '-C', '--no-show-raw-insn', file]).split('\n')) {
    const head = /^[0-9a-f]+ <(.*)>:$/.exec(line)
    if (head) functions.push({ name: head[1], code: [] })
    const found = /^\s*([0-9a-f]+):\s+(?:\{vex\} )?(\S+)\s*(.*)$/.exec(line)
    if (!found) continue
    const [, at, op, operands] = found
    const target = /(?:^|,\s*)([0-9a-f]+) </.exec(operands)
    functions.at(-1)?.code.push({ at: parseInt(at, 16), op, operands, target: target ? parseInt(target[1], 16) : -1 })
  }
  return functions
}

/** Innermost loops of a function with enough multiply-adds. */
function loopsOf({ code }, { jump, product }) {
  const index = new Map(code.map(({ at }, i) => [at, i]))
  const spans = code.flatMap(({ op, target }, last) => {
    const first = jump.test(op) ? index.get(target) : undefined
    return first !== undefined && first <= last ? [{ first, last }] : []
  })
  return spans
    .filter(
      ({ first, last }) => !spans.some((b) => b.first >= first && b.last <= last && b.last - b.first < last - first),
    )
    .map(({ first, last }) => code.slice(first, last + 1))
    .filter((loop) => {
      const products = loop.filter(({ op }) => product.test(op)).length
      return products >= Math.max(leastProducts, loop.length * leastShare)
    })
}

/** Namespaces and parameters say nothing here. */
function shortName(name) {
  let depth = 0
  let end = name.length
  const plain = name
    .replaceAll('int8::', '')
    .replaceAll('(anonymous namespace)::', '')
    .replace(/^void /, '')
  for (let i = 0; i < plain.length; i++) {
    if (plain[i] === '<') depth++
    if (plain[i] === '>') depth--
    if (plain[i] === '(' && depth === 0) {
      end = i
      break
    }
  }
  return plain.slice(0, end)
}

function* allLoops(folder) {
  for (const file of objects(folder)) {
    const machine = machineOf(file)
    for (const each of functionsOf(file, machine.objdump))
      for (const loop of loopsOf(each, machine)) {
        const place = `${basename(file).replace(/\.cc\.o(bj)?$/, '')}: ${shortName(each.name)}`
        const products = loop.filter(({ op }) => machine.product.test(op)).length
        const onStack = loop.filter(({ op, operands }) => machine.isOnStack(op, operands)).length
        yield { place, loop, products, onStack, machine }
      }
  }
}

function analyze({ loop, machine }) {
  // Jumps go nowhere without the rest of the function, and symbols are not there.
  const lines = loop
    .filter(({ target }) => target < 0)
    .map(({ op, operands }) => `${op} ${operands.replace(/\s*[#<].*$/, '')}`)
  const text = run('llvm-mca', [...machine.mca, '--iterations=1000', '--bottleneck-analysis', '-'], lines.join('\n'))
  if (!text.includes(`Instructions:      ${lines.length}000`)) return 'llvm-mca does not know all of its instructions'
  const figure = (name) => Number(new RegExp(`${name}:\\s+([\\d.]+)`).exec(text)?.[1])
  return `${(figure('Total Cycles') / 1000).toFixed(1)} cycles a round by dependencies and units, ${figure('Block RThroughput')} by units alone, ${figure('IPC')} instructions a cycle`
}

const { values } = parseArgs({
  options: { in: { type: 'string' }, list: { type: 'string' }, mca: { type: 'string' } },
})
const folder = values.in ?? join(root, 'build')
if (!existsSync(folder)) {
  console.error(`there is no build in ${folder}: npm run compile:native`)
  process.exit(1)
}
const loops = [...allLoops(folder)]
const wanted = values.list ?? values.mca
if (wanted !== undefined) {
  for (const each of loops.filter(({ place }) => place.includes(wanted))) {
    console.log(
      `${each.place}: ${each.loop.length} instructions, ${each.products} multiply-adds, ${each.onStack} on the stack`,
    )
    if (values.mca !== undefined) console.log(`  ${analyze(each)}`)
  }
} else {
  const faults = loops.filter(
    ({ place, onStack }) => onStack > 0 && !accepted.some(([where, most]) => where.test(place) && onStack <= most),
  )
  for (const { place, loop, onStack } of faults)
    console.error(`${place}: a loop of ${loop.length} instructions moves ${onStack} vectors from or to the stack`)
  console.log(
    `${loops.length} loops of microkernels, ${loops.filter(({ onStack }) => onStack === 0).length} all in registers`,
  )
  if (loops.length === 0) console.error(`no objects of kernels in ${folder}`)
  process.exit(faults.length > 0 || loops.length === 0 ? 1 : 0)
}

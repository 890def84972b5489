/**
 * Protects the snippets of README.md and docs/: each fenced `js` block runs as a module against the built package, and
 * what it prints by `console.log(…) // …` is what the comment says; each command `npx int8 …` of an `sh` block ends well.
 * The blocks of a page run in their order, in a folder of its own.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(__dirname, '../..')
const scratch = join(root, 'build/snippets')
const program = join(root, 'dist/cli/main.js')

interface Snippet {
  readonly name: string
  readonly folder: string
  readonly language: string
  readonly code: string
}

function snippetsOf(file: string): Snippet[] {
  const text = readFileSync(join(root, file), 'utf8')
  return Array.from(text.matchAll(/^```(js|sh)\n([\s\S]*?)^```$/gm), ([, language = '', code = ''], i) => ({
    name: `${file}, snippet ${String(i + 1)}`,
    folder: join(scratch, file.replaceAll('/', '-')),
    language,
    code,
  }))
}

const pages = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)]
const snippets = pages.filter((name) => name.endsWith('.md')).flatMap(snippetsOf)

beforeAll(() => {
  rmSync(scratch, { recursive: true, force: true })
  for (const folder of new Set(snippets.map(({ folder: name }) => name))) {
    mkdirSync(folder, { recursive: true })
    symlinkSync(join(root, 'examples'), join(folder, 'examples'))
  }
})

/** Commands of the program in a shell block, as arguments. */
function commandsOf(code: string): string[][] {
  return code
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line.startsWith('npx int8 '))
    .map((line) => line.split(' ').slice(2))
}

/** What the comments behind `console.log(…)` promise, one per line printed. */
function promised(code: string): (string | undefined)[] {
  return code
    .split('\n')
    .filter((line) => /^\s*console\.log\(/.test(line))
    .map((line) => /\)\s*\/\/\s*(.*)$/.exec(line)?.[1]?.trim())
}

/** Runs the commands of a shell block; what went wrong. */
function faultsOfShell({ folder, code }: Snippet): string[] {
  return commandsOf(code).flatMap((args) => {
    const { status, stderr } = spawnSync(process.execPath, [program, ...args], { cwd: folder, encoding: 'utf8' })
    return status === 0 && stderr === '' ? [] : [`${args.join(' ')}: ${String(status)} ${stderr}`]
  })
}

/** Runs a module; lines that it should have printed, and those that it did. */
function linesOfModule({ folder, code }: Snippet): readonly [wanted: string[], printed: string[]] {
  const file = join(folder, 'snippet.mjs')
  writeFileSync(file, code)
  const printed = execFileSync(process.execPath, [file], { cwd: folder, encoding: 'utf8' }).trimEnd().split('\n')
  const lines = promised(code)
  const wanted = lines.filter((line) => line !== undefined)
  // Where some lines are not promised, only those that are must be there.
  if (wanted.length === lines.length && wanted.length > 0) return [wanted, printed]
  return [wanted, wanted.filter((line) => printed.includes(line))]
}

test.each(snippets.map((snippet) => [snippet.name, snippet] as const))(
  '%s runs and prints what it says',
  (_, snippet) => {
    const [wanted, found] = snippet.language === 'sh' ? [[], faultsOfShell(snippet)] : linesOfModule(snippet)
    expect(found).toEqual(wanted)
  },
  60_000,
)

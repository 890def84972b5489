/**
 * Protects the snippets of README.md and docs/: each fenced `js` block runs as a module against the built package, and
 * what it prints by `console.log(…) // …` is what the comment says.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(__dirname, '../..')
const scratch = join(root, 'build/snippets')

interface Snippet {
  readonly name: string
  readonly code: string
}

function snippetsOf(file: string): Snippet[] {
  const text = readFileSync(join(root, file), 'utf8')
  return Array.from(text.matchAll(/^```js\n([\s\S]*?)^```$/gm), (match, i) => ({
    name: `${file}, snippet ${String(i + 1)}`,
    code: match[1] ?? '',
  }))
}

const pages = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)]
const snippets = pages.filter((name) => name.endsWith('.md')).flatMap(snippetsOf)

/** What the comments behind `console.log(…)` promise, one per line printed. */
function promised(code: string): (string | undefined)[] {
  return code
    .split('\n')
    .filter((line) => /^\s*console\.log\(/.test(line))
    .map((line) => /\)\s*\/\/\s*(.*)$/.exec(line)?.[1]?.trim())
}

test.each(snippets.map(({ name, code }, i) => [name, code, i] as const))(
  '%s runs and prints what it says',
  (_, code, i) => {
    mkdirSync(scratch, { recursive: true })
    const file = join(scratch, `snippet-${String(i)}.mjs`)
    writeFileSync(file, code)
    const printed = execFileSync(process.execPath, [file], { cwd: root, encoding: 'utf8' }).trimEnd().split('\n')
    const wanted = promised(code)
    const complete = wanted.every((line) => line !== undefined)
    const missing = wanted.filter((line) => line !== undefined && !printed.includes(line))
    expect(complete && wanted.length > 0 ? printed : missing).toEqual(complete && wanted.length > 0 ? wanted : [])
  },
)

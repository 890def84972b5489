/**
 * Protects the examples in the docstrings: each `@example` runs, and where a statement ends in a comment that reads as a
 * value, the statement has that value. In scope are the package's exports and, by their own names, those of its
 * namespaces.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { compileFunction, runInNewContext } from 'node:vm'
import ts from 'typescript'
import * as int8 from '../../src'

const root = join(__dirname, '../../src')

interface Example {
  readonly where: string
  readonly code: string
}

function examplesOf(file: string): Example[] {
  const text = readFileSync(file, 'utf8')
  const examples: Example[] = []
  for (const match of text.matchAll(/@example\n((?: *\*(?!\/)(?! @).*\n)+)/g)) {
    const code = (match[1] ?? '')
      .split('\n')
      .map((line) => line.replace(/^ *\* ?/, ''))
      .filter((line) => !line.startsWith('```'))
      .join('\n')
    const line = text.slice(0, match.index).split('\n').length
    examples.push({ where: `${relative(root, file)}:${String(line)}`, code })
  }
  return examples
}

const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
const examples = files.flatMap((name) => examplesOf(join(root, name)))

/** Everything that an example may name. */
function scope(): Record<string, unknown> {
  return {
    ...int8.ops.quantized,
    ...int8.functional,
    ...int8.quantization,
    ...int8,
    Float32Array,
    Int32Array,
    Uint8Array,
    Int8Array,
  }
}

/** Arrays of any kind, nested, as plain arrays of numbers; iterators unrolled; the rest as it is. */
function plain(value: unknown): unknown {
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<unknown>)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value === 'object' && value !== null && Symbol.iterator in value && 'next' in value)
    return Array.from(value as unknown as Iterable<unknown>, plain)
  return value
}

/** Reads a comment as a value, or several with commas between; undefined where it is prose. */
function readValue(comment: string): { readonly value: unknown } | undefined {
  for (const code of [`(${comment})`, `[${comment}]`]) {
    try {
      const value: unknown = runInNewContext(code, {})
      if (!(code.startsWith('(') && comment.includes(', ') && !/^[[{(]/.test(comment)))
        return { value: JSON.parse(JSON.stringify(value ?? null)) as unknown }
    } catch {
      continue
    }
  }
  return undefined
}

function close(actual: unknown, expected: unknown): unknown {
  if (typeof expected === 'number' && typeof actual === 'number')
    return Math.abs(actual - expected) <= 1e-3 * Math.abs(expected) ? expected : actual
  if (Array.isArray(expected) && Array.isArray(actual)) {
    const wanted: readonly unknown[] = expected
    return actual.map((item, i) => close(item, wanted[i]))
  }
  if (typeof expected === 'object' && expected !== null && typeof actual === 'object' && actual !== null)
    return Object.fromEntries(
      Object.entries(actual).map(([key, item]) => [
        key,
        close(plain(item), (expected as Record<string, unknown>)[key]),
      ]),
    )
  return actual
}

async function runExample({ code }: Example): Promise<void> {
  const source = ts.createSourceFile('example.ts', code, ts.ScriptTarget.ES2022, true)
  const checks: { readonly text: string; readonly value: unknown }[] = []
  let instrumented = ''
  for (const statement of source.statements) {
    const lineEnd = !code.includes('\n', statement.end) ? code.length : code.indexOf('\n', statement.end)
    const comment = /^;?\s*\/\/\s*(.*)$/.exec(code.slice(statement.end, lineEnd))?.[1]
    const expected = comment === undefined ? undefined : readValue(comment)
    if (ts.isExpressionStatement(statement) && expected !== undefined) {
      checks.push({ text: statement.getText(), value: expected.value })
      instrumented += `__check(${String(checks.length - 1)}, ${statement.expression.getText()});\n`
    } else instrumented += `${statement.getText()};\n`
  }
  const js = ts.transpileModule(instrumented, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  }).outputText
  const names = scope()
  const check = (index: number, actual: unknown): void => {
    const wanted = checks[index]
    const got = plain(actual)
    expect({ statement: wanted?.text, value: close(got, wanted?.value) }).toEqual({
      statement: wanted?.text,
      value: wanted?.value,
    })
  }
  const body = `with (__scope) { return (async () => { ${js} })() }`
  const run = compileFunction(body, ['__check', '__scope']) as (check: unknown, scope: unknown) => Promise<void>
  await run(check, names)
}

test.each(examples.map((example) => [example.where, example] as const))(
  'the example at %s runs and says the truth',
  async (_, example) => {
    await expect(runExample(example)).resolves.toBeUndefined()
  },
)

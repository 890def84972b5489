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
import { nn, quantization, type Tensor } from '../../src'

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

const ramp = (shape: readonly number[]): Tensor => {
  const length = shape.reduce((a, b) => a * b, 1)
  return int8.tensor(
    Array.from({ length }, (_, i) => ((i * 7) % 11) / 10 - 0.4),
    shape,
  )
}

/** A small float network of the usual names. */
class Model extends nn.Module {
  quant = new nn.QuantStub()
  conv1: nn.Layer = new nn.Conv2d(1, 2, 3)
  bn1: nn.Layer = new nn.BatchNorm2d(2)
  relu1: nn.Layer = new nn.ReLU()
  flatten = new nn.Flatten()
  fc: nn.Layer = new nn.Linear(32, 2)
  dequant = new nn.DeQuantStub()

  forward(x: Tensor): Tensor {
    const layers: nn.Layer[] = [this.conv1, this.bn1, this.relu1, this.flatten, this.fc]
    const y = layers.reduce<nn.Activation>((value, layer) => layer.forward(value), this.quant.forward(x))
    return this.dequant.forward(y)
  }
}

/** A float model with weights, data for it, and the same on its way to int8: what examples start from. */
function models(): Record<string, unknown> {
  const model = new Model()
  const state = [
    'conv1.weight [2,1,3,3]',
    'conv1.bias [2]',
    'fc.weight [2,32]',
    'fc.bias [2]',
    'bn1.weight [2]',
    'bn1.bias [2]',
  ]
  const entries = state
    .map((entry) => entry.split(' '))
    .map(([key = '', shape = '[]']) => [key, ramp(JSON.parse(shape) as number[])] as const)
  const statistics = ['mean', 'var'].map((name) => [`bn1.running_${name}`, int8.tensor([1, 2])] as const)
  model.loadStateDict(new Map([...entries, ...statistics]))
  const qconfig = quantization.getDefaultQConfig()
  const fused = quantization.fuseModules(model, [['conv1', 'bn1', 'relu1']])
  const batches = [ramp([1, 1, 6, 6])]
  const prepared = quantization.prepare(fused, { qconfig })
  for (const batch of batches) prepared.forward(batch)
  const quantized = quantization.convert(prepared)
  const unwrapped = new nn.Sequential<Tensor, Tensor>(new nn.ReLU())
  return {
    model,
    float: fused,
    fused,
    batches,
    images: batches,
    x: batches[0],
    qconfig,
    prepared,
    quantized,
    unwrapped,
  }
}

/** Everything that an example of a file may name: quantized ops come before the float ones of the same name there. */
function scope(where: string): Record<string, unknown> {
  const { ops, functional } = int8
  const functions = where.includes('quantized')
    ? { ...functional, ...ops.quantized }
    : { ...ops.quantized, ...functional }
  return { ...functions, ...quantization, ...int8, Float32Array, Int32Array, Uint8Array, Int8Array, ...models() }
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

async function runExample({ where, code }: Example): Promise<void> {
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
  const names = scope(where)
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

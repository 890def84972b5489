/**
 * Protects the list of edge cases: each number in docs/edge-cases.md is in the name of at least one test, somewhere in
 * the suites (`edge 7: …`, `edges 16 and 17: …`, `%s, edge case 52: …`). What a case asks for beyond this library is named here.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Parts of cases that are about things which this library does not have, and why nothing is lost by it. */
const absent: readonly { readonly edge: number; readonly part: string; readonly reason: string }[] = [
  {
    edge: 6,
    part: 'SAME_LOWER by name',
    reason: "an attribute of ONNX; PyTorch has 'same' and 'valid', and pairs say the rest",
  },
  { edge: 45, part: 'division by the scale', reason: 'how ONNX quantizes; PyTorch multiplies by the reciprocal' },
  { edge: 61, part: 'percentile, entropy', reason: 'the observers are those of PyTorch, and a histogram that merges' },
  { edge: 63, part: 'slices, steps, expanded views', reason: 'tensors are dense: there are no views with strides' },
  { edge: 65, part: 'partly overlapping buffers', reason: "ops own their results; tested in the binding's suite" },
  { edge: 67, part: 'resized buffers', reason: "tested on every function of the addon, in the binding's suite" },
  { edge: 68, part: 'worker threads', reason: "tested on the addon itself, in the binding's suite" },
  { edge: 70, part: 'GC under load', reason: "10,000 calls of each kind, in the binding's suite" },
  { edge: 71, part: 'empty name', reason: "inputs of graphs have names; a layer's name is free text" },
  { edge: 75, part: 'slice, resize', reason: 'neither is an op of this library' },
]

const list = readFileSync(join(__dirname, '../../docs/edge-cases.md'), 'utf8')
const numbers = [...list.matchAll(/^(\d+)\. [PRN]/gm)].map(([, number]) => Number(number))

/** The numbers that names of tests have, this file's own comments apart. */
function named(): Set<number> {
  const root = join(__dirname, '..')
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.test.ts') && !__filename.endsWith(file),
  )
  const sources = files.map((file) => readFileSync(join(root, file), 'utf8')).join('\n')
  const names = sources.matchAll(/\bedges? (?:case )?(\d+(?:(?:, | and )\d+)*):/g)
  return new Set([...names].flatMap(([, list = '']) => list.split(/\D+/).map(Number)))
}

test('the list counts from 1 to 75', () => {
  expect(numbers).toEqual(Array.from({ length: 75 }, (_, i) => i + 1))
})

test('each edge case from 1 to 75 is named by a test', () => {
  expect([...named()].sort((a, b) => a - b)).toEqual(numbers)
})

test('what is absent is a part of a case, once, with its reason', () => {
  expect(absent.filter(({ edge, part, reason }) => !numbers.includes(edge) || part === '' || reason === '')).toEqual([])
  expect(new Set(absent.map(({ edge }) => edge)).size).toBe(absent.length)
})

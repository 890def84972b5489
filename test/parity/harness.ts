/** Runs one case on two backends and compares: every byte of the result, and every byte around it. */
import type { Backend, KernelName, Kernels } from '../../src/backend/contract'
import type { Case } from './case'
import { patternByte } from './random'

/** What a kernel makes of a case: its operands after the run. */
export function resultOf<K extends KernelName>(kernel: K, { operands }: Case<K>, backend: Backend): Kernels[K] {
  const result = operands(backend)
  backend.run(kernel, result)
  return result
}

/** Throws unless the subject, called synchronously, gives the bytes of the oracle's result. */
export function expectSameBytes<K extends KernelName>(
  kernel: K,
  drawn: Case<K>,
  expected: Kernels[K],
  subject: Backend,
): void {
  compare(kernel, expected, resultOf(kernel, drawn, subject))
}

/** Throws unless three runs at once off the event loop give the oracle's bytes, and only once they are done. */
export async function expectSameBytesAsync<K extends KernelName>(
  kernel: K,
  { operands }: Case<K>,
  expected: Kernels[K],
  subject: Backend,
): Promise<void> {
  const runs = [operands(subject), operands(subject), operands(subject)]
  const before = runs.map(({ y }) => y.buffer.slice(0))
  const done = runs.map((run) => subject.runAsync(kernel, run))
  for (const [i, { y }] of runs.entries())
    if (!sameBytes(y.buffer, before[i])) throw new Error(`${kernel} wrote to y before its promise resolved`)
  await Promise.all(done)
  for (const run of runs) compare(kernel, expected, run)
}

function sameBytes(a: ArrayBufferLike, b: ArrayBufferLike | undefined): boolean {
  return b !== undefined && Buffer.from(a).equals(Buffer.from(b))
}

function compare<K extends KernelName>(kernel: K, expected: Kernels[K], received: Kernels[K]): void {
  compareInputs(kernel, expected, received)
  const [want, got] = [expected.y, received.y]
  if (sameBytes(want.buffer, got.buffer)) return
  const [wantBytes, gotBytes] = [new Uint8Array(want.buffer), new Uint8Array(got.buffer)]
  const [start, end] = [want.byteOffset, want.byteOffset + want.byteLength]
  // A NaN is one value (numerics.md 7), except where elements are moved as they are.
  const nanIsOne = want instanceof Float32Array && kernel !== 'stridedCopy'
  for (let i = 0; i < wantBytes.length; i++) {
    if (wantBytes[i] === gotBytes[i]) continue
    if (i < start || i >= end)
      throw new Error(`${kernel} wrote ${String(i < start ? start - i : i - end + 1)} bytes outside of y`)
    const at = Math.floor((i - start) / want.BYTES_PER_ELEMENT)
    if (nanIsOne && Number.isNaN(want[at]) && Number.isNaN(got[at])) continue
    throw new Error(`${kernel} gives y[${String(at)}] = ${text(got, at)}, but the oracle gives ${text(want, at)}`)
  }
}

/** Operands that are read still hold what they held: both sides made them from the same data. */
function compareInputs<K extends KernelName>(kernel: K, expected: Kernels[K], received: Kernels[K]): void {
  const before = new Map<string, unknown>(Object.entries(expected))
  for (const [name, array] of Object.entries<unknown>({ ...received })) {
    const original = before.get(name)
    if (!ArrayBuffer.isView(array) || !ArrayBuffer.isView(original) || array.buffer === received.y.buffer) continue
    if (!sameBytes(original.buffer, array.buffer)) throw new Error(`${kernel} wrote to ${name}`)
  }
}

function text(array: Kernels[KernelName]['y'], at: number): string {
  const value = array[at]
  const bytes = new Uint8Array(array.buffer, array.byteOffset + at * array.BYTES_PER_ELEMENT, array.BYTES_PER_ELEMENT)
  const bits = [...bytes].reverse().map((byte) => byte.toString(16).padStart(2, '0'))
  const untouched = bytes.every((byte) => byte === patternByte) ? ', untouched' : ''
  return `${Object.is(value, -0) ? '-0' : String(value)} (0x${bits.join('')}${untouched})`
}

/** Runs one case on two backends and compares: every byte of the result, and every byte around it. */
import type { Backend, KernelName, Kernels } from '../../src/backend/contract'
import type { Case } from './case'
import { patternByte } from './random'

/** Who defines the result, and who has to give the same. */
export interface Comparison {
  readonly oracle: Backend
  readonly subject: Backend
}

/** Throws unless both backends give the same bytes when called synchronously. */
export function expectSameBytes<K extends KernelName>(kernel: K, { operands }: Case<K>, backends: Comparison): void {
  const { oracle, subject } = backends
  const expected = operands(oracle)
  oracle.run(kernel, expected)
  const received = operands(subject)
  subject.run(kernel, received)
  compare(kernel, expected, received)
}

/** Throws unless runs off the event loop, several at once, give the oracle's bytes, and only once they are done. */
export async function expectSameBytesAsync<K extends KernelName>(
  kernel: K,
  { operands }: Case<K>,
  backends: Comparison,
): Promise<void> {
  const { oracle, subject } = backends
  const expected = operands(oracle)
  oracle.run(kernel, expected)
  const runs = [operands(subject), operands(subject), operands(subject)]
  const before = operands(subject)
  const done = runs.map((run) => subject.runAsync(kernel, run))
  for (const run of runs) compare(kernel, before, run)
  await Promise.all(done)
  for (const run of runs) compare(kernel, expected, run)
}

function compare<K extends KernelName>(kernel: K, expected: Kernels[K], received: Kernels[K]): void {
  compareInputs(kernel, expected, received)
  const [want, got] = [expected.y, received.y]
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
    const [want, got] = [new Uint8Array(original.buffer), new Uint8Array(array.buffer)]
    if (want.some((byte, i) => byte !== got[i])) throw new Error(`${kernel} wrote to ${name}`)
  }
}

function text(array: Kernels[KernelName]['y'], at: number): string {
  const value = array[at]
  const bytes = new Uint8Array(array.buffer, array.byteOffset + at * array.BYTES_PER_ELEMENT, array.BYTES_PER_ELEMENT)
  const bits = [...bytes].reverse().map((byte) => byte.toString(16).padStart(2, '0'))
  const untouched = bytes.every((byte) => byte === patternByte) ? ', untouched' : ''
  return `${Object.is(value, -0) ? '-0' : String(value)} (0x${bits.join('')}${untouched})`
}

/** Executables: what all of them refuse, and the one that runs its steps one by one. */
import { BackendError } from '../errors'
import type { Backend, Executable, Program } from './contract'

/** Guards an executable: one use at a time, none after `dispose`. */
export function oneAtATime(inner: Executable): Executable {
  let state: 'idle' | 'busy' | 'disposed' = 'idle'
  const enter = (): void => {
    if (state !== 'idle')
      throw new BackendError({
        op: 'Executable',
        message: state === 'busy' ? 'a run is under way' : 'it was disposed',
      })
  }
  return {
    apply(step) {
      enter()
      inner.apply(step)
    },
    write(offset, from) {
      enter()
      inner.write(offset, from)
    },
    read(offset, to) {
      enter()
      inner.read(offset, to)
    },
    run(first, last, times) {
      enter()
      inner.run(first, last, times)
    },
    async runAsync(first, last, times) {
      enter()
      state = 'busy'
      try {
        await inner.runAsync(first, last, times)
      } finally {
        state = 'idle'
      }
    },
    dispose() {
      enter()
      inner.dispose()
      state = 'disposed'
    },
  }
}

/** Runs a program by a backend's `run` and `runAsync`, on the program's own memory. */
export function interpret(backend: Pick<Backend, 'run' | 'runAsync'>, { memory, steps }: Program): Executable {
  const bytes = new Uint8Array(memory)
  const range = (first: number, last: number): Program['steps'] => {
    if (!(first >= 0 && first <= last && last <= steps.length))
      throw new RangeError(`no steps ${String(first)} to ${String(last)}`)
    return steps.slice(first, last)
  }
  const bytesOf = (array: ArrayBufferView): Uint8Array =>
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
  const place = (offset: number, { byteLength }: ArrayBufferView): Uint8Array => {
    if (!(Number.isInteger(offset) && offset >= 0 && offset + byteLength <= bytes.length))
      throw new RangeError(`offset ${String(offset)} with ${String(byteLength)} bytes leaves the program's memory`)
    return bytes.subarray(offset, offset + byteLength)
  }
  return oneAtATime({
    apply({ kernel, operands }) {
      backend.run(kernel, operands)
    },
    write(offset, from) {
      place(offset, from).set(bytesOf(from))
    },
    read(offset, to) {
      bytesOf(to).set(place(offset, to))
    },
    run(first, last, times) {
      range(first, last).forEach(({ kernel, operands }, i) => {
        const begin = process.hrtime.bigint()
        backend.run(kernel, operands)
        if (times !== undefined) times[first + i] = Number(process.hrtime.bigint() - begin)
      })
    },
    async runAsync(first, last, times) {
      for (const [i, { kernel, operands }] of range(first, last).entries()) {
        const begin = process.hrtime.bigint()
        await backend.runAsync(kernel, operands)
        if (times !== undefined) times[first + i] = Number(process.hrtime.bigint() - begin)
      }
    },
    dispose() {
      // Nothing but memory, which goes with it.
    },
  })
}

/**
 * The JavaScript backend: the oracle. Its loops are the normative definition of every kernel, beside
 * `docs/numerics.md`; the addon has to return the same bytes. It is also what runs where the addon cannot be loaded.
 */
import type { Backend } from '../contract'
import { interpret } from '../executable'
import { packFloat } from './fconv'
import { kernels } from './kernels'
import { bindQuantized, packQuantized } from './qconv'
import { createWorkerPool } from './workers'

/** A JavaScript backend with its own worker threads, which start at the first `runAsync`. */
export function createJsBackend(): Backend {
  const workers = createWorkerPool()
  return {
    name: 'js',
    isa: 'js',
    packQuantized,
    bindQuantized,
    packFloat,
    compile(program) {
      return interpret(this, program)
    },
    run(kernel, operands) {
      kernels[kernel](operands)
    },
    async runAsync(kernel, operands) {
      await workers.run(kernel, operands)
    },
  }
}

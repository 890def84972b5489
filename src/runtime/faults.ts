/** Faults of kernels that data causes, as errors of the library. */
import { types } from 'node:util'
import { ArgumentError, BackendError, Int8Error } from '../errors'

/** Does something that runs kernels. Their errors know neither the call nor the way out. */
export function reporting<R>(op: string, act: () => R): R {
  try {
    return act()
  } catch (error) {
    throw reported(op, error)
  }
}

/** The same for what ends later. */
export async function reportingAsync<R>(op: string, act: () => Promise<R>): Promise<R> {
  try {
    return await act()
  } catch (error) {
    throw reported(op, error)
  }
}

function reported(op: string, error: unknown): unknown {
  if (error instanceof Int8Error || !types.isNativeError(error)) return error
  if (error.message.endsWith('an index lies outside the axis'))
    return new ArgumentError({
      op,
      message: 'an index lies outside the axis that it selects from',
      hint: 'Gather and its kin take indices from the feeds or from the model: look at those.',
    })
  if (error.message.endsWith('not enough memory') || error.message === 'Array buffer allocation failed')
    return new BackendError({ op, message: 'there is not enough memory', hint: 'Take smaller inputs or batches.' })
  return error
}

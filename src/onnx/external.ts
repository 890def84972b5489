/** Files beside a model that hold its weights. */
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from 'node:fs'
import { basename, join } from 'node:path'
import { FormatError, show } from '../errors'
import type { ExternalReader } from './tensorProto'

const op = 'onnx'

/**
 * A reader of the files beside a model: plain names only, no links, sizes checked before memory is taken.
 *
 * @param directory - Undefined: the model has no place, and external data is refused.
 */
export function openExternal(directory: string | undefined): ExternalReader {
  return (location, offset, length) => {
    if (directory === undefined)
      throw new FormatError({
        op,
        message: `the model's weights lie in the file ${show(location)}, and a model given as bytes has no directory`,
        hint: "Give the model's path instead.",
      })
    if (
      location === '' ||
      location === '.' ||
      location === '..' ||
      basename(location) !== location ||
      /[\\/\0]/.test(location)
    )
      throw new FormatError({ op, message: `external data must lie beside the model, and ${show(location)} does not` })
    const path = join(directory, location)
    try {
      if (lstatSync(path).isSymbolicLink()) throw new FormatError({ op, message: `${show(location)} is a link` })
      return readPart(path, location, offset, length)
    } catch (error) {
      if (error instanceof FormatError) throw error
      const reason = error instanceof Error ? error.message : String(error)
      throw new FormatError({ op, message: `external data ${show(location)} cannot be read: ${reason}` })
    }
  }
}

function readPart(path: string, location: string, offset: number, length: number | undefined): Uint8Array {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    const stat = fstatSync(file)
    if (!stat.isFile()) throw new FormatError({ op, message: `${show(location)} is no file` })
    const count = length ?? stat.size - offset
    if (count < 0 || offset + count > stat.size)
      throw new FormatError({
        op,
        message: `${show(location)} has ${String(stat.size)} bytes, and the model reads up to ${String(offset + count)}`,
        hint: 'The file is damaged or was cut off.',
      })
    const bytes = new Uint8Array(count)
    for (let at = 0; at < count;) {
      const got = readSync(file, bytes, at, Math.min(count - at, 1 << 30), offset + at)
      if (got === 0) throw new FormatError({ op, message: `${show(location)} ended early` })
      at += got
    }
    return bytes
  } finally {
    closeSync(file)
  }
}

/** Where the addon lies that the tests use; child processes and workers load the same file. */
import { join } from 'node:path'
import { loadNative, tryNative } from '../../src/backend/native'

export function addonPath(): string {
  loadNative()
  return join(__dirname, '../..', tryNative().path ?? '')
}

export const children: string = join(__dirname, 'children')

/** Digests of a model's outputs: the same bytes on every machine, or the file says otherwise. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { FormatError } from '../errors'
import type { InferenceSession, Results } from '../runtime/session'
import type { Feeds } from '../runtime/feeds'
import { seededFeeds } from './seeded'

/** What a digest file holds, as JSON. */
export interface Digest {
  readonly format: 'int8-digest-1'
  /** SHA-256 of the model file. */
  readonly model: string
  /** What the inputs are made from, and the sizes of free axes by symbol. */
  readonly seed: number
  readonly sizes: Readonly<Record<string, number>>
  /** SHA-256 of each output: type, sizes, elements. */
  readonly outputs: Readonly<Record<string, string>>
}

/** Name of the digest file beside a model. */
export function digestPath(model: string): string {
  return `${model}.digest.json`
}

/** SHA-256 of bytes, in hex. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** SHA-256 of each result. Elements are little-endian, as on every machine that Node runs on. */
export function hashesOf(results: Results): Record<string, string> {
  return Object.fromEntries(
    Object.entries(results).map(([name, { type, dims, data }]) => {
      const hash = createHash('sha256').update(`${type} ${dims.join('x')}\n`)
      const bytes = Array.isArray(data)
        ? Buffer.from(JSON.stringify(data))
        : new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      return [name, hash.update(bytes).digest('hex')]
    }),
  )
}

/** The inputs that a digest speaks of. */
export function digestFeeds(session: InferenceSession, { seed, sizes }: Pick<Digest, 'seed' | 'sizes'>): Feeds {
  return seededFeeds(session.inputMetadata, seed, new Map(Object.entries(sizes)))
}

/** A digest of what a model computes here. */
export async function digestOf(
  bytes: Uint8Array,
  session: InferenceSession,
  seed: number,
  sizes: ReadonlyMap<string, number>,
): Promise<Digest> {
  const from = { seed, sizes: Object.fromEntries(sizes) }
  const outputs = hashesOf(await session.run(digestFeeds(session, from)))
  return { format: 'int8-digest-1', model: sha256(bytes), ...from, outputs }
}

/** Reads a digest file. */
export function readDigest(path: string): Digest {
  const refuse = (): never => {
    throw new FormatError({ op: 'int8 verify', message: `${path} is no digest file of this program` })
  }
  let content: unknown
  try {
    content = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    if (error instanceof SyntaxError) return refuse()
    throw error
  }
  const { format, model, seed, sizes, outputs } = (content ?? {}) as Partial<Record<keyof Digest, unknown>>
  const holds = (value: unknown, type: string): boolean =>
    typeof value === 'object' && value !== null && Object.values(value).every((item) => typeof item === type)
  if (format !== 'int8-digest-1' || typeof model !== 'string' || !Number.isSafeInteger(seed)) refuse()
  if (!holds(sizes, 'number') || !holds(outputs, 'string')) refuse()
  return content as Digest
}

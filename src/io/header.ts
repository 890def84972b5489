/**
 * The header of a safetensors file: one pass over the one grammar that the format allows,
 *
 *     { "NAME": { "dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24] }, …, "__metadata__": { "KEY": "VALUE", … } }
 *
 * Not `JSON.parse`: that takes the last of two equal names without a word, and builds whatever a hostile file nests. Here
 * nothing nests deeper than the grammar, and each name comes once.
 */

/** One tensor as the header describes it; nothing of it is checked against the data yet. */
export interface TensorInfo {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly begin: number
  readonly end: number
}

/** A header's content, in the file's order. */
export interface Header {
  readonly tensors: Map<string, TensorInfo>
  readonly metadata: Record<string, string>
}

/** Refuses the file: takes the fault as words that follow the file's name. */
export type Refuse = (fault: string) => never

/** Name under which the header keeps text about the file. */
export const metadataKey = '__metadata__'

/** Reads a header's text. `refuse` is called at the first fault and must throw. */
export function readHeader(text: string, refuse: Refuse): Header {
  return new HeaderReader(text, refuse).header()
}

const quote = 0x22
const backslash = 0x5c

class HeaderReader {
  private readonly text: string
  private readonly refuse: Refuse
  private at = 0

  constructor(text: string, refuse: Refuse) {
    this.text = text
    this.refuse = refuse
  }

  header(): Header {
    const tensors = new Map<string, TensorInfo>()
    let metadata: Record<string, string> | undefined
    if (!this.text.startsWith('{')) this.unexpected('"{" as the first byte')
    this.object('name', (name) => {
      if (name === metadataKey) metadata = this.metadata()
      else tensors.set(name, this.tensorInfo(name))
    })
    this.space()
    if (this.at < this.text.length) this.unexpected('nothing but spaces after the last "}"')
    return { tensors, metadata: metadata ?? emptyRecord() }
  }

  private metadata(): Record<string, string> {
    const metadata = emptyRecord()
    this.object(`key of ${metadataKey}`, (key) => {
      metadata[key] = this.string(`a string for ${metadataKey}.${JSON.stringify(key)}`)
    })
    return metadata
  }

  private tensorInfo(name: string): TensorInfo {
    const of = ` of tensor ${JSON.stringify(name)}`
    let dtype: string | undefined
    let shape: number[] | undefined
    let offsets: number[] | undefined
    this.object(`field${of}`, (field) => {
      if (field === 'dtype') dtype = this.string(`a string as dtype${of}`)
      else if (field === 'shape') shape = this.integers(`shape${of}`, 8)
      else if (field === 'data_offsets') offsets = this.integers(`data_offsets${of}`, 2)
      else this.refuse(`header has an unknown field ${JSON.stringify(field)}${of}`)
    })
    const [begin, end] = offsets ?? []
    if (dtype === undefined || shape === undefined || begin === undefined || end === undefined)
      return this.refuse(`header lacks dtype, shape or the two data_offsets${of}`)
    return { dtype, shape, begin, end }
  }

  /** `{ "key": value, … }`; `value` is called behind each colon and has to consume the value. */
  private object(what: string, value: (key: string) => void): void {
    this.expect('{')
    if (this.take('}')) return
    const seen = new Set<string>()
    do {
      const key = this.string(`a ${what}`)
      if (seen.has(key)) this.refuse(`header has the ${what} ${JSON.stringify(key)} twice`)
      seen.add(key)
      this.expect(':')
      value(key)
    } while (this.take(','))
    this.expect('}')
  }

  /** `[0, 1, …]`, at most `most` of them. */
  private integers(what: string, most: number): number[] {
    const values: number[] = []
    this.expect('[')
    if (this.take(']')) return values
    do {
      if (values.length === most) this.refuse(`header has more than ${String(most)} numbers in ${what}`)
      values.push(this.integer(what))
    } while (this.take(','))
    this.expect(']')
    return values
  }

  private integer(what: string): number {
    this.space()
    const pattern = /(?:0|[1-9][0-9]{0,15})(?![0-9.eE])/y
    pattern.lastIndex = this.at
    const digits = pattern.exec(this.text)?.[0]
    const value = Number(digits)
    if (digits === undefined || !Number.isSafeInteger(value))
      return this.unexpected(`a whole number from 0 to 2^53 - 1 in ${what}`)
    this.at = pattern.lastIndex
    return value
  }

  private string(expected: string): string {
    this.space()
    const start = this.at
    if (this.text.charCodeAt(start) !== quote) return this.unexpected(expected)
    let end = start + 1
    for (let code = this.text.charCodeAt(end); code !== quote; code = this.text.charCodeAt(end)) {
      if (end >= this.text.length) return this.refuse(`header ends inside the string at byte ${String(start)}`)
      end += code === backslash ? 2 : 1
    }
    this.at = end + 1
    try {
      return JSON.parse(this.text.slice(start, this.at)) as string
    } catch {
      return this.refuse(`header has a string that is not JSON, at character ${String(start)}`)
    }
  }

  private take(mark: string): boolean {
    this.space()
    if (this.text[this.at] !== mark) return false
    this.at++
    return true
  }

  private expect(mark: string): void {
    if (!this.take(mark)) this.unexpected(JSON.stringify(mark))
  }

  private space(): void {
    const pattern = /[ \t\n\r]*/y
    pattern.lastIndex = this.at
    pattern.test(this.text)
    this.at = pattern.lastIndex
  }

  private unexpected(expected: string): never {
    const rest = this.text.slice(this.at, this.at + 20)
    const found = rest === '' ? 'its end' : JSON.stringify(rest)
    return this.refuse(`header must have ${expected} at character ${String(this.at)}, but has ${found}`)
  }
}

/** An object without a prototype: no key of a file can collide with an inherited property. */
function emptyRecord(): Record<string, string> {
  return Object.create(null) as Record<string, string>
}

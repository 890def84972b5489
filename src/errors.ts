/**
 * Errors of the library: one base, few classes, the issue as data (`op`, `argument`, `expected`, `received`, `hint`),
 * the words made here and nowhere else.
 */

/** What went wrong, as data. */
export interface Issue {
  /** The function called, as a user writes it: `quantized.conv2d`, `tensor`, `nn.Conv2d`. */
  readonly op: string
  /** The argument at fault, with its index or field where it has one: `x`, `options.stride`, `scales[3]`. */
  readonly argument?: string
  /** What the argument has to be. */
  readonly expected?: string
  /** What it was. */
  readonly received?: string
  /** A sentence of its own, where expected/received do not say it. */
  readonly message?: string
  /** The way out, as a sentence. */
  readonly hint?: string
}

function words({ op, argument, expected, received, message, hint }: Issue): string {
  const subject = argument === undefined ? '' : `${argument} `
  const fault =
    message ??
    (received === undefined
      ? `${subject}must be ${String(expected)}`
      : `${subject}must be ${String(expected)}, but got ${received}`)
  return `${op}: ${fault}.${hint === undefined ? '' : ` ${hint}`}`
}

/** Base class of every error that the library throws on purpose; `code` tells the classes apart across copies. */
export class Int8Error extends Error {
  readonly code: string
  readonly op: string
  readonly argument: string | undefined
  readonly expected: string | undefined
  readonly received: string | undefined
  readonly hint: string | undefined

  constructor(code: string, issue: Issue) {
    super(words(issue))
    this.code = code
    this.op = issue.op
    this.argument = issue.argument
    this.expected = issue.expected
    this.received = issue.received
    this.hint = issue.hint
  }

  override get name(): string {
    return this.constructor.name
  }
}

/** A shape, rank, length or geometry that the op cannot take. */
export class ShapeError extends Int8Error {
  constructor(issue: Issue) {
    super('SHAPE', issue)
  }
}

/** A tensor of the wrong kind: float where codes are wanted, quint8 where qint8 is, … */
export class DTypeError extends Int8Error {
  constructor(issue: Issue) {
    super('DTYPE', issue)
  }
}

/** A scale, zero point or range that quantization cannot use. */
export class QParamsError extends Int8Error {
  constructor(issue: Issue) {
    super('QPARAMS', issue)
  }
}

/** Quantization parameters were asked of something that has seen no data. */
export class NotCalibratedError extends Int8Error {
  constructor(issue: Issue) {
    super('NOT_CALIBRATED', issue)
  }
}

/** Weights whose int32 accumulator could overflow for some input (numerics.md 4). */
export class OverflowError extends Int8Error {
  constructor(issue: Issue) {
    super('OVERFLOW', issue)
  }
}

/** A file or byte string that is not what its format says. */
export class FormatError extends Int8Error {
  constructor(issue: Issue) {
    super('FORMAT', issue)
  }
}

/** Any other argument that is not what the function takes: an unknown option, a name that does not exist, … */
export class ArgumentError extends Int8Error {
  constructor(issue: Issue) {
    super('ARGUMENT', issue)
  }
}

/** A backend, instruction set or thread count that cannot be had here. */
export class BackendError extends Int8Error {
  constructor(issue: Issue) {
    super('BACKEND', issue)
  }
}

/** A model that uses operators, types or forms of them that this library does not have; says which. */
export class UnsupportedOperatorError extends Int8Error {
  constructor(issue: Issue) {
    super('UNSUPPORTED', issue)
  }
}

/** A model that contradicts itself or the standard: missing values, cycles, wrong attributes. */
export class ModelError extends Int8Error {
  constructor(issue: Issue) {
    super('MODEL', issue)
  }
}

/** Shows a received value in an error: short, typed, never throwing. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value)
  if (typeof value === 'bigint') return `${value.toString()}n`
  if (typeof value === 'function') return `a function`
  if (typeof value === 'symbol') return 'a symbol'
  if (value === null || typeof value !== 'object') return Object.is(value, -0) ? '-0' : String(value)
  if (ArrayBuffer.isView(value)) {
    const length = 'length' in value ? `(${String(value.length)})` : ''
    return `${value.constructor.name}${length}`
  }
  if (Array.isArray(value)) {
    const items: unknown[] = value
    const shown = items.slice(0, 8).map((item) => (typeof item === 'object' && item !== null ? '…' : show(item)))
    return `[${shown.join(', ')}${items.length > 8 ? `, … ${String(items.length)} in all` : ''}]`
  }
  const proto: unknown = Object.getPrototypeOf(value)
  const name = typeof proto === 'object' && proto !== null ? proto.constructor.name : ''
  return name === '' || name === 'Object' ? 'an object' : `a ${name}`
}

/**
 * Tensors as text, as PyTorch prints them: four decimals, or an exponent where the range asks for it; columns aligned;
 * lines of 80 characters; above 1000 elements only the three first and last along each axis.
 */
import type { DType } from './dtype'
import type { QTensor } from './qtensor'
import { dequantizeValue } from './rounding'
import { stridesOf, type Shape } from './shape'
import type { Tensor } from './tensor'

const lineWidth = 80
const precision = 4
const summaryThreshold = 1000
const edgeItems = 3
const prefix = 'tensor('

/** What is printed: a shape, and the element at each storage offset. */
interface Values {
  readonly shape: Shape
  readonly strides: readonly number[]
  readonly kind: 'float' | 'integer' | 'bool'
  readonly at: (offset: number) => number | bigint
}

/** The text of a plain tensor. */
export function tensorText(x: Tensor<DType>): string {
  const kind = x.dtype === 'float32' ? 'float' : x.dtype === 'bool' ? 'bool' : 'integer'
  const strides = stridesOf(x.shape, x.memoryFormat)
  const suffixes: string[] = []
  if (x.size === 0) {
    if (x.rank !== 1) suffixes.push(`size=${tuple(x.shape)}`)
    if (x.dtype !== 'float32') suffixes.push(`dtype=torch.${x.dtype}`)
  } else if (kind === 'integer' && x.dtype !== 'int64') suffixes.push(`dtype=torch.${x.dtype}`)
  return assemble({ shape: x.shape, strides, kind, at: (offset) => x.storage[offset] ?? 0 }, suffixes)
}

/** The text of a quantized tensor: its real values, then size, dtype, scheme and parameters. */
export function qtensorText(q: QTensor): string {
  const { qparams, shape, storage } = q
  const strides = stridesOf(shape, q.memoryFormat)
  const suffixes = [`size=${tuple(shape)}`, `dtype=torch.${q.dtype}`]
  if (qparams.kind === 'perTensor') {
    const { scale, zeroPoint } = qparams
    suffixes.push('quantization_scheme=torch.per_tensor_affine')
    suffixes.push(`scale=${floatText(scale)}`, `zero_point=${String(zeroPoint)}`)
    const at = (offset: number): number => dequantizeValue(storage[offset] ?? 0, scale, zeroPoint)
    return assemble({ shape, strides, kind: 'float', at }, suffixes)
  }
  const { scales, zeroPoints, axis } = qparams
  const list = (values: Float32Array | Int32Array, kind: Values['kind']): string =>
    assemble({ shape: [values.length], strides: [1], kind, at: (i) => values[i] ?? 0 }, [])
  suffixes.push('quantization_scheme=torch.per_channel_affine')
  suffixes.push(`scale=${list(scales, 'float')}`, `zero_point=${list(zeroPoints, 'integer')}`, `axis=${String(axis)}`)
  const stride = strides[axis] ?? 1
  const length = shape[axis] ?? 1
  const at = (offset: number): number => {
    const channel = Math.floor(offset / stride) % length
    return dequantizeValue(storage[offset] ?? 0, scales[channel] ?? 1, zeroPoints[channel] ?? 0)
  }
  return assemble({ shape, strides, kind: 'float', at }, suffixes)
}

/** A shape as a Python tuple. */
function tuple(shape: Shape): string {
  return shape.length === 1 ? `(${String(shape[0])},)` : `(${shape.join(', ')})`
}

/** The shortest decimal that reads back as this float32, written as Python does. */
function floatText(x: number): string {
  let digits = 1
  while (digits < 9 && Math.fround(Number(x.toPrecision(digits))) !== x) digits++
  const value = Number(x.toPrecision(digits))
  const exponent = Number(value.toExponential().split('e')[1])
  if (exponent < -4 || exponent >= 16) return pythonExponent(value.toExponential())
  return Number.isInteger(value) ? `${value.toFixed(0)}.0` : value.toFixed(Math.max(0, digits - 1 - exponent))
}

/** `1e-7` as Python writes it: `1e-07`. */
function pythonExponent(text: string): string {
  return text.replace(/e([+-])(\d)$/, 'e$10$2')
}

/** `prefix values, suffix, suffix)`, broken where a line would grow too long. */
function assemble(values: Values, suffixes: readonly string[]): string {
  let text = prefix + valuesText(values)
  let lastLine = text.length - text.lastIndexOf('\n') + 1
  for (const suffix of suffixes) {
    if (lastLine + suffix.length + 2 > lineWidth) {
      text += `,\n${' '.repeat(prefix.length)}${suffix}`
      lastLine = prefix.length + suffix.length
    } else {
      text += `, ${suffix}`
      lastLine += suffix.length + 2
    }
  }
  return `${text})`
}

function valuesText(values: Values): string {
  const { shape, strides } = values
  const size = shape.reduce((product, length) => product * length, 1)
  if (size === 0) return '[]'
  const summarize = size > summaryThreshold
  const shown = (axis: number): (number | null)[] => {
    const length = shape[axis] ?? 1
    if (!summarize || length <= 2 * edgeItems) return Array.from({ length }, (_, i) => i)
    const edge = Array.from({ length: edgeItems }, (_, i) => i)
    return [...edge, null, ...edge.map((i) => length - edgeItems + i)]
  }
  const { width, format } = formatter(values, collect(shape.length, strides, shown, values.at))
  const level = (axis: number, offset: number, indent: number): string => {
    if (axis === shape.length) return format(values.at(offset))
    const stride = strides[axis] ?? 0
    const last = axis === shape.length - 1
    const items = shown(axis).map((i) =>
      i === null ? (last ? ' ...' : '...') : level(axis + 1, offset + i * stride, indent + 1),
    )
    if (!last) return `[${items.join(`,${'\n'.repeat(shape.length - 1 - axis)}${' '.repeat(indent + 1)}`)}]`
    const perLine = Math.max(1, Math.floor((lineWidth - indent) / (width + 2)))
    const lines: string[] = []
    for (let i = 0; i < items.length; i += perLine) lines.push(items.slice(i, i + perLine).join(', '))
    return `[${lines.join(`,\n${' '.repeat(indent + 1)}`)}]`
  }
  return level(0, 0, prefix.length)
}

/** The elements that will be shown. */
function collect(
  rank: number,
  strides: readonly number[],
  shown: (axis: number) => readonly (number | null)[],
  at: Values['at'],
): (number | bigint)[] {
  const out: (number | bigint)[] = []
  const level = (axis: number, offset: number): void => {
    if (axis === rank) out.push(at(offset))
    else for (const i of shown(axis)) if (i !== null) level(axis + 1, offset + i * (strides[axis] ?? 0))
  }
  level(0, 0)
  return out
}

/** How each element is written, all in one width. */
function formatter(
  { kind }: Values,
  elements: readonly (number | bigint)[],
): { readonly width: number; readonly format: (value: number | bigint) => string } {
  const write = kind === 'float' ? floatWriter(elements.map(Number)) : kind === 'bool' ? boolText : String
  const counted = kind === 'float' ? elements.filter((value) => value !== 0 && Number.isFinite(value)) : elements
  const width = counted.reduce<number>((most, value) => Math.max(most, write(value).length), 1)
  return { width, format: (value) => write(value).padStart(width) }
}

function boolText(value: number | bigint): string {
  return value === 0 ? 'False' : 'True'
}

function floatWriter(elements: readonly number[]): (value: number | bigint) => string {
  const sizes = elements.filter((value) => value !== 0 && Number.isFinite(value)).map(Math.abs)
  const least = sizes.reduce((a, b) => Math.min(a, b), Infinity)
  const most = sizes.reduce((a, b) => Math.max(a, b), 0)
  const whole = sizes.every(Number.isInteger)
  const scientific = sizes.length > 0 && (most / least > 1000 || most > 1e8 || (!whole && least < 1e-4))
  return (value) => {
    const x = Number(value)
    if (!Number.isFinite(x)) return Number.isNaN(x) ? 'nan' : x > 0 ? 'inf' : '-inf'
    const sign = x < 0 || Object.is(x, -0) ? '-' : ''
    const size = Math.abs(x)
    if (scientific) return sign + pythonExponent(halfEven(size, (digits) => size.toExponential(digits)))
    if (whole) return `${sign}${size.toFixed(0)}.`
    return sign + halfEven(size, (digits) => size.toFixed(digits))
  }
}

/** Four decimals; at an exact tie the even one, as Python rounds (JavaScript takes the larger). */
function halfEven(size: number, write: (digits: number) => string): string {
  const tie = /^(\d+\.\d{3})([02468])50*(e.*)?$/.exec(write(100))
  if (tie === null || size === 0) return write(precision)
  return `${tie[1] ?? ''}${tie[2] ?? ''}${tie[3] ?? ''}`
}

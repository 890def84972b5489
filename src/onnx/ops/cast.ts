/** Conversions between element types. */
import { show } from '../../errors'
import type { GraphNode } from '../../graph/graph'
import { contiguous } from '../../runtime/format'
import type { Lowering } from '../../runtime/steps'
import { known, type Value } from '../../runtime/value'
import { allocateElements, isBigType, typeOfNumber, type ElementType, type NumericType } from '../types'
import { codecOf, isFloat } from './arithmetic'
import { onHost, type Element } from './elementwise'
import { need, unsupported, wrong, type Inputs, type Operators } from './operator'

/** Writes a number as an element of a type. */
function writer(type: NumericType): (x: Element) => Element {
  const { write } = codecOf(type)
  if (type === 'bool') return (x) => Number(x !== 0 && x !== 0n)
  if (isFloat(type)) return (x) => write(Number(x))
  if (type === 'int4') return (x) => Math.min(7, Math.max(-8, Math.trunc(Number(x))))
  if (type === 'uint4') return (x) => Math.min(15, Math.max(0, Math.trunc(Number(x))))
  if (isBigType(type)) return (x) => write(typeof x === 'bigint' ? x : BigInt(Number.isFinite(x) ? Math.trunc(x) : 0))
  // Typed arrays wrap, as a conversion between integers does.
  return (x) => (typeof x === 'bigint' ? Number(BigInt.asIntN(64, x) & 0xffffffffn) : Math.trunc(x))
}

function* castTo(node: GraphNode, x: Value, type: ElementType): Lowering<Value> {
  if (x.type === type) return x
  if (type === 'string' || x.type === 'string') return castStrings(node, yield* contiguous(x), type)
  const { read } = codecOf(x.type)
  const write = writer(type)
  return yield* onHost(node, `cast ${x.type} to ${type}`, type, [x], (e) => write(read(e)))
}

/** Strings are no elements of memory: they can only be converted where they are known. */
function castStrings(node: GraphNode, x: Value, type: ElementType): Value {
  if (!x.known) throw unsupported(node, 'a conversion of computed values to strings')
  if (type === 'string') {
    const { read } = codecOf(x.type)
    return known(
      'string',
      x.dims,
      Array.from(x.data as ArrayLike<Element>, (e) => textOf(x.type, read(e))),
    )
  }
  const data = allocateElements<NumericType>(type, x.data.length) as unknown as Record<number, Element>
  const write = writer(type)
  ;(x.data as readonly string[]).forEach((text, i) => {
    data[i] = write(isBigType(type) ? wholeOf(node, text) : numberOf(text))
  })
  return known(type, x.dims, data as never) as Value
}

function wholeOf(node: GraphNode, text: string): bigint {
  try {
    return BigInt(text)
  } catch {
    throw wrong(node, `the text ${show(text)} is no whole number`)
  }
}

function numberOf(text: string): number {
  const named: Readonly<Record<string, number>> = { inf: Infinity, '+inf': Infinity, '-inf': -Infinity, nan: NaN }
  return named[text.trim().toLowerCase()] ?? Number(text)
}

function textOf(type: ElementType, value: Element): string {
  if (!isFloat(type) || typeof value === 'bigint') return String(value)
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? 'INF' : '-INF'
  // The shortest text that reads back as the same float32.
  for (let digits = 1; digits < 17; digits++) {
    const text = Number(value.toPrecision(digits))
    if (type !== 'float64' && Math.fround(text) === value) return String(text)
  }
  return String(value)
}

function* cast(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = need(node, inputs, 0)
  const number = node.attributes.int('to', 0)
  const type = typeOfNumber(number)
  if (type === undefined) throw unsupported(node, `a conversion to type ${String(number)}`)
  return [yield* castTo(node, x, type)]
}

function* castLike(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  return [yield* castTo(node, need(node, inputs, 0), need(node, inputs, 1).type)]
}

export const casts: Operators = { Cast: cast, CastLike: castLike }

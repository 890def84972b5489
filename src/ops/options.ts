/** Reads and refuses options: unknown keys, wrong types, numbers out of range. */
import { ArgumentError, ShapeError, show } from '../errors'

/** One number for every spatial axis, or one each, outermost first. */
export type PerAxis = number | readonly number[]

/** Largest kernel, stride, dilation or padding. */
const largest = 2147483647

/** Refuses options that are not an object, or that hold a key the op does not know. */
export function checkOptions(op: string, options: unknown, allowed: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new ArgumentError({
      op,
      argument: 'options',
      expected: `an object (keys: ${keysText(allowed)})`,
      received: show(options),
    })
  for (const key of Object.keys(options))
    if (!allowed.includes(key))
      throw new ArgumentError({
        op,
        argument: 'options',
        message: `options has an unknown key, ${show(key)}`,
        hint: `It takes ${keysText(allowed)}.`,
      })
}

function keysText(keys: readonly string[]): string {
  return keys.length === 0 ? 'none' : keys.join(', ')
}

/** Refuses what is not a boolean. */
export function checkBoolean(op: string, argument: string, value: unknown): asserts value is boolean {
  if (typeof value !== 'boolean')
    throw new ArgumentError({ op, argument, expected: 'a boolean', received: show(value) })
}

/** Refuses what is not a finite number. */
export function checkFinite(op: string, argument: string, value: unknown): asserts value is number {
  if (typeof value !== 'number' || !Number.isFinite(value))
    throw new ArgumentError({ op, argument, expected: 'a finite number', received: show(value) })
}

/** Refuses what is not a whole number from `least` to 2^31 - 1. */
export function checkWhole(op: string, argument: string, value: unknown, least: number): asserts value is number {
  if (!isWhole(value, least)) throw notWhole(op, argument, value, least)
}

function isWhole(value: unknown, least: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= least && value <= largest
}

function notWhole(op: string, argument: string, value: unknown, least: number): ShapeError {
  return new ShapeError({
    op,
    argument,
    expected: `a whole number from ${String(least)} to ${String(largest)}`,
    received: show(value),
  })
}

/** One whole number per axis, of at least `least`. */
export function readPerAxis(op: string, argument: string, value: unknown, axes: number, least: number): number[] {
  if (!Array.isArray(value)) {
    checkWhole(op, argument, value, least)
    return new Array<number>(axes).fill(value)
  }
  if (value.length !== axes)
    throw new ShapeError({
      op,
      argument,
      expected: `a number or an array of ${String(axes)}, one per spatial axis`,
      received: show(value),
    })
  return value.map((item: unknown, axis) => {
    if (!isWhole(item, least)) throw notWhole(op, `${argument}[${String(axis)}]`, item, least)
    return item
  })
}

/** Bounds of a clamp: `min <= max`, neither NaN; an absent one is infinite. */
export function readRange(
  op: string,
  min: unknown,
  max: unknown,
  [minName, maxName]: readonly [string, string] = ['options.min', 'options.max'],
): readonly [number, number] {
  const read = (argument: string, value: unknown, absent: number): number => {
    if (value === undefined) return absent
    if (typeof value !== 'number' || Number.isNaN(value))
      throw new ArgumentError({ op, argument, expected: 'a number', received: show(value) })
    return value
  }
  const lo = read(minName, min, -Infinity)
  const hi = read(maxName, max, Infinity)
  if (lo > hi)
    throw new ArgumentError({
      op,
      argument: minName,
      expected: `at most ${maxName} (${String(hi)})`,
      received: String(lo),
      hint: 'PyTorch returns max everywhere in this case; here it is taken for the mistake that it is.',
    })
  return [lo, hi]
}

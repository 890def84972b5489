/** An explanation as text. */
import type { Explanation, Operand } from './explanation'

/** Products that are listed before the rest is counted. */
const mostTaps = 32

/** A number for reading: whole ones in full, others to seven digits. */
export function number(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e15 ? String(value) : String(Number(value.toPrecision(7)))
}

/** The page that `toString()` gives. */
export function explanationText(e: Explanation): string {
  const { bias, output, taps, terms } = e
  const off = e.real - (e.original ?? e.float)
  const padded = taps.filter((tap) => tap.xIndex === undefined).length
  const lines = [
    `quantized ${e.op}, output element [${e.index.join(', ')}]`,
    '',
    ...table([
      operand('x', e.input),
      operand('w', e.weight, `output channel ${String(e.channel)}`),
      operand('y', output, `codes ${String(output.lo)}..${String(output.hi)}`),
    ]),
    '',
    `window: ${String(taps.length)} products${padded === 0 ? '' : `, ${String(padded)} of them in the padding, where x is its zero point`}`,
    ...table([
      ['at', 'x', 'real x', 'w', 'real w', 'x*w'],
      ...taps
        .slice(0, mostTaps)
        .map((tap) => [
          tap.xIndex === undefined ? 'padding' : `[${tap.xIndex.join(', ')}]`,
          ...[tap.x, tap.xReal, tap.w, tap.wReal, tap.product].map(number),
        ]),
    ]),
    ...(taps.length > mostTaps ? [`  … and ${String(taps.length - mostTaps)} more`] : []),
    '',
    'steps',
    ...table([
      ['sum of products', 'Σ x*w', number(terms.products), ''],
      ['zero point of w', `-${paren(e.weight.zeroPoint)} * Σ x`, number(terms.weightZeroPoint), ''],
      ['zero point of x', `-${paren(e.input.zeroPoint)} * Σ w`, number(terms.inputZeroPoint), ''],
      ['both', `${String(taps.length)} * zx * zw`, number(terms.bothZeroPoints), ''],
      ['bias', biasText(e), number(bias.codes), bias.real === undefined ? '' : `stands for ${number(bias.real)}`],
      ['accumulator', 'sum of these, int32', number(e.accumulator.value), `stands for ${number(e.accumulator.real)}`],
      ['multiplier', 'sx * sw / sy', number(e.multiplier), ''],
      ['scaled', 'accumulator * multiplier', number(e.scaled), 'steps from the zero point of y'],
      ['rounded', clampText(e), number(e.rounded), ''],
      ['code', `rounded + ${paren(output.zeroPoint)}`, number(e.code), `stands for ${number(e.real)}`],
    ]),
    '',
    'beside it',
    ...table([
      ['float, from what the codes stand for', number(e.float)],
      ...(e.original === undefined ? [] : [['float, from the original x, w and bias', number(e.original)]]),
      ['this result', number(e.real)],
      ['difference', number(off)],
      ['difference in steps of y', number(off / output.scale)],
    ]),
    '',
    ...(e.faults.length === 0 ? ['no faults found'] : ['faults']),
    ...e.faults.map((fault) => `  ${fault.code}: ${fault.message}.\n    ${fault.hint}`),
  ]
  return lines.join('\n')
}

function operand(name: string, { dtype, scale, zeroPoint }: Operand, more = ''): string[] {
  return [name, dtype, `scale ${number(scale)}`, `zero point ${String(zeroPoint)}`, more]
}

function paren(value: number): string {
  return value < 0 ? `(${String(value)})` : String(value)
}

function biasText({ bias }: Explanation): string {
  if (bias.real !== undefined) return `${number(bias.real)} / (sx * sw) = ${number(bias.exact)}`
  return bias.codes === 0 ? 'none' : 'given as int32'
}

function clampText({ clamped, output }: Explanation): string {
  const bounds = `${String(output.lo - output.zeroPoint)}..${String(output.hi - output.zeroPoint)}`
  const how = { no: 'within', range: 'cut off to', activation: 'clipped by the activation to' }[clamped]
  return `half to even, ${how} ${bounds}`
}

/** Columns of equal width, indented by two; the first column to the left, numbers to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows.reduce<number[]>((most, row) => row.map((cell, i) => Math.max(most[i] ?? 0, cell.length)), [])
  const isNumber = (cell: string): boolean => /^-?[\d.]/.test(cell) && !cell.includes(' ')
  return rows.map((row) =>
    `  ${row
      .map((cell, i) => (isNumber(cell) && i > 0 ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join('  ')}`.trimEnd(),
  )
}

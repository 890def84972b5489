/** How the program is called: errors of the caller, and reading of options. */

/** A call that means nothing: printed without a stack, exit code 2. */
export class UsageError extends Error {}

/** A number given as an option. */
export function numberOption(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const number = Number(value)
  if (value.trim() === '' || !Number.isFinite(number))
    throw new UsageError(`--${name} must be a number, but got "${value}"`)
  return number
}

/** A whole number of at least 1. */
export function countOption(name: string, value: string | undefined): number | undefined {
  const number = numberOption(name, value)
  if (number !== undefined && !(Number.isSafeInteger(number) && number >= 1))
    throw new UsageError(`--${name} must be a whole number of at least 1, but got "${String(value)}"`)
  return number
}

/** A list with commas. */
export function listOption(value: string | undefined): string[] {
  return (value ?? '').split(',').filter((item) => item !== '')
}

/** One of some words. */
export function wordOption<W extends string>(
  name: string,
  value: string | undefined,
  words: readonly W[],
): W | undefined {
  if (value === undefined || words.includes(value as W)) return value as W | undefined
  throw new UsageError(`--${name} must be one of ${words.join(', ')}, but got "${value}"`)
}

/** The only positional argument. */
export function onlyFile(positionals: readonly string[], what: string): string {
  const [file, ...more] = positionals
  if (file === undefined || more.length > 0) throw new UsageError(`give one file: ${what}`)
  return file
}

/** Prints a line, or several, to standard output. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Rows as columns that line up; numbers are right-aligned by `right`. */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, i) => (right.includes(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** A size for people. */
export function sizeText(bytes: number): string {
  if (bytes < 1e4) return `${String(bytes)} B`
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
}

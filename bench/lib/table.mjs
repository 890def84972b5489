// Tables on the terminal, a line at a time as results come in.

/** A table: `columns` are [title, width, row => text]; the first is left-aligned. */
export function createTable(columns) {
  const line = (cell) =>
    columns.map((column, i) => (i === 0 ? cell(column).padEnd(column[1]) : cell(column).padStart(column[1]))).join('')
  return {
    head: () => console.log(line(([title]) => title)),
    row: (row) => console.log(line(([, , text]) => text(row))),
  }
}

/** Geometric mean. */
export const geometricMean = (list) => Math.exp(list.reduce((sum, x) => sum + Math.log(x), 0) / list.length)

/** 1.234 -> '1.23x'; nothing known -> '-'. */
export const times = (ratio) => (ratio === undefined ? '-' : `${ratio.toFixed(2)}x`)
/** 0.123 -> '12 %'. */
export const percent = (share) => `${(100 * share).toFixed(0)} %`

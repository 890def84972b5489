// The demo's table.
const percent = (share) => `${(100 * share).toFixed(1)} %`
const kb = (bytes) => `${(bytes / 1024).toFixed(0)} KB`
const ms = (time) => `${time < 0.1 ? time.toFixed(4) : time.toFixed(3)} ms`

const rows = [
  ['accuracy, float', (m) => percent(m.accuracyFloat)],
  ['accuracy, int8', (m) => percent(m.accuracyInt8)],
  ['same class as float', (m) => percent(m.sameClass)],
  ['SQNR of the logits', (m) => `${m.sqnrDb.toFixed(2)} dB`],
  ['weights, float', (m) => kb(m.bytesFloat)],
  ['weights, int8', (m) => `${kb(m.bytesInt8)} (${percent(m.bytesInt8 / m.bytesFloat)})`],
  ['file with biases, scales and names', (m) => `${kb(m.fileFloat)} -> ${kb(m.fileInt8)}`],
  ['time per image, float', (m) => ms(m.msFloat)],
  ['time per image, int8', (m) => `${ms(m.msInt8)} (${(m.msFloat / m.msInt8).toFixed(1)}x)`],
  ['time per image, int8 in JavaScript', (m) => ms(m.msJs)],
  ['native and JavaScript bytes', (m) => (m.identical ? 'identical' : 'DIFFERENT')],
  ['saved, loaded, run again', (m) => (m.savedIdentical ? 'identical' : 'DIFFERENT')],
]

/** Prints one column per network. */
export function printReport(models) {
  const table = [['', (m) => m.name], ...rows].map(([label, cell]) => [label, ...models.map(cell)])
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)))
  console.log()
  for (const [i, row] of table.entries()) {
    console.log(
      row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join('   '),
    )
    if (i === 0) console.log(widths.map((width) => '-'.repeat(width)).join('   '))
  }
}

/** The result of diagnose: figures as data, and as a table. */
import type { Skipped } from '../observers'
import { percent } from './advice'
import type { LayerFigures } from './measure'

/** One layer with codes as its output. */
export interface LayerReport extends LayerFigures {
  /** Its path. */
  readonly name: string
  /** Its class in the quantized model. */
  readonly type: string
  /** Channels whose bias exceeds 2^30 steps; 0 for layers without weights. */
  readonly clippedBias: number
  /** What its observer skipped in calibration; known where the float model is the prepared one. */
  readonly skipped: Skipped
  /** What to do about it; empty where all is well. */
  readonly advice: readonly string[]
}

/** What {@link diagnose} found. */
export class DiagnoseReport {
  /** Layers in the order in which they first ran. */
  readonly layers: readonly LayerReport[]
  /** SQNR of what the models return, in dB. */
  readonly outputSqnrDb: number
  /** Number of batches compared. */
  readonly batches: number

  constructor(layers: readonly LayerReport[], outputSqnrDb: number, batches: number) {
    this.layers = layers
    this.outputSqnrDb = outputSqnrDb
    this.batches = batches
  }

  /** All advice, each with its layer's name before it. */
  get advice(): readonly string[] {
    return this.layers.flatMap(({ name, advice }) => advice.map((text) => `${name}: ${text}`))
  }

  /** The figures as a table, the advice below it. */
  toString(): string {
    const head = ['layer', 'class', 'SQNR dB', 'below', 'above', 'unused', 'bias', 'dead', 'NaN', 'inf']
    const rows = this.layers.map((layer) => [
      layer.name,
      layer.type,
      decibelText(layer.sqnrDb),
      percent(layer.saturatedLow),
      percent(layer.saturatedHigh),
      percent(layer.unusedRange),
      String(layer.clippedBias),
      `${String(layer.deadChannels)}/${String(layer.channels)}`,
      String(layer.skipped.nan),
      String(layer.skipped.inf),
    ])
    const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
    const line = (cells: readonly string[]): string =>
      cells
        .map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  ')
        .trimEnd()
    const rule = widths.map((width) => '-'.repeat(width)).join('  ')
    const output = `output: ${decibelText(this.outputSqnrDb)} dB over ${String(this.batches)} batches`
    const { advice } = this
    const words = advice.length === 0 ? ['Nothing stands out.'] : advice.map((text) => `- ${text}`)
    return [line(head), rule, ...rows.map(line), '', output, '', ...words].join('\n')
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }
}

function decibelText(db: number): string {
  return Number.isFinite(db) ? db.toFixed(1) : db > 0 ? 'exact' : String(db)
}

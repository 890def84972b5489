/** What a quantization came to, in lines for a terminal. */
import type { QuantizationReport } from '../../onnx/quantize'
import { worstLayers, type LayerReport } from '../../onnx/quantize/report'
import { timeText, type Times } from '../timing'
import { sizeText, table } from '../usage'

/** A quantization and what was measured of it. */
export interface Measured {
  /** Name of the float model's file. */
  readonly model: string
  readonly report: QuantizationReport
  /** Times of one run of both models, taken in turns. */
  readonly times: { readonly float: Times; readonly int8: Times } | undefined
}

/** Sizes, speed, figures of the outputs, worst layers, advice. */
export function summarize({ model, report, times }: Measured): string {
  const lines = [
    `${model}: ${String(report.quantizedNodes)} of ${String(report.nodes)} nodes in int8, ` + calibrationText(report),
    '',
    table(
      [
        ['', 'float', 'int8', ''],
        [
          'size',
          sizeText(report.floatBytes),
          sizeText(report.quantizedBytes),
          ratio(report.floatBytes / report.quantizedBytes, 'smaller'),
        ],
        ...(times === undefined
          ? []
          : [
              [
                'time',
                timeText(times.float.median),
                timeText(times.int8.median),
                ratio(times.float.median / times.int8.median, 'as fast'),
              ],
            ]),
      ],
      [1, 2],
    ),
  ]
  if (report.outputs.length > 0) {
    lines.push('', `on ${String(report.validationSamples)} held-out samples`)
    lines.push(
      table(
        [
          ['output', 'SQNR', 'largest error', 'same class'],
          ...report.outputs.map(({ name, sqnrDb, largestError, classAgreement }) => [
            name,
            decibels(sqnrDb),
            largestError.toPrecision(3),
            classAgreement === undefined ? '' : percent(classAgreement),
          ]),
        ],
        [1, 2, 3],
      ),
    )
    lines.push('', 'worst layers')
    lines.push(
      table(
        worstLayers(report.layers).map((layer) => [decibels(layer.sqnrDb ?? NaN), layer.op, nameOf(layer)]),
        [0],
      ),
    )
  }
  if (report.search.length > 0) {
    lines.push(
      '',
      `kept in float for the target: ${report.keptFloat.length === 0 ? 'nothing' : report.keptFloat.join(', ')}`,
    )
    lines.push(
      table(
        [
          ['nodes in float', 'metric', 'drop'],
          ...report.search.map(({ keptFloat, metric, drop }) => [
            String(keptFloat),
            metric.toFixed(2),
            drop.toFixed(2),
          ]),
        ],
        [0, 1, 2],
      ),
    )
  }
  if (report.advice.length > 0) lines.push('', ...report.advice.map((line) => `! ${line}`))
  return lines.join('\n')
}

/** What activations are quantized by. */
export function calibrationText({ samples }: QuantizationReport): string {
  return samples === 0 ? 'activations by their range at run time' : `calibrated on ${String(samples)} samples`
}

/** A layer's name; of one without, its result's. */
export function nameOf({ node, output }: LayerReport): string {
  return node === '' ? output : node
}

/** A signal to noise ratio for people. */
export function decibels(value: number): string {
  return value === Infinity ? 'exact' : `${value.toFixed(1)} dB`
}

/** A share for people. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}

/** How many times as small or fast. */
export function ratio(value: number, what: string): string {
  return `${value.toFixed(2)} times ${what}`
}

/** The plots of a report. */
import type { LayerReport, SearchPoint } from '../../onnx/quantize'
import { bar, label, line, n, svg } from './svg'
import { decibels, nameOf } from './summary'

const width = 900
const left = 44
const plotHeight = 220
/** Signal to noise ratios above it are drawn as high as it. */
const maxDecibels = 60
const badDecibels = 15

/** A bar for each layer: its signal to noise ratio. */
export function noisePlot(layers: readonly LayerReport[]): string {
  const seen = layers.filter(({ sqnrDb }) => sqnrDb !== undefined)
  if (seen.length === 0) return ''
  const step = (width - left) / seen.length
  const height = (sqnr: number): number => (plotHeight * Math.min(maxDecibels, Math.max(0, sqnr))) / maxDecibels
  const grid = [0, 15, 30, 45, 60].flatMap((value) => {
    const y = 10 + plotHeight - height(value)
    return [line(left, y, width, y), label(`${String(value)} dB`, left - 4, y + 4, 'end')]
  })
  const bars = seen.map((layer, i) => {
    const { sqnrDb = 0 } = layer
    const h = height(sqnrDb)
    const kind = sqnrDb < badDecibels ? 'bad' : 'bar'
    const gap = Math.min(2, step / 4)
    return bar(
      kind,
      left + i * step,
      10 + plotHeight - h,
      step - gap,
      h,
      `${nameOf(layer)} (${layer.op}): ${decibels(sqnrDb)}`,
    )
  })
  return svg(width, plotHeight + 20, 'Signal to noise ratio by layer', [...grid, ...bars])
}

/** Two bars for each layer: the range seen, and the range of the codes. */
export function rangePlot(layers: readonly LayerReport[]): string {
  const drawn = layers.flatMap((layer) =>
    layer.seen && layer.range ? [{ layer, seen: layer.seen, range: layer.range }] : [],
  )
  if (drawn.length === 0) return ''
  const far = Math.max(
    ...drawn.flatMap(({ seen, range }) => [seen.min, seen.max, range.min, range.max].map(Math.abs)),
    1e-30,
  )
  const middle = 10 + plotHeight / 2
  const y = (value: number): number => middle - (Math.sign(value) * Math.sqrt(Math.abs(value) / far) * plotHeight) / 2
  const step = (width - left) / drawn.length
  const grid = [-far, -far / 4, 0, far / 4, far].flatMap((value) => [
    line(left, y(value), width, y(value)),
    label(String(Number(value.toPrecision(2))), left - 4, y(value) + 4, 'end'),
  ])
  const bars = drawn.flatMap(({ layer, seen, range }, i) => {
    const x = left + i * step
    const text = (what: string, { min, max }: { readonly min: number; readonly max: number }): string =>
      `${nameOf(layer)}: ${what} ${min.toPrecision(4)} to ${max.toPrecision(4)}`
    return [
      bar('seen', x, y(seen.max), step * 0.8, y(seen.min) - y(seen.max), text('seen', seen)),
      bar('bar', x + step * 0.2, y(range.max), step * 0.4, y(range.min) - y(range.max), text('codes', range)),
    ]
  })
  return svg(width, plotHeight + 20, 'Ranges by layer', [...grid, ...bars])
}

/** The curve of a search: drop by number of nodes in float. */
export function searchPlot(points: readonly SearchPoint[]): string {
  if (points.length < 2) return ''
  const most = Math.max(1, ...points.map(({ keptFloat }) => keptFloat))
  const worst = Math.max(1e-9, ...points.map(({ drop }) => drop))
  const x = (count: number): number => left + ((width - left - 20) * count) / most
  const y = (drop: number): number => 10 + (plotHeight * Math.max(0, drop)) / worst
  const path = points.map(({ keptFloat, drop }) => `${n(x(keptFloat))},${n(y(drop))}`).join(' ')
  return svg(width, plotHeight + 40, 'Drop by nodes in float', [
    line(left, y(0), width, y(0)),
    label('0', left - 4, y(0) + 4, 'end'),
    label((-worst).toFixed(2), left - 4, y(worst) + 4, 'end'),
    `<polyline class="curve" points="${path}"/>`,
    ...points.flatMap(({ keptFloat, drop }) => [
      bar('bar', x(keptFloat) - 3, y(drop) - 3, 6, 6, `${String(keptFloat)} in float: drop ${drop.toFixed(3)}`),
      label(String(keptFloat), x(keptFloat), plotHeight + 34, 'middle'),
    ]),
  ])
}

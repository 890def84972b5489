/** The report of a quantization as one HTML file that needs nothing else. */
import { backend } from '../../backend/public'
import type { QuantizationReport } from '../../onnx/quantize'
import { timeText } from '../timing'
import { sizeText } from '../usage'
import { noisePlot, rangePlot, searchPlot } from './plots'
import { escapeHtml } from './svg'
import { calibrationText, decibels, nameOf, percent, ratio, type Measured } from './summary'

const style = `
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#667079;--line:#d9dee3;--paper:#fff;--bar:#2f6fb4;--seen:#c9d6e4;--bad:#c2452d}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ec;--soft:#98a2ab;--line:#363d44;--paper:#14171a;--bar:#5b9be0;--seen:#3a4a5c;--bad:#e5735c}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2.2rem;border-bottom:1px solid var(--line)}
.figures{display:flex;flex-wrap:wrap;gap:1rem}.figures div{border:1px solid var(--line);border-radius:8px;padding:.7rem 1rem;min-width:9rem}
.figures b{display:block;font-size:1.4rem}.figures span,p.note{color:var(--soft)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}.wide{overflow-x:auto}
th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid var(--line)}th{color:var(--soft);font-weight:500}.n{text-align:right}
li.advice{margin:.4rem 0}svg{max-width:100%;height:auto}svg text{fill:var(--ink);font:11px system-ui,sans-serif}svg .soft{fill:var(--soft)}
.bar{fill:var(--bar)}.bad{fill:var(--bad)}.seen{fill:var(--seen)}.axis{stroke:var(--line)}.curve{fill:none;stroke:var(--bar);stroke-width:2}`

/** The report's text. */
export function htmlReport({ model, report, times }: Measured): string {
  const title = `${model} in int8`
  const figures = [
    [
      sizeText(report.quantizedBytes),
      `from ${sizeText(report.floatBytes)}: ${ratio(report.floatBytes / report.quantizedBytes, 'smaller')}`,
    ],
    ...(times === undefined
      ? []
      : [
          [
            timeText(times.int8.median),
            `from ${timeText(times.float.median)}: ${ratio(times.float.median / times.int8.median, 'as fast')}`,
          ],
        ]),
    ...report.outputs
      .slice(0, 1)
      .flatMap(({ sqnrDb, classAgreement }) => [
        [decibels(sqnrDb), 'signal to noise of the output'],
        ...(classAgreement === undefined ? [] : [[percent(classAgreement), 'of the classes as in float']]),
      ]),
    [`${String(report.quantizedNodes)} of ${String(report.nodes)}`, 'nodes in int8'],
  ]
  const parts = [
    `<h1>${escapeHtml(title)}</h1>`,
    `<p class="note">Int8: ${calibrationText(report)}; compared on ${String(report.validationSamples)} samples. ` +
      `Times: medians of runs in turns, ${escapeHtml(backend.isa)}, ${String(backend.numThreads)} threads.</p>`,
    `<div class="figures">${figures.map(([value, what]) => `<div><b>${escapeHtml(value ?? '')}</b><span>${escapeHtml(what ?? '')}</span></div>`).join('')}</div>`,
    section('What to look at', adviceList(report)),
    section('Outputs', outputTable(report)),
    section(
      'Noise by layer',
      noisePlot(report.layers),
      'Signal to noise ratio of each layer’s result, in the order of the graph. It holds the noise of all layers before: a fall shows the layer at fault. Below 15 dB in red.',
    ),
    section(
      'Ranges by layer',
      rangePlot(report.layers),
      'What calibration saw (light), and what the codes span (dark), on a scale that grows with the square root.',
    ),
    section(
      'Layers kept in float',
      searchPlot(report.search),
      'How far the metric falls, by the number of nodes left in float, the costliest first.',
    ),
    section('All layers', layerTable(report)),
  ]
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)}</title>
<style>${style}</style>
<body>${parts.filter((text) => text !== '').join('\n')}</body></html>
`
}

function section(title: string, content: string, note = ''): string {
  if (content === '') return ''
  return `<section><h2>${title}</h2>${note === '' ? '' : `<p class="note">${note}</p>`}${content}</section>`
}

function adviceList({ advice }: QuantizationReport): string {
  return advice.length === 0
    ? ''
    : `<ul>${advice.map((line) => `<li class="advice">${escapeHtml(line)}</li>`).join('')}</ul>`
}

/** A table; columns from `right` on hold numbers. */
function grid(head: readonly string[], rows: readonly (readonly string[])[], right: number): string {
  if (rows.length === 0) return ''
  const row = (tag: string, cells: readonly string[]): string =>
    `<tr>${cells.map((cell, i) => `<${tag}${i >= right ? ' class="n"' : ''}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`
  return `<div class="wide"><table>${row('th', head)}${rows.map((cells) => row('td', cells)).join('')}</table></div>`
}

function outputTable({ outputs }: QuantizationReport): string {
  return grid(
    ['output', 'SQNR', 'largest error', 'same class'],
    outputs.map(({ name, sqnrDb, largestError, classAgreement }) => [
      name,
      decibels(sqnrDb),
      largestError.toPrecision(3),
      classAgreement === undefined ? '' : percent(classAgreement),
    ]),
    1,
  )
}

function layerTable({ layers }: QuantizationReport): string {
  const number = (value: number | undefined): string => (value === undefined ? '' : value.toPrecision(4))
  return grid(
    ['layer', 'operator', 'SQNR', 'seen from', 'to', 'codes from', 'to'],
    layers.map((layer) => [
      nameOf(layer),
      layer.op,
      layer.sqnrDb === undefined ? '' : decibels(layer.sqnrDb),
      ...[layer.seen?.min, layer.seen?.max, layer.range?.min, layer.range?.max].map(number),
    ]),
    2,
  )
}

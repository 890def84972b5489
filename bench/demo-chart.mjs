// npm run bench -- demo-chart --json FILE --out FILE.svg
//
// Draws what `npm run demo -- --json FILE` wrote: time, size and accuracy of the float and the int8 networks.
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import * as vega from 'vega'
import * as vegaLite from 'vega-lite'

const colours = { float: '#c9a46a', int8: '#2f6f8f' }

const panels = [
  ['time per image, microseconds', ({ msFloat, msInt8 }) => [1000 * msFloat, 1000 * msInt8], '.0f'],
  ['weights, KB', ({ bytesFloat, bytesInt8 }) => [bytesFloat / 1024, bytesInt8 / 1024], '.0f'],
  ['accuracy, % of 1000 images', ({ accuracyFloat, accuracyInt8 }) => [100 * accuracyFloat, 100 * accuracyInt8], '.1f'],
]

function panel(models, [title, pair, format]) {
  const values = models.flatMap((model) =>
    pair(model).map((value, i) => ({ network: model.name, kind: Object.keys(colours)[i], value })),
  )
  const encoding = {
    y: { field: 'network', type: 'nominal', title: null },
    yOffset: { field: 'kind', sort: Object.keys(colours) },
    x: { field: 'value', type: 'quantitative', title, axis: { grid: false, tickCount: 4 } },
  }
  const color = {
    field: 'kind',
    scale: { domain: Object.keys(colours), range: Object.values(colours) },
    legend: { orient: 'top', title: null },
  }
  return {
    width: 190,
    height: { step: 18 },
    data: { values },
    layer: [
      { mark: 'bar', encoding: { ...encoding, color } },
      {
        mark: { type: 'text', align: 'left', dx: 3, fontSize: 10, color: '#444' },
        encoding: { ...encoding, text: { field: 'value', format } },
      },
    ],
  }
}

/** The `demo-chart` command. */
export async function demoChart(args) {
  const { values: options } = parseArgs({ args, options: { json: { type: 'string' }, out: { type: 'string' } } })
  if (options.json === undefined || options.out === undefined)
    throw new Error('demo-chart: needs --json FILE and --out FILE.svg')
  const { models } = JSON.parse(readFileSync(options.json, 'utf8'))
  const specification = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'white',
    padding: 12,
    hconcat: panels.map((each) => panel(models, each)),
    config: { font: 'sans-serif', view: { stroke: null } },
  }
  const view = new vega.View(vega.parse(vegaLite.compile(specification).spec), { renderer: 'none' })
  writeFileSync(options.out, await view.toSVG())
}

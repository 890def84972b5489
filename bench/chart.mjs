// npm run bench -- chart --json FILE --out FILE.svg
//
// Draws what `layers --json` wrote: milliseconds per layer, int8 beside onnxruntime-node, and int8's share of the roof.
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import * as vega from 'vega'
import * as vegaLite from 'vega-lite'

const colours = { int8: '#2f6f8f', 'onnxruntime-node': '#c9a46a' }

/** The chart as a Vega-Lite specification. */
function specification(rows) {
  const values = rows.flatMap(({ name, gops, ms, ortMs, roofShare }) => {
    const layer = name.replace(/ g1$/, '').replace('conv ', '')
    return [
      { layer, library: 'int8', gops, label: `${(ortMs / ms).toFixed(1)}x, ${(100 * roofShare).toFixed(0)} % of roof` },
      { layer, library: 'onnxruntime-node', gops: (gops * ms) / ortMs, label: '' },
    ]
  })
  const order = values.filter(({ library }) => library === 'int8').map(({ layer }) => layer)
  const y = { field: 'layer', type: 'nominal', sort: order, title: null, axis: { labelLimit: 220 } }
  const yOffset = { field: 'library', sort: Object.keys(colours) }
  const x = { field: 'gops', type: 'quantitative', title: 'billions of 8-bit operations per second, one thread' }
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'white',
    width: 560,
    height: { step: 9 },
    data: { values },
    layer: [
      {
        mark: 'bar',
        encoding: {
          y,
          yOffset,
          x,
          color: {
            field: 'library',
            scale: { domain: Object.keys(colours), range: Object.values(colours) },
            legend: { orient: 'top', title: null },
          },
        },
      },
      {
        mark: { type: 'text', align: 'left', dx: 3, fontSize: 8, color: '#444' },
        encoding: { y, yOffset, x, text: { field: 'label' } },
      },
    ],
    config: { font: 'sans-serif', view: { stroke: null }, axis: { labelFontSize: 9, titleFontSize: 10 } },
  }
}

/** The `chart` command. */
export async function chart(args) {
  const { values: options } = parseArgs({ args, options: { json: { type: 'string' }, out: { type: 'string' } } })
  if (options.json === undefined || options.out === undefined)
    throw new Error('chart: needs --json FILE and --out FILE.svg')
  const rows = JSON.parse(readFileSync(options.json, 'utf8'))
  const view = new vega.View(vega.parse(vegaLite.compile(specification(rows)).spec), { renderer: 'none' })
  writeFileSync(options.out, await view.toSVG())
}

// npm run bench -- chart --json FILE --out FILE.svg
//
// Draws what `layers --json` wrote: operations per second per layer, int8 on each instruction set beside its peers.
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import * as vega from 'vega'
import * as vegaLite from 'vega-lite'

const ours = ['#1f5673', '#5b9bbf', '#a9cfe3']
const peers = { 'onnxruntime-node': '#c9a46a', 'PyTorch onednn': '#b5657a' }

/** The bars of one layer: `[library, milliseconds]`. */
function contestants({ results, ortMs, torchMs }) {
  return [
    ...results.map(({ isa, ms }) => [`int8, ${isa}`, ms]),
    ['onnxruntime-node', ortMs],
    ...(torchMs === undefined ? [] : [['PyTorch onednn', torchMs]]),
  ]
}

/** The chart as a Vega-Lite specification. */
function specification(rows) {
  const values = rows.flatMap((row) => {
    const layer = row.name.replace(/ g1$/, '').replace('conv ', '')
    const all = contestants(row)
    const fastestPeer = Math.min(row.ortMs, row.torchMs ?? Infinity)
    return all.map(([library, ms], i) => ({
      layer,
      library,
      gops: (2 * row.macs) / ms / 1e6,
      label: i === 0 ? `${(fastestPeer / ms).toFixed(1)}x the faster peer` : '',
    }))
  })
  const libraries = contestants(rows[0]).map(([library]) => library)
  const colours = libraries.map((library, i) => peers[library] ?? ours[i % ours.length])
  const y = { field: 'layer', type: 'nominal', sort: null, title: null, axis: { labelLimit: 220 } }
  const yOffset = { field: 'library', sort: libraries }
  const x = { field: 'gops', type: 'quantitative', title: 'billions of 8-bit operations per second, one thread' }
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'white',
    width: 620,
    height: { step: 7 },
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
            sort: libraries,
            scale: { domain: libraries, range: colours },
            legend: { orient: 'top', title: null },
          },
        },
      },
      {
        mark: { type: 'text', align: 'left', dx: 3, fontSize: 7, color: '#444' },
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

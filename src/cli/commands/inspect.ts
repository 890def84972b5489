/** `int8 inspect`: what a model file holds, and what is done with it. */
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import type { Dim, Graph, GraphNode } from '../../graph/graph'
import { readConstants } from '../../graph/passes/constants'
import { currentBackend } from '../../backend/current'
import { missingOperators } from '../../onnx/ops'
import { parseModel } from '../../onnx/read'
import { InferenceSession } from '../../runtime/session'
import type { Command } from '../command'
import { onlyFile, print, sizeText, table } from '../usage'

const help = `Shows a model: inputs and outputs, operators, weights, quantized ranges.

Usage: int8 inspect MODEL [options]

  --nodes             every node with its values
  --ranges            the range, scale and zero point of every quantized value
  --plan              the steps of a run, with 1 for every free size, and why a step is not int8`

export const inspect: Command = {
  summary: 'show a model: graph, types, ranges, plan',
  help,
  run: async (args) => {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { nodes: { type: 'boolean' }, ranges: { type: 'boolean' }, plan: { type: 'boolean' } },
    })
    const path = onlyFile(positionals, 'int8 inspect MODEL')
    const bytes = await readFile(path)
    const { graph, irVersion, opsets, producer, metadata } = parseModel(bytes, dirname(path))
    readConstants(currentBackend(), graph)
    const sets = [...opsets].map(([domain, version]) => `${domain === '' ? 'ai.onnx' : domain} ${String(version)}`)
    print(
      table([
        ['file', `${path}, ${sizeText(bytes.length)}, IR version ${String(irVersion)}, ${sets.join(', ')}`],
        ...(producer === '' ? [] : [['producer', producer]]),
        ...[...metadata].map(([key, value]) => [key, value]),
        ...graph.inputs.map(({ name, type, dims }) => ['input', `${name}: ${type} ${dimsText(dims)}`]),
        ...graph.outputs.map(({ name, type, dims }) => ['output', `${name}: ${type} ${dimsText(dims)}`]),
        ...weightRows(graph),
      ]),
    )
    print(`\n${String([...allNodes(graph)].length)} nodes`)
    print(table(operatorRows(graph), [0]))
    if (values.nodes === true) print(`\n${table(graph.nodes.map((node) => nodeRow(graph, node)))}`)
    if (values.ranges === true) {
      const rows = graph.nodes.flatMap((node) => rangeRow(graph, node))
      print(rows.length === 0 ? '\nno value is quantized with a constant scale' : '')
      if (rows.length > 0) print(table([['value', 'type', 'from', 'to', 'scale', 'zero point'], ...rows], [2, 3, 4, 5]))
    }
    if (values.plan === true) {
      const session = await InferenceSession.create(path)
      print(`\n${session.explainPlan()}`)
      session.dispose()
    }
    return 0
  },
}

function dimsText(dims: readonly Dim[] | undefined): string {
  return dims === undefined ? '(any shape)' : `[${dims.map((dim) => dim ?? '?').join(', ')}]`
}

function weightRows(graph: Graph): string[][] {
  const bytes = new Map<string, number>()
  for (const { type, data } of graph.constants.values())
    if (type !== 'string') bytes.set(type, (bytes.get(type) ?? 0) + data.byteLength)
  const sorted = [...bytes].sort((a, b) => b[1] - a[1])
  return sorted.length === 0 ? [] : [['weights', sorted.map(([type, size]) => `${type} ${sizeText(size)}`).join(', ')]]
}

function operatorRows(graph: Graph): string[][] {
  const missing = missingOperators(graph)
  const counts = new Map<string, number>()
  for (const { title } of allNodes(graph)) counts.set(title, (counts.get(title) ?? 0) + 1)
  return [...counts]
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    .map(([title, count]) => [String(count), title, missing.has(title) ? 'not supported' : ''])
}

/** Nodes of a graph and of those within. */
function* allNodes({ nodes }: Graph): Generator<GraphNode> {
  for (const node of nodes) {
    yield node
    for (const body of node.attributes.graphs()) yield* allNodes(body)
  }
}

function nodeRow(graph: Graph, { title, name, inputs, outputs }: GraphNode): string[] {
  const described = (value: string): string => {
    const known = graph.constants.get(value)
    if (known !== undefined) return `${value}: ${known.type} ${dimsText(known.dims)}`
    const info = graph.infos.get(value)
    return info === undefined ? value : `${value}: ${info.type} ${dimsText(info.dims)}`
  }
  return [title, name, `(${inputs.map(described).join(', ')}) -> ${outputs.map(described).join(', ')}`]
}

/** The range of what a node quantizes, where its parameters are constant. */
function rangeRow(graph: Graph, { op, inputs, outputs }: GraphNode): string[][] {
  if (op !== 'QuantizeLinear') return []
  const [value = '', scaleName = '', zeroName = ''] = inputs
  const [scales, zeros] = [graph.constants.get(scaleName), graph.constants.get(zeroName)]
  if (scales?.type !== 'float32') return []
  const type = zeros?.type ?? graph.infos.get(outputs[0] ?? '')?.type ?? 'uint8'
  const limits = { uint8: [0, 255], int8: [-128, 127], uint16: [0, 65535], int16: [-32768, 32767] }[type as string]
  const [low, high] = limits ?? [NaN, NaN]
  if (scales.data.length !== 1) return [[value, type, '', '', `${String(scales.data.length)} scales`, '']]
  const scale = scales.data[0] ?? 0
  const zero = Number(zeros?.data[0] ?? 0)
  const text = (number: number): string => String(Number(number.toPrecision(5)))
  return [
    [value, type, text(scale * ((low ?? 0) - zero)), text(scale * ((high ?? 0) - zero)), text(scale), String(zero)],
  ]
}

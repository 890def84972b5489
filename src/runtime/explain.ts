/** A plan in words. */
import type { Graph } from '../graph/graph'
import { shapeText } from '../tensor/shape'
import type { Plan } from './plan'
import type { Rest } from './trace'
import { arraysOf } from './uses'

/** Describes what a run does: a line per step. `plan` is a reason where there is none. */
export function explain(graph: Graph, plan: Plan | string): string {
  const head = `graph ${graph.name === '' ? '(no name)' : graph.name}: ${String(graph.nodes.length)} nodes`
  if (typeof plan === 'string') return `${head}, run node by node because ${plan}`
  const { steps, inputs, outputs, rest } = plan.trace
  const rows = steps.map(({ step, node }, i) => [
    String(i),
    step.kernel === 'host' ? `host: ${step.label}` : step.kernel,
    node === undefined ? '(output)' : `${node.title}${node.name === '' ? '' : ` "${node.name}"`}`,
    arraysOf(step)
      .writes.map((array) => `${array.constructor.name.replace('Array', '').toLowerCase()}[${String(array.length)}]`)
      .join(' '),
  ])
  const widths = [0, 1, 2, 3].map((column) => Math.max(0, ...rows.map((row) => row[column]?.length ?? 0)))
  return [
    `${head}, ${String(steps.length)} steps, ${String(plan.hostSteps)} of them in JavaScript, ${String(plan.arenaBytes)} bytes for values`,
    ...[...inputs].map(([name, value]) => `input ${name}: ${value.type} ${shapeText(value.dims)}`),
    ...rows.map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    ),
    ...[...outputs].map(([name, value]) => `output ${name}: ${value.type} ${shapeText(value.dims)}`),
    ...(rest === undefined ? [] : restLines(rest)),
  ].join('\n')
}

function restLines({ graph, reason }: Rest): string[] {
  return [
    `then ${String(graph.nodes.length)} nodes, run node by node because ${reason}`,
    ...graph.nodes.map(({ title, name }) => `   ${title}${name === '' ? '' : ` "${name}"`}`),
    ...graph.outputs.map(({ name }) => `output ${name}: of sizes that depend on the data`),
  ]
}

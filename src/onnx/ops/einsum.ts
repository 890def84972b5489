/** Einsum: sums of products along named axes. */
import type { GraphNode } from '../../graph/graph'
import { contiguous } from '../../runtime/format'
import { host, type Lowering } from '../../runtime/steps'
import type { Value } from '../../runtime/value'
import { checkShape, shapeText, sizeOf, stridesOf } from '../../tensor/shape'
import { allocateElements } from '../types'
import { codecOf, isFloat } from './arithmetic'
import type { Element } from './elementwise'
import { made, numeric } from './movement'
import { need, unsupported, wrong, type Inputs, type Operators } from './operator'

/** Axes of the operands and of the result by letter; an ellipsis becomes letters of its own (`#0`, …). */
function readEquation(
  node: GraphNode,
  ranks: readonly number[],
): { readonly operands: string[][]; readonly result: string[] } {
  const text = node.attributes.string('equation', '').replaceAll(' ', '')
  const [left = '', right] = text.split('->')
  const terms = left.split(',')
  if (terms.length !== ranks.length) throw wrong(node, `equation "${text}" is not for ${String(ranks.length)} operands`)
  const operands = terms.map((term, i) => {
    const [before = '', after] = term.split('...')
    const named = before.length + (after ?? '').length
    const free = (ranks[i] ?? 0) - named
    if (free < 0 || (after === undefined && free !== 0))
      throw wrong(node, `term "${term}" is not of ${String(ranks[i])} axes`)
    return after === undefined ? letters(before) : [...letters(before), ...ellipsis(free), ...letters(after)]
  })
  const most = Math.max(0, ...operands.map((axes) => axes.filter((axis) => axis.startsWith('#')).length))
  if (right !== undefined) {
    const [before = '', after] = right.split('...')
    return {
      operands,
      result: after === undefined ? letters(before) : [...letters(before), ...ellipsis(most), ...letters(after)],
    }
  }
  // Without an arrow the letters that are there once, in alphabetical order.
  const all = operands.flat().filter((axis) => !axis.startsWith('#'))
  const once = [...new Set(all)].filter((axis) => all.indexOf(axis) === all.lastIndexOf(axis)).sort()
  return { operands, result: [...ellipsis(most), ...once] }
}

function letters(text: string): string[] {
  return text.split('')
}

/** Names of an ellipsis's axes, counted from the last one. */
function ellipsis(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `#${String(count - 1 - i)}`)
}

function* einsum(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const values: Exclude<Value, { readonly type: 'string' }>[] = []
  for (const i of inputs.keys()) values.push(numeric(node, yield* contiguous(need(node, inputs, i))))
  const { operands, result } = readEquation(
    node,
    values.map(({ dims }) => dims.length),
  )
  const sizes = new Map<string, number>()
  operands.forEach((axes, i) => {
    axes.forEach((axis, a) => {
      const size = values[i]?.dims[a] ?? 1
      const known = sizes.get(axis) ?? 1
      if (known !== 1 && size !== 1 && known !== size)
        throw wrong(node, `axis ${axis} of ${shapeText(values[i]?.dims ?? [])}`)
      sizes.set(axis, Math.max(known, size))
    })
  })
  const summed = [...sizes.keys()].filter((axis) => !result.includes(axis))
  const order = [...result, ...summed]
  if (result.some((axis) => !sizes.has(axis))) throw wrong(node, 'the result has an axis that no operand has')
  const extents = order.map((axis) => sizes.get(axis) ?? 1)
  const dims = extents.slice(0, result.length)
  checkShape(node.op, dims, 'the output shape')
  const strides = operands.map((axes, i) => {
    const own = stridesOf(values[i]?.dims ?? [], 'contiguous')
    return order.map((axis) =>
      axes.reduce((sum, name, a) => sum + (name === axis && (values[i]?.dims[a] ?? 1) > 1 ? (own[a] ?? 0) : 0), 0),
    )
  })
  const [{ type } = { type: undefined }] = values
  if (type === undefined) throw wrong(node, 'there are no operands')
  if (!isFloat(type) && type !== 'int32') throw unsupported(node, `operands of ${type}`)
  const { read, write } = codecOf(type)
  const y = allocateElements(type, sizeOf(dims))
  const terms = sizeOf(extents.slice(result.length))
  yield host(
    'einsum',
    values.map(({ data }) => data),
    [y],
    (reads, [target]) => {
      const from = reads as unknown as readonly Record<number, Element>[]
      const to = target as unknown as Record<number, Element>
      const index = new Array<number>(order.length).fill(0)
      for (let at = 0; at < y.length; at++) {
        let sum = 0
        for (let t = 0; t < terms; t++) {
          let product = 1
          from.forEach((array, i) => {
            const offset = index.reduce((total, k, a) => total + k * (strides[i]?.[a] ?? 0), 0)
            product *= Number(read(array[offset] ?? 0))
          })
          sum += product
          advance(index, extents)
        }
        to[at] = write(sum)
      }
    },
  )
  return [made(type, dims, y)]
}

/** The next index in row-major order. */
function advance(index: number[], extents: readonly number[]): void {
  for (let axis = index.length - 1; axis >= 0; axis--) {
    const next = (index[axis] ?? 0) + 1
    if (next < (extents[axis] ?? 1)) {
      index[axis] = next
      return
    }
    index[axis] = 0
  }
}

export const einsums: Operators = { Einsum: einsum }

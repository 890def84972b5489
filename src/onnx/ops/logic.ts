/** Comparisons and logic. */
import { step } from '../../backend/steps'
import type { GraphNode } from '../../graph/graph'
import { broadcastShape, broadcastStrides } from '../../ops/shapes/broadcast'
import { contiguous } from '../../runtime/format'
import type { Lowering } from '../../runtime/steps'
import { allocateFor, computed, type TypedValue, type Value } from '../../runtime/value'
import { codecOf } from './arithmetic'
import { onHost, secondOperand, type Element } from './elementwise'
import { numeric } from './movement'
import { need, wrong, type Inputs, type Lower, type Operators } from './operator'

function compare(label: string, test: (a: Element, b: Element) => boolean): Lower {
  return function* (node, inputs) {
    const a = numeric(node, need(node, inputs, 0))
    const b = numeric(node, yield* secondOperand(node, inputs))
    if (a.type !== b.type) throw wrong(node, `operands of ${a.type} and ${b.type}`)
    const { read } = codecOf(a.type)
    return [yield* onHost(node, label, 'bool', [a, b], (x, y) => Number(test(read(x), read(y))))]
  }
}

function logical(label: string, test: (a: boolean, b: boolean) => boolean): Lower {
  return function* (node, inputs) {
    const operands = [need(node, inputs, 0), yield* secondOperand(node, inputs)]
    if (operands.some(({ type }) => type !== 'bool')) throw wrong(node, 'operands that are not bool')
    return [yield* onHost(node, label, 'bool', operands, (x, y) => Number(test(x !== 0, y !== 0)))]
  }
}

function* not(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = need(node, inputs, 0)
  if (x.type !== 'bool') throw wrong(node, `an input of ${x.type}`)
  return [yield* onHost(node, 'not', 'bool', [x], (e) => Number(e === 0))]
}

function* where(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const condition = need(node, inputs, 0)
  const a = numeric(node, need(node, inputs, 1))
  const b = numeric(node, need(node, inputs, 2))
  if (condition.type !== 'bool' || a.type !== b.type)
    throw wrong(node, `operands of ${condition.type}, ${a.type}, ${b.type}`)
  if (a.type === 'float32' && b.type === 'float32') return [yield* floatWhere(node, condition, a, b)]
  return [yield* onHost(node, 'where', a.type, [condition, a, b], (c = 0, x = 0, y = 0) => (c !== 0 ? x : y))]
}

function* floatWhere(
  node: GraphNode,
  condition: TypedValue<'bool'>,
  a: TypedValue<'float32'>,
  b: TypedValue<'float32'>,
): Lowering<Value> {
  const shape = [condition, a, b].map(({ dims }) => dims).reduce((left, right) => broadcastShape(node.op, left, right))
  const y = allocateFor('float32', shape)
  // A scalar has one axis for the kernel.
  const axes = shape.length === 0 ? [1] : shape
  const choice = yield* contiguous(condition)
  const first = yield* contiguous(a)
  const second = yield* contiguous(b)
  if (y.length > 0)
    yield step('fwhere', {
      condition: choice.data,
      a: first.data,
      b: second.data,
      y,
      broadcast: {
        shape: axes,
        conditionStrides: broadcastStrides(choice.dims, axes),
        aStrides: broadcastStrides(first.dims, axes),
        bStrides: broadcastStrides(second.dims, axes),
      },
    })
  return computed('float32', shape, y)
}

/** A test of single floats. */
function test(label: string, make: (node: GraphNode) => (x: number) => boolean): Lower {
  return function* (node, inputs) {
    const x = numeric(node, need(node, inputs, 0))
    const { read } = codecOf(x.type)
    const check = make(node)
    return [yield* onHost(node, label, 'bool', [x], (e) => Number(check(Number(read(e)))))]
  }
}

export const logic: Operators = {
  Equal: compare('equal', (a, b) => a === b),
  Greater: compare('greater', (a, b) => a > b),
  GreaterOrEqual: compare('greaterOrEqual', (a, b) => a >= b),
  Less: compare('less', (a, b) => a < b),
  LessOrEqual: compare('lessOrEqual', (a, b) => a <= b),
  And: logical('and', (a, b) => a && b),
  Or: logical('or', (a, b) => a || b),
  Xor: logical('xor', (a, b) => a !== b),
  Not: not,
  Where: where,
  IsNaN: test('isNaN', () => Number.isNaN),
  IsInf: test('isInf', (node) => {
    const negative = node.attributes.int('detect_negative', 1) !== 0
    const positive = node.attributes.int('detect_positive', 1) !== 0
    return (x) => (x === Infinity && positive) || (x === -Infinity && negative)
  }),
}

/** What an operator is: a checked generator of steps, by its name and domain. */
import { ModelError, UnsupportedOperatorError } from '../../errors'
import type { GraphNode } from '../../graph/graph'
import { describeNode } from '../../graph/graph'
import { contiguous } from '../../runtime/format'
import type { Lowering } from '../../runtime/steps'
import { ofType, type TypedValue, type Value } from '../../runtime/value'
import type { ElementType } from '../types'

/** A node's inputs; undefined where an optional one is absent. */
export type Inputs = readonly (Value | undefined)[]

/**
 * Computes a node's outputs from its inputs: checks types and shapes, allocates, yields the steps. Outputs that nobody
 * asked for may be left out at the end.
 */
export type Lower = (node: GraphNode, inputs: Inputs) => Lowering<readonly Value[]>

/** Operators of one domain by name. */
export type Operators = Readonly<Record<string, Lower>>

/** An input that must be there. */
export function need(node: GraphNode, inputs: Inputs, i: number): Value {
  const value = inputs[i]
  if (value !== undefined) return value
  throw new ModelError({ op: node.op, message: `node ${describeNode(node)} lacks input ${String(i)}` })
}

/** An input whose elements decide on shapes, so that they must be known before the node is planned. */
export function needKnown(node: GraphNode, inputs: Inputs, i: number): Value {
  const value = need(node, inputs, i)
  if (!value.known)
    throw new NotPlannable(
      `input ${String(i)} of node ${describeNode(node)} decides on a shape and is computed at run time`,
    )
  return value
}

/** As {@link needKnown}, where the input may be absent. */
export function optionalKnown(node: GraphNode, inputs: Inputs, i: number): Value | undefined {
  return inputs[i] === undefined ? undefined : needKnown(node, inputs, i)
}

/**
 * Thrown while tracing what no plan can hold: the node is then run after the plan.
 * @internal
 */
export class NotPlannable extends Error {}

/** A value in row-major order that has to be of one type; `what` names it where it is not. */
export function* contiguousOf<T extends ElementType>(
  node: GraphNode,
  value: Value,
  what: string,
  type: T,
): Lowering<TypedValue<T>> {
  return (yield* contiguous(ofType(node, value, what, type) as Value)) as TypedValue<T>
}

/** Elements of a known value of integers, as numbers. */
export function integers(value: Value): number[] {
  return Array.from(value.data as ArrayLike<unknown>, Number)
}

/** The error for a form of an operator that this library does not have. */
export function unsupported(node: GraphNode, what: string): UnsupportedOperatorError {
  return new UnsupportedOperatorError({
    op: node.op,
    message: `${what} is not supported`,
    hint: `Node ${describeNode(node)}.`,
  })
}

/** The error for a node that contradicts the standard. */
export function wrong(node: GraphNode, message: string): ModelError {
  return new ModelError({ op: node.op, message, hint: `Node ${describeNode(node)}.` })
}

/**
 * Operators with graphs in their attributes: If, Loop, Scan. Each follows its bodies with the values that they read; a
 * plan has the steps of the branch that is taken, and those of every turn of a loop. That needs conditions and counts to
 * be known when the plan is made: where they depend on data, the operator is run after the plan, node by node.
 */
import { BackendError } from '../../errors'
import { Attributes, type Attribute } from '../../graph/attributes'
import { describeNode, GraphNode, type Graph } from '../../graph/graph'
import { usableMemory } from '../../runtime/memory'
import { known, type Value } from '../../runtime/value'
import type { Walk } from '../../runtime/walk'
import { resolveAxis, shapeText, sizeOf } from '../../tensor/shape'
import { allocateElements } from '../types'
import { integers, need, NotPlannable, unsupported, wrong, type Inputs } from './operator'

/** Follows a body with the values that it is given. Returns its results in order. */
type Follow = (body: Graph, given: ReadonlyMap<string, Value>) => Walk<readonly Value[]>

/** Computes a node's outputs by following its bodies. */
export type Control = (node: GraphNode, inputs: Inputs, follow: Follow) => Walk<readonly Value[]>

/** A control with the operator's own inputs alone: what bodies read from around them is added to what they are given. */
function within(control: Control): Control {
  return (node, inputs, follow) => {
    const around = node.captures.map((name, i) => [name, need(node, inputs, node.ownInputs + i)] as const)
    return control(node, inputs.slice(0, node.ownInputs), (body, given) => follow(body, new Map([...around, ...given])))
  }
}

function* branch(node: GraphNode, inputs: Inputs, follow: Follow): Walk<readonly Value[]> {
  const taken = conditionOf(node, need(node, inputs, 0)) ? 'then_branch' : 'else_branch'
  return yield* follow(bodyOf(node, taken), new Map())
}

function* loop(node: GraphNode, inputs: Inputs, follow: Follow): Walk<readonly Value[]> {
  const body = bodyOf(node, 'body')
  const count = countOf(node, inputs)
  const whether = inputs[1] === undefined ? undefined : conditionOf(node, inputs[1])
  if (count === undefined && whether === undefined) throw wrong(node, 'it has neither a count nor a condition')
  const states = stateOf(node, inputs, 2, inputs.length)
  if (body.inputs.length !== 2 + states.length)
    throw wrong(node, `its body takes ${String(body.inputs.length)} values and is given ${String(2 + states.length)}`)
  const scans = new Scans(node, body, 1 + states.length)
  let current = states
  let goesOn = whether ?? true
  for (let turn = 0; goesOn && turn < (count ?? Infinity); turn++) {
    yield
    const given = [
      known('int64', sizesLike(body, 0), BigInt64Array.of(BigInt(turn))),
      known('bool', sizesLike(body, 1), Uint8Array.of(1)),
      ...current,
    ]
    const results = yield* follow(body, byName(body, given))
    current = results.slice(1, 1 + states.length)
    scans.add(results)
    if (whether !== undefined && turn + 1 !== count) goesOn = conditionOf(node, need(node, results, 0))
  }
  return [...current, ...(yield* scans.finish(() => ({ axis: 0, reversed: false })))]
}

function* scan(node: GraphNode, inputs: Inputs, follow: Follow): Walk<readonly Value[]> {
  if (node.opset < 9) throw unsupported(node, 'Scan of operator set 8, with its axis for batches,')
  const body = bodyOf(node, 'body')
  const scanned = node.attributes.int('num_scan_inputs', 0)
  const kept = inputs.length - scanned
  if (scanned < 1 || kept < 0 || body.inputs.length !== inputs.length)
    throw wrong(node, `${String(scanned)} of ${String(inputs.length)} inputs are scanned`)
  const list = (name: string): ((i: number) => number) => {
    const given = node.attributes.ints(name) ?? []
    return (i) => given[i] ?? 0
  }
  const [axes, backward] = [list('scan_input_axes'), list('scan_input_directions')]
  const sequences = stateOf(node, inputs, kept, inputs.length).map((value, i) => ({
    value,
    axis: resolveAxis(node.op, axes(i), value.dims.length),
    reversed: backward(i) !== 0,
  }))
  const lengths = sequences.map(({ value, axis }) => value.dims[axis] ?? 0)
  const [length = 0] = lengths
  if (lengths.some((each) => each !== length))
    throw wrong(node, `its scanned inputs are of different lengths: ${lengths.join(', ')}`)
  let current = stateOf(node, inputs, 0, kept)
  const scans = new Scans(node, body, kept)
  for (let turn = 0; turn < length; turn++) {
    yield
    const slices: Value[] = []
    for (const { value, axis, reversed } of sequences) {
      const index = known('int64', [], BigInt64Array.of(BigInt(reversed ? length - 1 - turn : turn)))
      slices.push(...(yield* compute(node, 'Gather', [value, index], { axis: { kind: 'int', value: axis } })))
    }
    const results = yield* follow(body, byName(body, [...current, ...slices]))
    current = results.slice(0, kept)
    scans.add(results)
  }
  const [outAxes, outBackward] = [list('scan_output_axes'), list('scan_output_directions')]
  const how = (i: number) => ({ axis: outAxes(i), reversed: outBackward(i) !== 0 })
  return [...current, ...(yield* scans.finish(how))]
}

/** Operators of ONNX's own domain that follow graphs. */
export const controls: Readonly<Record<string, Control>> = {
  If: within(branch),
  Loop: within(loop),
  Scan: within(scan),
}

/** What a body gives in each turn, to be joined along a new axis. */
class Scans {
  private readonly node: GraphNode
  private readonly body: Graph
  private readonly first: number
  private readonly turns: (readonly Value[])[] = []
  private bytes = 0

  /** @param first - Index of the first such result among the body's. */
  constructor(node: GraphNode, body: Graph, first: number) {
    if (body.outputs.length < first) throw wrong(node, `its body gives only ${String(body.outputs.length)} values`)
    this.node = node
    this.body = body
    this.first = first
  }

  add(results: readonly Value[]): void {
    const turn = results.slice(this.first)
    for (const { type, data } of turn) this.bytes += type === 'string' ? data.length : data.byteLength
    if (this.bytes > usableMemory())
      throw new BackendError({
        op: this.node.op,
        message: `what its ${String(this.turns.length)} turns gave fills memory`,
      })
    this.turns.push(turn)
  }

  /** Joins them. `how` says along which axis, and whether the last turn comes first. */
  *finish(how: (i: number) => { axis: number; reversed: boolean }): Walk<readonly Value[]> {
    const joined: Value[] = []
    for (let i = 0; i < this.body.outputs.length - this.first; i++) {
      const { axis, reversed } = how(i)
      const values = this.turns.flatMap((turn) => turn[i] ?? [])
      joined.push(yield* this.join(i, reversed ? values.reverse() : values, axis))
    }
    return joined
  }

  private *join(i: number, values: readonly Value[], given: number): Walk<Value> {
    const { node } = this
    const [first] = values
    if (first === undefined) return this.empty(i, given)
    const axis = resolveAxis(node.op, given, first.dims.length + 1)
    if (values.some(({ dims }) => dims.join() !== first.dims.join()))
      throw wrong(node, `the sizes of what its turns give differ, from ${shapeText(first.dims)} on`)
    const raised: Value[] = []
    for (const value of values)
      raised.push(...(yield* compute(node, 'Unsqueeze', [value], { axes: { kind: 'ints', value: [axis] } })))
    const [result] = yield* compute(node, 'Concat', raised, { axis: { kind: 'int', value: axis } })
    return need(node, [result], 0)
  }

  /** What no turn gave anything for: its other sizes are what the body says, 0 where it does not. */
  private empty(i: number, given: number): Value {
    const { type = 'float32', dims = [] } = this.body.outputs[this.first + i] ?? {}
    const sizes: number[] = dims.map((dim) => (typeof dim === 'number' ? dim : 0))
    sizes.splice(resolveAxis(this.node.op, given, sizes.length + 1), 0, 0)
    return known(type, sizes, allocateElements(type, 0)) as Value
  }
}

/** Has one of ONNX's operators computed, in the form of operator set 11. */
function* compute(
  { name }: GraphNode,
  op: string,
  inputs: Inputs,
  attributes: Readonly<Record<string, Attribute>>,
): Walk<readonly Value[]> {
  const node = new GraphNode({
    ...{ op, domain: '', opset: 11, name },
    inputs: inputs.map((_, i) => String(i)),
    outputs: [''],
    attributes: Attributes.of(attributes),
  })
  return yield { node, operands: inputs }
}

function bodyOf(node: GraphNode, attribute: string): Graph {
  const body = node.attributes.graph(attribute)
  if (body === undefined) throw wrong(node, `it has no ${attribute}`)
  return body
}

function byName({ inputs }: Graph, values: readonly Value[]): Map<string, Value> {
  return new Map(
    inputs.flatMap(({ name }, i): [string, Value][] => {
      const value = values[i]
      return value === undefined ? [] : [[name, value]]
    }),
  )
}

function stateOf(node: GraphNode, inputs: Inputs, from: number, to: number): Value[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => need(node, inputs, from + i))
}

function conditionOf(node: GraphNode, value: Value): boolean {
  if (value.type !== 'bool' || sizeOf(value.dims) !== 1)
    throw wrong(node, `its condition is of ${value.type} and ${shapeText(value.dims)}, not one bool`)
  checkKnown(node, value, 'condition')
  return value.data[0] !== 0
}

/** How many turns a loop takes at most; undefined: as long as its condition holds. */
function countOf(node: GraphNode, inputs: Inputs): number | undefined {
  const [value] = inputs
  if (value === undefined) return undefined
  if (value.type !== 'int64' || sizeOf(value.dims) !== 1)
    throw wrong(node, `its count is of ${value.type} and ${shapeText(value.dims)}, not one int64`)
  checkKnown(node, value, 'count')
  return integers(value)[0]
}

function checkKnown(node: GraphNode, value: Value, what: string): void {
  if (!value.known) throw new NotPlannable(`the ${what} of node ${describeNode(node)} is computed at run time`)
}

/** Sizes of a number that a body takes: one element, along as many axes as it says. */
function sizesLike({ inputs }: Graph, i: number): readonly number[] {
  return inputs[i]?.dims?.map(() => 1) ?? []
}

/**
 * Recurrent layers: LSTM, GRU and RNN. Each gate is a linear layer of the inputs of all steps at once, and one of the state
 * at every step. A state lies where the output `Y` has it.
 */
import type { Broadcast } from '../../backend/contract'
import { currentBackend } from '../../backend/current'
import { step } from '../../backend/steps'
import type { GraphNode } from '../../graph/graph'
import { PackedFloatWeights } from '../../ops/float/packed'
import { planBroadcast } from '../../ops/shapes/broadcast'
import { contiguous } from '../../runtime/format'
import type { Lowering } from '../../runtime/steps'
import { allocateFor, computed, ofType, type TypedValue, type Value } from '../../runtime/value'
import { checkShape, shapeText, type Shape } from '../../tensor/shape'
import { integers, need, needKnown, optionalKnown, unsupported, wrong, type Inputs, type Operators } from './operator'

const { fround } = Math

type Floats = TypedValue<'float32'>
type Activation = 'sigmoid' | 'tanh' | 'relu'
const activationNames: Readonly<Record<string, Activation>> = { sigmoid: 'sigmoid', tanh: 'tanh', relu: 'relu' }

/** What the kinds of layers differ in. */
interface Kind {
  readonly gates: number
  readonly activations: readonly Activation[]
  /** Index of the input with the initial cell. */
  readonly cell: number | undefined
  /** Attributes that change what is computed and are not supported. */
  readonly refused: readonly string[]
}

const kinds: Readonly<Record<'LSTM' | 'GRU' | 'RNN', Kind>> = {
  LSTM: { gates: 4, activations: ['sigmoid', 'tanh', 'tanh'], cell: 6, refused: ['input_forget'] },
  GRU: { gates: 3, activations: ['sigmoid', 'tanh'], cell: undefined, refused: [] },
  RNN: { gates: 1, activations: ['tanh'], cell: undefined, refused: [] },
}

/** One direction of a layer. */
interface Direction {
  /** By gate: of the inputs, and of the state. */
  readonly input: readonly PackedFloatWeights[]
  readonly state: readonly PackedFloatWeights[]
  readonly activations: readonly Activation[]
  readonly reverse: boolean
}

interface Sizes {
  readonly steps: number
  readonly batch: number
  readonly inputs: number
  readonly hidden: number
}

/** A layer of one kind. `advance` computes a state from the one before. */
function layer(
  kind: Kind,
  advance: (cell: Cell, direction: Direction, x: Gates, before: State, after: State) => Lowering<void>,
) {
  return function* (node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
    refuse(node, inputs, kind)
    const x = (yield* contiguous(ofType(node, need(node, inputs, 0), 'X', 'float32') as Value)) as Floats
    const [steps = 0, batch = 0, width = 0] = x.dims
    const { directions, hidden } = directionsOf(node, inputs, kind, x.dims)
    const sizes: Sizes = { steps, batch, inputs: width, hidden }
    checkLengths(node, inputs, sizes)
    const count = directions.length
    const part = batch * hidden
    const stateDims = [count, batch, hidden]
    const first = yield* initial(node, inputs, 5, stateDims)
    const firstCell = kind.cell === undefined ? undefined : yield* initial(node, inputs, kind.cell, stateDims)
    const dims = [steps, count, batch, hidden]
    checkShape(node.op, dims, 'the output shape')
    const y = allocateFor('float32', dims)
    // No steps, or no rows: the states are what they were.
    if (y.length === 0) return [computed('float32', dims, y), first, ...(firstCell === undefined ? [] : [firstCell])]
    const last = allocateFor('float32', stateDims)
    const cells = allocateFor('float32', stateDims)
    for (const [d, direction] of directions.entries()) {
      const at = (array: Float32Array, index: number): Float32Array => array.subarray(index * part, (index + 1) * part)
      const cell = new Cell(node, part, batch)
      const gates: Gates = []
      for (const weights of direction.input) {
        const all = new Float32Array(steps * part)
        yield* cell.linear(weights, x.data, all, steps * batch)
        gates.push(all)
      }
      let state: State = { hidden: at(first.data, d), cell: at(firstCell?.data ?? first.data, d) }
      for (let i = 0; i < steps; i++) {
        const t = direction.reverse ? steps - 1 - i : i
        const next: State = { hidden: at(y, t * count + d), cell: at(cells, d) }
        const now = gates.map((all) => at(all, t))
        yield* advance(cell, direction, now, state, next)
        state = next
      }
      yield* cell.unary('copy', state.hidden, at(last, d))
    }
    const results = [computed('float32', dims, y), computed('float32', stateDims, last)]
    return firstCell === undefined ? results : [...results, computed('float32', stateDims, cells)]
  }
}

/** What every gate gives for the inputs: of all steps, or of one. */
type Gates = Float32Array[]

interface State {
  readonly hidden: Float32Array
  readonly cell: Float32Array
}

/** Steps on vectors of one state's size, and memory for what lies between. */
class Cell {
  private readonly size: number
  private readonly batch: number
  private readonly memory: Float32Array[] = []
  private readonly alike: Broadcast
  private readonly scalarFirst: Broadcast

  constructor(node: GraphNode, size: number, batch: number) {
    this.size = size
    this.batch = batch
    const operand = (shape: Shape) => ({ shape, memoryFormat: 'contiguous' }) as const
    this.alike = planBroadcast(node.op, operand([size]), operand([size])).broadcast
    this.scalarFirst = planBroadcast(node.op, operand([]), operand([size])).broadcast
  }

  /** Memory that every step of the layer may overwrite. */
  scratch(index: number): Float32Array {
    return (this.memory[index] ??= new Float32Array(this.size))
  }

  *linear(weights: PackedFloatWeights, x: Float32Array, y: Float32Array, rows = this.batch): Lowering<void> {
    yield step('flinear', { op: weights.handle(currentBackend()), x, y, rows, lo: -Infinity, hi: Infinity })
  }

  *unary(op: Activation | 'copy', x: Float32Array, y: Float32Array): Lowering<void> {
    if (op === 'sigmoid' || op === 'tanh') yield step('funary', { x, y, op, alpha: 0, beta: 0 })
    else yield step('fclamp', { x, y, lo: op === 'relu' ? 0 : -Infinity, hi: Infinity })
  }

  *binary(op: 'add' | 'mul', a: Float32Array, b: Float32Array, y: Float32Array): Lowering<void> {
    yield step('fbinary', { a, b, y, op, broadcast: this.alike })
  }

  /** `1 - x` */
  *complement(x: Float32Array, y: Float32Array): Lowering<void> {
    yield step('fbinary', { a: Float32Array.of(1), b: x, y, op: 'sub', broadcast: this.scalarFirst })
  }

  /** `act(x + state * weights)`, into `y`. */
  *gate(
    activation: Activation | undefined,
    x: Float32Array | undefined,
    weights: PackedFloatWeights | undefined,
    state: Float32Array,
    y: Float32Array,
  ): Lowering<void> {
    if (activation === undefined || x === undefined || weights === undefined) throw new RangeError('no such gate')
    const [product, sum] = [this.scratch(0), this.scratch(1)]
    yield* this.linear(weights, state, product)
    yield* this.binary('add', x, product, sum)
    yield* this.unary(activation, sum, y)
  }
}

/** Gates i, o, f, c: `C = f C' + i c`, `H = o h(C)`. */
function* advanceLstm(
  cell: Cell,
  { state, activations: [f, g, h] }: Direction,
  x: Gates,
  before: State,
  after: State,
): Lowering<void> {
  const [input, output, forget, candidate] = [2, 3, 4, 5].map((i) => cell.scratch(i)) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ]
  for (const [i, to] of [input, output, forget].entries()) yield* cell.gate(f, x[i], state[i], before.hidden, to)
  yield* cell.gate(g, x[3], state[3], before.hidden, candidate)
  const [kept, added] = [cell.scratch(0), cell.scratch(1)]
  yield* cell.binary('mul', forget, before.cell, kept)
  yield* cell.binary('mul', input, candidate, added)
  yield* cell.binary('add', kept, added, after.cell)
  yield* cell.unary(h ?? 'tanh', after.cell, kept)
  yield* cell.binary('mul', output, kept, after.hidden)
}

/** Gates z, r, h: `H = (1 - z) h + z H'`. */
function advanceGru(isLinearFirst: boolean) {
  return function* (
    cell: Cell,
    { state, activations: [f, g] }: Direction,
    x: Gates,
    before: State,
    after: State,
  ): Lowering<void> {
    const [update, reset, candidate] = [2, 3, 4].map((i) => cell.scratch(i)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ]
    for (const [i, to] of [update, reset].entries()) yield* cell.gate(f, x[i], state[i], before.hidden, to)
    const [product, sum] = [cell.scratch(0), cell.scratch(1)]
    const [weights, inputs] = [state[2], x[2]]
    if (weights === undefined || inputs === undefined) throw new RangeError('no such gate')
    if (isLinearFirst) {
      yield* cell.linear(weights, before.hidden, sum)
      yield* cell.binary('mul', reset, sum, product)
    } else {
      yield* cell.binary('mul', reset, before.hidden, sum)
      yield* cell.linear(weights, sum, product)
    }
    yield* cell.binary('add', inputs, product, sum)
    yield* cell.unary(g ?? 'tanh', sum, candidate)
    yield* cell.complement(update, sum)
    yield* cell.binary('mul', sum, candidate, product)
    yield* cell.binary('mul', update, before.hidden, sum)
    yield* cell.binary('add', product, sum, after.hidden)
  }
}

/** `H = f(x + H' * R)` */
function* advanceRnn(
  cell: Cell,
  { state, activations: [f] }: Direction,
  x: Gates,
  before: State,
  after: State,
): Lowering<void> {
  yield* cell.gate(f, x[0], state[0], before.hidden, after.hidden)
}

/** Refuses what would change the results and is not there. */
function refuse(node: GraphNode, inputs: Inputs, kind: Kind): void {
  const { attributes } = node
  if (attributes.int('layout', 0) !== 0) throw unsupported(node, 'layout 1 (the batch as first axis)')
  if (attributes.float('clip') !== undefined) throw unsupported(node, 'clip')
  if (inputs[7] !== undefined) throw unsupported(node, 'P (peepholes)')
  for (const name of ['activation_alpha', 'activation_beta'])
    if ((attributes.floats(name)?.length ?? 0) > 0) throw unsupported(node, name)
  for (const name of kind.refused) if (attributes.int(name, 0) !== 0) throw unsupported(node, name)
}

/** Sequences must all be of full length. */
function checkLengths(node: GraphNode, inputs: Inputs, { steps, batch }: Sizes): void {
  const lengths = optionalKnown(node, inputs, 4)
  if (lengths === undefined) return
  const list = integers(lengths)
  if (list.length !== batch)
    throw wrong(node, `sequence_lens has ${String(list.length)} entries for ${String(batch)} rows`)
  if (list.some((length) => length !== steps)) throw unsupported(node, 'a sequence that is shorter than X')
}

function directionsOf(
  node: GraphNode,
  inputs: Inputs,
  { gates, activations }: Kind,
  xDims: Shape,
): { readonly directions: readonly Direction[]; readonly hidden: number } {
  const name = node.attributes.string('direction', 'forward')
  const reversals = { forward: [false], reverse: [true], bidirectional: [false, true] }[name]
  if (reversals === undefined) throw wrong(node, `there is no direction "${name}"`)
  const w = ofType(node, needKnown(node, inputs, 1), 'W', 'float32')
  const r = ofType(node, needKnown(node, inputs, 2), 'R', 'float32')
  const given = optionalKnown(node, inputs, 3)
  const b = given && ofType(node, given, 'B', 'float32')
  const [, , width = 0] = xDims
  const hidden = node.attributes.int('hidden_size', r.dims[2] ?? 0)
  const count = reversals.length
  const wanted: readonly (readonly [string, Shape | undefined, Shape])[] = [
    ['W', w.dims, [count, gates * hidden, width]],
    ['R', r.dims, [count, gates * hidden, hidden]],
    ['B', b?.dims, [count, 2 * gates * hidden]],
  ]
  if (xDims.length !== 3 || width === 0 || hidden === 0) throw wrong(node, `X ${shapeText(xDims)} is no sequence`)
  for (const [what, dims, right] of wanted)
    if (dims !== undefined && dims.join() !== right.join())
      throw wrong(node, `${what} is ${shapeText(dims)}, and should be ${shapeText(right)}`)

  const names = node.attributes.strings('activations')
  const chosen = names?.map((each) => {
    const activation = activationNames[each.toLowerCase()]
    if (activation === undefined) throw unsupported(node, `the activation ${each}`)
    return activation
  })
  if (chosen !== undefined && chosen.length !== count * activations.length)
    throw wrong(node, `there are ${String(chosen.length)} activations for ${String(count * activations.length)}`)
  // With it, the state's part of the last gate has a bias of its own, which the reset gate scales.
  const isLinearFirst = node.op === 'GRU' && node.attributes.int('linear_before_reset', 0) !== 0
  const directions = node.memo('packed', [w.data, r.data, b?.data], () =>
    reversals.map((reverse, d): Direction => {
      const bias = (index: number): Float32Array | undefined =>
        b?.data.subarray((2 * gates * d + index) * hidden, (2 * gates * d + index + 1) * hidden)
      const pack = (from: Float32Array, gate: number, inner: number, own: Float32Array | null): PackedFloatWeights => {
        const first = (d * gates + gate) * hidden * inner
        return new PackedFloatWeights({
          values: from.subarray(first, first + hidden * inner),
          bias: own,
          groups: 1,
          outChannels: hidden,
          kernel: [1, 1, 1],
          inPerGroup: inner,
        })
      }
      const isApart = (gate: number): boolean => isLinearFirst && gate === 2
      const list = Array.from({ length: gates }, (_, gate) => gate)
      return {
        reverse,
        activations: chosen?.slice(d * activations.length, (d + 1) * activations.length) ?? activations,
        input: list.map((gate) => {
          const [own, other] = [bias(gate), bias(gates + gate)]
          const both = own?.map((value, i) => (isApart(gate) ? value : fround(value + (other?.[i] ?? 0))))
          return pack(w.data, gate, width, both ?? null)
        }),
        state: list.map((gate) => pack(r.data, gate, hidden, (isApart(gate) ? bias(gates + gate) : null) ?? null)),
      }
    }),
  )
  return { directions, hidden }
}

/** A state before the first step; zeros where none is given. */
function* initial(node: GraphNode, inputs: Inputs, index: number, dims: Shape): Lowering<Floats> {
  const given = inputs[index]
  if (given === undefined) return { ...computed('float32', dims, allocateFor('float32', dims)), known: true }
  const value = (yield* contiguous(ofType(node, given, 'the initial state', 'float32') as Value)) as Floats
  if (value.dims.join() !== dims.join())
    throw wrong(node, `the initial state is ${shapeText(value.dims)}, and should be ${shapeText(dims)}`)
  return value
}

export const recurrents: Operators = {
  LSTM: layer(kinds.LSTM, advanceLstm),
  GRU: (node, inputs) =>
    layer(kinds.GRU, advanceGru(node.attributes.int('linear_before_reset', 0) !== 0))(node, inputs),
  RNN: layer(kinds.RNN, advanceRnn),
}

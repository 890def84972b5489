/**
 * Recurrent layers: LSTM, GRU and RNN. Each gate is a linear layer of the inputs of all steps at once, and one of the state
 * at every step. A state lies where the output `Y` has it, or beside it where sequences have lengths of their own.
 */
import type { GraphNode } from '../../graph/graph'
import { host, type Lowering } from '../../runtime/steps'
import { allocateFor, computed, type TypedValue, type Value } from '../../runtime/value'
import { checkShape, shapeText, stridesOf } from '../../tensor/shape'
import { contiguousOf, integers, need, wrong, type Inputs, type Operators } from './operator'
import { Cell, type Gates, type State } from './recurrentCell'
import { directionsOf, kinds, type Direction, type Kind } from './recurrentWeights'
import { copyBlock } from './strided'

type Floats = TypedValue<'float32'>

/** Computes a state from the one before. */
type Advance = (cell: Cell, direction: Direction, x: Gates, before: State, after: State) => Lowering<void>

/** A layer of one kind. */
function layer(kind: Kind, advance: Advance) {
  return function* (node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
    const isBatchFirst = node.attributes.int('layout', 0) !== 0
    const turned = function* (value: Floats): Lowering<Floats> {
      return isBatchFirst ? yield* swapped(value, 0, 1) : value
    }
    const x = yield* turned(yield* contiguousOf(node, need(node, inputs, 0), 'X', 'float32'))
    const [steps = 0, batch = 0] = x.dims
    const { directions, hidden } = directionsOf(node, inputs, kind, x.dims)
    const count = directions.length
    const part = batch * hidden
    const isUsed = yield* usedRows(node, inputs, steps, batch)
    const stateDims = [count, batch, hidden]
    const read = function* (index: number): Lowering<Floats> {
      const given = inputs[index]
      if (given === undefined)
        return { ...computed('float32', stateDims, allocateFor('float32', stateDims)), known: true }
      const value = yield* contiguousOf(node, given, 'the initial state', 'float32')
      const dims = isBatchFirst ? [batch, count, hidden] : stateDims
      if (value.dims.join() !== dims.join())
        throw wrong(node, `the initial state is ${shapeText(value.dims)}, and should be ${shapeText(dims)}`)
      return yield* turned(value)
    }
    const first = yield* read(5)
    const firstCell = kind.cell === undefined ? undefined : yield* read(kind.cell)
    const dims = [steps, count, batch, hidden]
    checkShape(node.op, dims, 'the output shape')
    const y = allocateFor('float32', dims)
    const last = allocateFor('float32', stateDims)
    const cells = allocateFor('float32', stateDims)
    // No steps, or no rows: the states are what they were.
    for (const [d, direction] of y.length === 0 ? [] : directions.entries()) {
      const at = (array: Float32Array, index: number): Float32Array => array.subarray(index * part, (index + 1) * part)
      const cell = new Cell(node, batch, hidden)
      const gates: Gates = []
      for (const weights of direction.input) {
        const all = new Float32Array(steps * part)
        yield* cell.linear(weights, x.data, all, steps * batch)
        gates.push(all)
      }
      let state: State = { hidden: at(first.data, d), cell: at(firstCell?.data ?? first.data, d) }
      for (let i = 0; i < steps; i++) {
        const t = direction.reverse ? steps - 1 - i : i
        const now = gates.map((all) => at(all, t))
        const result = at(y, t * count + d)
        if (isUsed === undefined) {
          const next: State = { hidden: result, cell: at(cells, d) }
          yield* advance(cell, direction, now, state, next)
          state = next
        } else {
          // A sequence that has ended, or has not begun in reverse, keeps its state, and gives 0.
          const rows = isUsed.subarray(t * batch, (t + 1) * batch)
          const next: State = { hidden: cell.vector(), cell: cell.vector() }
          const kept: State = { hidden: cell.vector(), cell: cell.vector() }
          yield* advance(cell, direction, now, state, next)
          yield* cell.choose(rows, next.hidden, zero, result)
          yield* cell.choose(rows, next.hidden, state.hidden, kept.hidden)
          if (firstCell !== undefined) yield* cell.choose(rows, next.cell, state.cell, kept.cell)
          state = kept
        }
      }
      yield* cell.unary('copy', state.hidden, at(last, d))
      if (firstCell !== undefined && isUsed !== undefined) yield* cell.unary('copy', state.cell, at(cells, d))
    }
    const states =
      y.length === 0
        ? [first, firstCell]
        : [computed('float32', stateDims, last), firstCell && computed('float32', stateDims, cells)]
    const results: Value[] = [yield* sequences(computed('float32', dims, y), isBatchFirst)]
    for (const value of states) if (value !== undefined) results.push(yield* turned(value))
    return results
  }
}

const zero = Float32Array.of(0)

/** Steps, directions, batch, hidden; with the batch first batch, steps, directions, hidden. */
function* sequences(y: Floats, isBatchFirst: boolean): Lowering<Floats> {
  return isBatchFirst ? yield* swapped(yield* swapped(y, 1, 2), 0, 1) : y
}

/** The value with two axes exchanged. */
function* swapped(value: Floats, a: number, b: number): Lowering<Floats> {
  const exchange = <T>(list: readonly T[]): T[] =>
    list.map((item, i) => (i === a ? list[b] : i === b ? list[a] : item) as T)
  const dims = exchange(value.dims)
  const data = allocateFor('float32', dims)
  const strides = exchange(stridesOf(value.dims, 'contiguous'))
  yield* copyBlock(
    dims,
    { data: value.data, offset: 0, strides },
    { data, offset: 0, strides: stridesOf(dims, 'contiguous') },
  )
  return computed('float32', dims, data)
}

/** By step and row, whether the row's sequence has such a step; undefined where all are of full length. */
function* usedRows(node: GraphNode, inputs: Inputs, steps: number, batch: number): Lowering<Uint8Array | undefined> {
  const given = inputs[4]
  if (given === undefined) return undefined
  const lengths = yield* contiguousOf(node, given, 'sequence_lens', 'int32')
  if (lengths.dims.join() !== String(batch))
    throw wrong(node, `sequence_lens has ${shapeText(lengths.dims)} entries for ${String(batch)} rows`)
  if (lengths.known && integers(lengths).every((length) => length === steps)) return undefined
  const isUsed = new Uint8Array(steps * batch)
  yield host('lengths of sequences', [lengths.data] as const, [isUsed] as const, ([from], [to]) => {
    for (const [row, length] of from.entries()) {
      if (length < 0 || length > steps)
        throw wrong(node, `a sequence of ${String(length)} steps among ${String(steps)}`)
      for (let t = 0; t < steps; t++) to[t * batch + row] = t < length ? 1 : 0
    }
  })
  return isUsed
}

/** Gates i, o, f, c: `C = f C' + i c`, `H = o h(C)`. */
function* advanceLstm(
  cell: Cell,
  { state, activations: [f, g, h], peepholes, clip, isCoupled }: Direction,
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
  const gate = (i: number, to: Float32Array, of: Float32Array): Lowering<void> => {
    const weights = peepholes?.[i]
    const peephole = weights && { weights, cell: of }
    return cell.gate({ activation: f, x: x[i], weights: state[i], clip, peephole }, before.hidden, to)
  }
  yield* gate(0, input, before.cell)
  if (isCoupled) yield* cell.complement(input, forget)
  else yield* gate(2, forget, before.cell)
  yield* cell.gate({ activation: g, x: x[3], weights: state[3], clip }, before.hidden, candidate)
  const [kept, added] = [cell.scratch(0), cell.scratch(1)]
  yield* cell.binary('mul', forget, before.cell, kept)
  yield* cell.binary('mul', input, candidate, added)
  yield* cell.binary('add', kept, added, after.cell)
  yield* gate(1, output, after.cell)
  yield* cell.unary(h ?? 'tanh', after.cell, kept)
  yield* cell.binary('mul', output, kept, after.hidden)
}

/** Gates z, r, h: `H = (1 - z) h + z H'`. */
function advanceGru(isLinearFirst: boolean) {
  return function* (
    cell: Cell,
    { state, activations: [f, g], clip }: Direction,
    x: Gates,
    before: State,
    after: State,
  ): Lowering<void> {
    const [update, reset, candidate] = [2, 3, 4].map((i) => cell.scratch(i)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ]
    for (const [i, to] of [update, reset].entries())
      yield* cell.gate({ activation: f, x: x[i], weights: state[i], clip }, before.hidden, to)
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
    yield* cell.activate(g ?? 'tanh', clip, sum, candidate)
    yield* cell.complement(update, sum)
    yield* cell.binary('mul', sum, candidate, product)
    yield* cell.binary('mul', update, before.hidden, sum)
    yield* cell.binary('add', product, sum, after.hidden)
  }
}

/** `H = f(x + H' * R)` */
function* advanceRnn(
  cell: Cell,
  { state, activations: [f], clip }: Direction,
  x: Gates,
  before: State,
  after: State,
): Lowering<void> {
  yield* cell.gate({ activation: f, x: x[0], weights: state[0], clip }, before.hidden, after.hidden)
}

export const recurrents: Operators = {
  LSTM: layer(kinds.LSTM, advanceLstm),
  GRU: (node, inputs) =>
    layer(kinds.GRU, advanceGru(node.attributes.int('linear_before_reset', 0) !== 0))(node, inputs),
  RNN: layer(kinds.RNN, advanceRnn),
}

/** What recurrent layers read of their nodes: weights by direction and gate, activations, and what bends them. */
import type { GraphNode } from '../../graph/graph'
import { PackedFloatWeights } from '../../ops/float/packed'
import { ofType } from '../../runtime/value'
import { shapeText, type Shape } from '../../tensor/shape'
import { needKnown, optionalKnown, unsupported, wrong, type Inputs } from './operator'

const { fround } = Math

export type Activation = 'sigmoid' | 'tanh' | 'relu'
const activationNames: Readonly<Record<string, Activation>> = { sigmoid: 'sigmoid', tanh: 'tanh', relu: 'relu' }

/** What the kinds of layers differ in. */
export interface Kind {
  readonly gates: number
  readonly activations: readonly Activation[]
  /** Index of the input with the initial cell. */
  readonly cell: number | undefined
  /** Index of the input with the peepholes. */
  readonly peepholes: number | undefined
}

export const kinds: Readonly<Record<'LSTM' | 'GRU' | 'RNN', Kind>> = {
  LSTM: { gates: 4, activations: ['sigmoid', 'tanh', 'tanh'], cell: 6, peepholes: 7 },
  GRU: { gates: 3, activations: ['sigmoid', 'tanh'], cell: undefined, peepholes: undefined },
  RNN: { gates: 1, activations: ['tanh'], cell: undefined, peepholes: undefined },
}

/** One direction of a layer. */
export interface Direction {
  /** By gate: of the inputs, and of the state. */
  readonly input: readonly PackedFloatWeights[]
  readonly state: readonly PackedFloatWeights[]
  readonly activations: readonly Activation[]
  readonly reverse: boolean
  /** Weights of the cell for the gates i, o and f, each `[hidden]`. */
  readonly peepholes: readonly Float32Array[] | undefined
  /** What activations are given lies in [-clip, clip]. */
  readonly clip: number | undefined
  /** The forget gate is 1 less the input gate. */
  readonly isCoupled: boolean
}

/** A layer's directions, and the size of its state. */
export function directionsOf(
  node: GraphNode,
  inputs: Inputs,
  { gates, activations, peepholes }: Kind,
  xDims: Shape,
): { readonly directions: readonly Direction[]; readonly hidden: number } {
  const name = node.attributes.string('direction', 'forward')
  const reversals = { forward: [false], reverse: [true], bidirectional: [false, true] }[name]
  if (reversals === undefined) throw wrong(node, `there is no direction "${name}"`)
  const w = ofType(node, needKnown(node, inputs, 1), 'W', 'float32')
  const r = ofType(node, needKnown(node, inputs, 2), 'R', 'float32')
  const given = optionalKnown(node, inputs, 3)
  const b = given && ofType(node, given, 'B', 'float32')
  const holes = peepholes === undefined ? undefined : optionalKnown(node, inputs, peepholes)
  const p = holes && ofType(node, holes, 'P', 'float32')
  const [, , width = 0] = xDims
  const hidden = node.attributes.int('hidden_size', r.dims[2] ?? 0)
  const count = reversals.length
  const wanted: readonly (readonly [string, Shape | undefined, Shape])[] = [
    ['W', w.dims, [count, gates * hidden, width]],
    ['R', r.dims, [count, gates * hidden, hidden]],
    ['B', b?.dims, [count, 2 * gates * hidden]],
    ['P', p?.dims, [count, 3 * hidden]],
  ]
  if (xDims.length !== 3 || width === 0 || hidden === 0) throw wrong(node, `X ${shapeText(xDims)} is no sequence`)
  for (const [what, dims, right] of wanted)
    if (dims !== undefined && dims.join() !== right.join())
      throw wrong(node, `${what} is ${shapeText(dims)}, and should be ${shapeText(right)}`)

  for (const name of ['activation_alpha', 'activation_beta'])
    if ((node.attributes.floats(name)?.length ?? 0) > 0) throw unsupported(node, name)
  const clip = node.attributes.float('clip')
  if (clip !== undefined && !(clip >= 0)) throw wrong(node, `clip is ${String(clip)}`)
  const isCoupled = node.op === 'LSTM' && node.attributes.int('input_forget', 0) !== 0
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
  const directions = node.memo('packed', [w.data, r.data, b?.data, p?.data], () =>
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
      const hole = (gate: number): Float32Array | undefined =>
        p?.data.subarray((3 * d + gate) * hidden, (3 * d + gate + 1) * hidden)
      return {
        reverse,
        peepholes: p && [0, 1, 2].flatMap((gate) => hole(gate) ?? []),
        clip,
        isCoupled,
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

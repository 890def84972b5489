/** The arithmetic of a recurrent layer's step, on vectors of its state's size: `[batch, hidden]`. */
import type { Broadcast } from '../../backend/contract'
import { currentBackend } from '../../backend/current'
import { step } from '../../backend/steps'
import type { GraphNode } from '../../graph/graph'
import type { PackedFloatWeights } from '../../ops/float/packed'
import { planBroadcast } from '../../ops/shapes/broadcast'
import type { Lowering } from '../../runtime/steps'
import type { Shape } from '../../tensor/shape'
import type { Activation } from './recurrentWeights'

/** What every gate gives for the inputs: of all steps, or of one. */
export type Gates = Float32Array[]

export interface State {
  readonly hidden: Float32Array
  readonly cell: Float32Array
}

/** Steps on vectors of one state's size, and memory for what lies between. */
export class Cell {
  private readonly batch: number
  private readonly hidden: number
  private readonly memory: Float32Array[] = []
  private readonly alike: Broadcast
  private readonly scalarFirst: Broadcast
  private readonly rowFirst: Broadcast

  constructor(node: GraphNode, batch: number, hidden: number) {
    this.batch = batch
    this.hidden = hidden
    const operand = (shape: Shape) => ({ shape, memoryFormat: 'contiguous' }) as const
    const [one, all] = [operand([hidden]), operand([batch, hidden])]
    this.alike = planBroadcast(node.op, all, all).broadcast
    this.scalarFirst = planBroadcast(node.op, operand([]), all).broadcast
    this.rowFirst = planBroadcast(node.op, one, all).broadcast
  }

  /** Memory that every step of the layer may overwrite. */
  scratch(index: number): Float32Array {
    return (this.memory[index] ??= this.vector())
  }

  /** Memory for one state. */
  vector(): Float32Array {
    return new Float32Array(this.batch * this.hidden)
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

  /** `rows` where they are in use, else `others`: of a state's size, or one element. */
  *choose(isUsed: Uint8Array, rows: Float32Array, others: Float32Array, y: Float32Array): Lowering<void> {
    const strides = [this.hidden, 1]
    yield step('fwhere', {
      condition: isUsed,
      a: rows,
      b: others,
      y,
      broadcast: {
        shape: [this.batch, this.hidden],
        conditionStrides: [1, 0],
        aStrides: strides,
        bStrides: others.length === 1 ? [0, 0] : strides,
      },
    })
  }

  /** `act(clip(x))` */
  *activate(activation: Activation, clip: number | undefined, x: Float32Array, y: Float32Array): Lowering<void> {
    if (clip !== undefined) yield step('fclamp', { x, y: x, lo: -clip, hi: clip })
    yield* this.unary(activation, x, y)
  }

  /** `act(clip(x + state * weights + peephole * cell))`, into `y`. */
  *gate(
    {
      activation,
      x,
      weights,
      clip,
      peephole,
    }: {
      readonly activation: Activation | undefined
      readonly x: Float32Array | undefined
      readonly weights: PackedFloatWeights | undefined
      readonly clip: number | undefined
      readonly peephole?: { readonly weights: Float32Array; readonly cell: Float32Array } | undefined
    },
    state: Float32Array,
    y: Float32Array,
  ): Lowering<void> {
    if (activation === undefined || x === undefined || weights === undefined) throw new RangeError('no such gate')
    const [product, sum] = [this.scratch(0), this.scratch(1)]
    yield* this.linear(weights, state, product)
    yield* this.binary('add', x, product, sum)
    if (peephole !== undefined) {
      const { weights: a, cell: b } = peephole
      yield step('fbinary', { a, b, y: product, op: 'mul', broadcast: this.rowFirst })
      yield* this.binary('add', sum, product, sum)
    }
    yield* this.activate(activation, clip, sum, y)
  }
}

/** Attributes that convolutions and pools share: kernel, strides, dilations, paddings. */
import type { GraphNode } from '../../graph/graph'
import type { PadPair, SpatialAxes } from '../../ops/shapes/axes'
import { unsupported, wrong } from './operator'

/** Window attributes of a node for so many spatial axes. */
export interface WindowAttributes {
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  readonly pads: readonly PadPair[]
}

/** Number of spatial axes of a tensor `[N, C, …]`, if there are kernels for it. */
export function spatialAxes(node: GraphNode, rank: number): SpatialAxes {
  const axes = rank - 2
  if (axes === 1 || axes === 2 || axes === 3) return axes
  throw unsupported(node, `an input of ${String(rank)} axes`)
}

/** Reads the attributes; `auto_pad` becomes paddings for an input of these spatial sizes. */
export function readWindow(node: GraphNode, kernel: readonly number[], spatial: readonly number[]): WindowAttributes {
  const axes = spatial.length
  const strides = perAxis(node, 'strides', axes, 1)
  const dilations = perAxis(node, 'dilations', axes, 1)
  const autoPad = node.attributes.string('auto_pad', 'NOTSET')
  const explicit = node.attributes.ints('pads') ?? new Array<number>(2 * axes).fill(0)
  if (explicit.length !== 2 * axes)
    throw wrong(node, `pads has ${String(explicit.length)} entries for ${String(axes)} axes`)
  const pads = spatial.map((size, axis): PadPair => {
    if (autoPad === 'NOTSET' || autoPad === '') return [explicit[axis] ?? 0, explicit[axes + axis] ?? 0]
    if (autoPad === 'VALID') return [0, 0]
    if (autoPad !== 'SAME_UPPER' && autoPad !== 'SAME_LOWER') throw wrong(node, `auto_pad is "${autoPad}"`)
    const stride = strides[axis] ?? 1
    const reach = (dilations[axis] ?? 1) * ((kernel[axis] ?? 1) - 1) + 1
    const total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + reach - size)
    const [less, more] = [Math.floor(total / 2), Math.ceil(total / 2)]
    return autoPad === 'SAME_UPPER' ? [less, more] : [more, less]
  })
  return { kernel, strides, dilations, pads }
}

/** An attribute with one entry per spatial axis. */
export function perAxis(node: GraphNode, name: string, axes: number, fallback: number): readonly number[] {
  const values = node.attributes.ints(name)
  if (values === undefined || values.length === 0) return new Array<number>(axes).fill(fallback)
  if (values.length !== axes) throw wrong(node, `${name} has ${String(values.length)} entries for ${String(axes)} axes`)
  return values
}

/** Operators that change what a tensor's sizes are called, or tell them: the elements stay where they are. */
import type { GraphNode } from '../../graph/graph'
import { contiguous } from '../../runtime/format'
import { host, type Lowering } from '../../runtime/steps'
import { allocateFor, computed, known, withDims, type Value } from '../../runtime/value'
import { checkShape, resolveAxis, shapeText, sizeOf, type Shape } from '../../tensor/shape'
import { allocateElements, type NumericType } from '../types'
import { filled } from './strided'
import { integers, need, needKnown, optionalKnown, unsupported, wrong, type Inputs, type Operators } from './operator'

/** The value in row-major order under other sizes. */
function* relabel(node: GraphNode, value: Value, dims: Shape): Lowering<readonly Value[]> {
  checkShape(node.op, dims, 'the output shape')
  if (sizeOf(dims) !== sizeOf(value.dims))
    throw wrong(node, `${shapeText(value.dims)} cannot become ${shapeText(dims)}: the number of elements differs`)
  return [withDims(yield* contiguous(value), dims)]
}

function* reshape(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = need(node, inputs, 0)
  const wanted = node.attributes.ints('shape') ?? integers(needKnown(node, inputs, 1))
  const keepZero = node.attributes.int('allowzero', 0) !== 0
  const dims = wanted.map((size, axis) => (size === 0 && !keepZero ? (x.dims[axis] ?? 0) : size))
  const open = dims.indexOf(-1)
  if (open >= 0) {
    const rest = sizeOf(dims.filter((_, axis) => axis !== open))
    dims[open] = rest === 0 ? 0 : sizeOf(x.dims) / rest
  }
  if (dims.some((size) => size < 0 || !Number.isInteger(size)))
    throw wrong(node, `${shapeText(x.dims)} cannot become [${wanted.join(', ')}]`)
  return yield* relabel(node, x, dims)
}

function* flatten(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = need(node, inputs, 0)
  const given = node.attributes.int('axis', 1)
  const axis = given < 0 ? given + x.dims.length : given
  if (axis < 0 || axis > x.dims.length) throw wrong(node, `axis is ${String(given)} for ${shapeText(x.dims)}`)
  return yield* relabel(node, x, [sizeOf(x.dims.slice(0, axis)), sizeOf(x.dims.slice(axis))])
}

/** Axes from the attribute or the second input. */
function axesOf(node: GraphNode, inputs: Inputs): readonly number[] | undefined {
  const attribute = node.attributes.ints('axes')
  if (attribute !== undefined) return attribute
  const value = optionalKnown(node, inputs, 1)
  return value === undefined ? undefined : integers(value)
}

function* squeeze(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = need(node, inputs, 0)
  const axes = axesOf(node, inputs)?.map((axis) => resolveAxis(node.op, axis, x.dims.length))
  const gone = (axis: number): boolean => (axes === undefined ? x.dims[axis] === 1 : axes.includes(axis))
  if (axes?.some((axis) => x.dims[axis] !== 1) === true)
    throw wrong(node, `axes ${axes.join(', ')} of ${shapeText(x.dims)} are not all of size 1`)
  return yield* relabel(
    node,
    x,
    x.dims.filter((_, axis) => !gone(axis)),
  )
}

function* unsqueeze(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = need(node, inputs, 0)
  const given = axesOf(node, inputs)
  if (given === undefined) throw wrong(node, 'the axes are missing')
  const rank = x.dims.length + given.length
  const axes = new Set(given.map((axis) => resolveAxis(node.op, axis, rank)))
  if (axes.size !== given.length) throw wrong(node, `an axis is there twice among ${given.join(', ')}`)
  const rest = [...x.dims]
  const dims = Array.from({ length: rank }, (_, axis) => (axes.has(axis) ? 1 : (rest.shift() ?? 1)))
  return yield* relabel(node, x, dims)
}

function* identity(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  return [need(node, inputs, 0)]
}

/** In inference all elements pass; the mask, where it is wanted, is all true. */
function* dropout(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = need(node, inputs, 0)
  const training = optionalKnown(node, inputs, 2)
  const ratio = inputs[1] === undefined ? undefined : needKnown(node, inputs, 1)
  if (training?.data[0] === 1 && Number(ratio?.data[0] ?? 0.5) !== 0) throw unsupported(node, 'training')
  if ((node.outputs[1] ?? '') === '') return [x]
  return [x, known('bool', x.dims, allocateFor('bool', x.dims).fill(1))]
}

function* shape(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const { dims } = need(node, inputs, 0)
  const bound = (name: string, fallback: number): number => {
    const given = node.attributes.int(name, fallback)
    return Math.min(dims.length, Math.max(0, given < 0 ? given + dims.length : given))
  }
  const part = dims.slice(bound('start', 0), bound('end', dims.length))
  return [known('int64', [part.length], BigInt64Array.from(part, BigInt))]
}

function* size(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  return [known('int64', [], BigInt64Array.of(BigInt(sizeOf(need(node, inputs, 0).dims))))]
}

function* constant(node: GraphNode): Lowering<readonly Value[]> {
  const { attributes } = node
  const value = attributes.tensor('value')
  if (value !== undefined) return [value]
  const float = attributes.float('value_float')
  if (float !== undefined) return [known('float32', [], Float32Array.of(float))]
  const int = attributes.int('value_int')
  if (int !== undefined) return [known('int64', [], BigInt64Array.of(BigInt(int)))]
  const floats = attributes.floats('value_floats')
  if (floats !== undefined) return [known('float32', [floats.length], Float32Array.from(floats))]
  const ints = attributes.ints('value_ints')
  if (ints !== undefined) return [known('int64', [ints.length], BigInt64Array.from(ints, BigInt))]
  const string = attributes.string('value_string')
  if (string !== undefined) return [known('string', [], [string])]
  const strings = attributes.strings('value_strings')
  if (strings !== undefined) return [known('string', [strings.length], [...strings])]
  throw unsupported(node, 'a constant of this kind')
}

function* constantOfShape(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const dims = integers(needKnown(node, inputs, 0))
  checkShape(node.op, dims, 'the output shape')
  const value = node.attributes.tensor('value') ?? known('float32', [1], new Float32Array(1))
  const { type } = value
  if (type === 'string') throw unsupported(node, 'a constant of strings')
  const data = yield* filled(type, dims, 'contiguous', value.data)
  return [computed(type, dims, data as never) as Value]
}

function* range(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const start = needKnown(node, inputs, 0)
  const { type } = start
  if (type === 'string' || type === 'bool') throw wrong(node, `a range of ${type}`)
  const [first = 0, limit = 0, step = 1] = [0, 1, 2].map((i) => Number(needKnown(node, inputs, i).data[0]))
  const count = Math.max(0, Math.ceil((limit - first) / step))
  checkShape(node.op, [count], 'the output shape')
  const data = allocateElements<NumericType>(type, count)
  const big = type === 'int64' || type === 'uint64'
  yield host('range', [] as const, [data as Float32Array] as const, (_, [to]) => {
    for (let i = 0; i < count; i++) {
      const element = first + i * step
      to[i] = (big ? BigInt(element) : element) as number
    }
  })
  return [computed(type, [count], data as never) as Value]
}

function* eyeLike(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = need(node, inputs, 0)
  const [rows = 0, columns = 0] = x.dims
  if (x.dims.length !== 2) throw wrong(node, `an input of shape ${shapeText(x.dims)}`)
  if (node.attributes.has('dtype')) throw unsupported(node, 'dtype')
  if (x.type !== 'float32') throw unsupported(node, `an input of ${x.type}`)
  const data = allocateFor('float32', x.dims)
  const k = node.attributes.int('k', 0)
  for (let r = Math.max(0, -k); r < rows && r + k < columns; r++) data[r * columns + r + k] = 1
  return [known('float32', x.dims, data)]
}

export const shapes: Operators = {
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Identity: identity,
  Dropout: dropout,
  Shape: shape,
  Size: size,
  Constant: constant,
  ConstantOfShape: constantOfShape,
  Range: range,
  EyeLike: eyeLike,
}

/** Convolutions and matrix products between codes. */
import { ofScaleProduct } from './bias'
import type { GraphNode } from '../../graph'
import { clipAttributes, ownNode, type Rewriter } from '../rewrite'
import { known, type Value } from '../../../runtime/value'
import { activation, three, weights, type Dequantized } from './quantized'
import type { Island } from '.'

/** `Q(act(Conv(DQ(x), DQ(w), b)))` */
export function convIsland({ rewriter, quantizer, target, node, clip }: Island): readonly GraphNode[] | undefined {
  const parts = convParts(rewriter, node)
  if (parts === undefined) return undefined
  const { x, w, bias } = parts
  const inputs = [...three(x), ...three(w), target.scale, target.zeroPoint, ...(bias === undefined ? [] : [bias])]
  return [
    ownNode(node, 'QLinearConv', inputs, quantizer.outputs, {
      ...Object.fromEntries(node.attributes.entries()),
      ...clipAttributes(clip),
    }),
  ]
}

interface Parts {
  readonly x: Dequantized
  readonly w: Dequantized
  /** Name of an int32 bias at scale sx*sw. */
  readonly bias: string | undefined
}

function convParts(rewriter: Rewriter, node: GraphNode): Parts | undefined {
  const x = activation(rewriter, node.inputs[0])
  const w = weights(rewriter, node.inputs[1])
  if (x === undefined || w === undefined || (!w.perTensor && w.axis !== 0)) return undefined
  const bias = ofScaleProduct(rewriter, node.inputs[2], x, w)
  return bias === null ? undefined : { x, w, bias }
}

/** `Conv(DQ(x), DQ(w), b)` whose result stays float. */
export function floatConv(rewriter: Rewriter, node: GraphNode): readonly GraphNode[] | undefined {
  if (node.domain !== '') return undefined
  const x = activation(rewriter, node.inputs[0])
  const w = weights(rewriter, node.inputs[1])
  if (x === undefined || w === undefined || (!w.perTensor && w.axis !== 0)) return undefined
  const bias = floatBias(rewriter, node.inputs[2])
  if (bias === null) return undefined
  return [
    ownNode(
      node,
      'QLinearConvFloat',
      [...three(x), ...three(w), ...(bias === undefined ? [] : [bias])],
      node.outputs,
      Object.fromEntries(node.attributes.entries()),
    ),
  ]
}

/** The float bias of a layer with a float result: a constant, or the constant that is dequantized. Null: neither. */
function floatBias(rewriter: Rewriter, name: string | undefined): string | undefined | null {
  if (name === undefined || name === '') return undefined
  if (rewriter.constant(name)?.type === 'float32') return name
  const node = rewriter.producer(name)
  const codes = rewriter.constant(node?.inputs[0])
  const scale = rewriter.constant(node?.inputs[1])
  if (node?.op !== 'DequantizeLinear' || codes?.type !== 'int32' || scale?.type !== 'float32') return null
  if ((rewriter.scalar(node.inputs[2]) ?? 0) !== 0) return null
  const values = Float32Array.from(codes.data, (code, i) =>
    Math.fround(Math.fround(code) * (scale.data[scale.data.length === 1 ? 0 : i] ?? 1)),
  )
  return rewriter.addConstant(name, known('float32', codes.dims, values))
}

/** A product with its operands and bias. */
interface Product extends Parts {
  /** Name of the constant codes `inner × columns`. */
  readonly matrix: string
}

/** `Q(act(Gemm(DQ(a), DQ(b), c)))`, `Q(act(MatMul(DQ(a), DQ(b))))`, `Q(act(Add(MatMul(…), c)))` */
export function productIsland({ rewriter, quantizer, target, node, clip }: Island): readonly GraphNode[] | undefined {
  const product = productOf(rewriter, node, (name, x, w) => ofScaleProduct(rewriter, name, x, w))
  if (product === undefined) return undefined
  const { x, w, matrix, bias } = product
  const inputs = [
    ...three(x),
    matrix,
    w.scale,
    w.zeroPoint,
    target.scale,
    target.zeroPoint,
    ...(bias === undefined ? [] : [bias]),
  ]
  return [ownNode(node, 'QLinearMatMul', inputs, quantizer.outputs, clipAttributes(clip))]
}

/** The same with a float result. */
export function floatProduct(rewriter: Rewriter, node: GraphNode): readonly GraphNode[] | undefined {
  if (node.domain !== '') return undefined
  // A bias that is added later belongs to the product.
  if (node.op === 'MatMul') {
    const reader = rewriter.onlyReader(node.outputs[0] ?? '')
    if (reader?.op === 'Add' && productOf(rewriter, reader, (name) => floatBias(rewriter, name)) !== undefined)
      return undefined
  }
  const product = productOf(rewriter, node, (name) => floatBias(rewriter, name))
  if (product === undefined) return undefined
  const { x, w, matrix, bias } = product
  return [
    ownNode(
      node,
      'QLinearMatMulFloat',
      [...three(x), matrix, w.scale, w.zeroPoint, ...(bias === undefined ? [] : [bias])],
      node.outputs,
    ),
  ]
}

type ReadBias = (name: string | undefined, x: Dequantized, w: Dequantized) => string | undefined | null

function productOf(rewriter: Rewriter, node: GraphNode, readBias: ReadBias): Product | undefined {
  if (node.op === 'Add') return sumOf(rewriter, node, readBias)
  if (node.op !== 'Gemm' && node.op !== 'MatMul') return undefined
  const [a, b, c] = node.inputs
  const x = activation(rewriter, a)
  const w = weights(rewriter, b)
  if (x === undefined || w?.value.dims.length !== 2) return undefined
  const { attributes } = node
  if (node.op === 'MatMul') {
    if (!w.perTensor && w.axis !== 1 && w.axis !== -1) return undefined
    return { x, w, matrix: w.codes, bias: undefined }
  }
  if (attributes.int('transA', 0) !== 0 || attributes.float('alpha', 1) !== 1) return undefined
  if (c !== undefined && c !== '' && attributes.float('beta', 1) !== 1) return undefined
  const turned = attributes.int('transB', 0) !== 0
  const columnAxis = turned ? 0 : 1
  if (!w.perTensor && (w.axis + 2) % 2 !== columnAxis) return undefined
  const columns = w.value.dims[columnAxis] ?? 0
  const bias = readBias(c, x, w)
  if (bias === null || !isRow(rewriter, bias, columns)) return undefined
  return { x, w, matrix: turned ? rewriter.addConstant(w.codes, turnedCodes(w.value)) : w.codes, bias }
}

/** `Add(MatMul(DQ(a), DQ(b)), c)` with a constant row c. */
function sumOf(rewriter: Rewriter, node: GraphNode, readBias: ReadBias): Product | undefined {
  for (const [product, row] of [node.inputs, node.inputs.toReversed()]) {
    const inner = rewriter.ownedBy(product, 'MatMul')
    if (inner === undefined) continue
    const found = productOf(rewriter, inner, readBias)
    const columns = rewriter.constant(found?.w.codes)?.dims[1] ?? 0
    if (found === undefined) continue
    const bias = readBias(row, found.x, found.w)
    if (bias === null || bias === undefined || !isRow(rewriter, bias, columns)) continue
    return { ...found, bias }
  }
  return undefined
}

/** Whether a bias has one value per column; absent ones do. */
function isRow(rewriter: Rewriter, name: string | undefined, columns: number): boolean {
  if (name === undefined) return true
  const dims = rewriter.constant(name)?.dims ?? []
  return (
    dims.length > 0 && dims.at(-1) === columns && dims.every((size, axis) => axis === dims.length - 1 || size === 1)
  )
}

function turnedCodes(value: Value): Value {
  const [rows = 1, columns = 1] = value.dims
  const from = value.data as Int8Array | Uint8Array
  const to = new (from.constructor as Int8ArrayConstructor)(from.length)
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) to[c * rows + r] = from[r * columns + c] ?? 0
  return { ...value, dims: [columns, rows], data: to } as Value
}

/** QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear (numerics.md 2, the ONNX face). */
import { step } from '../../backend/steps'
import type { GraphNode } from '../../graph/graph'
import { host, type Lowering } from '../../runtime/steps'
import { allocateFor, computed, ofType, type TypedValue, type Value } from '../../runtime/value'
import { channelSplit } from '../../tensor/split'
import { resolveAxis, shapeText, sizeOf } from '../../tensor/shape'
import type { QParams } from '../../tensor/qparams'
import { toCode } from '../../tensor/rounding'
import { contiguous } from '../../runtime/format'
import { floatToHalf, halfToFloat } from '../half'
import { typeNumbers, typeOfNumber, type ElementType, type NumericType } from '../types'
import { need, needKnown, optionalKnown, unsupported, wrong, type Inputs, type Operators } from './operator'
import { needParams, scalesOf, zeroPointsOf } from './qparams'

const { fround } = Math

/** Types of codes with their ranges. */
const ranges = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65535],
  int16: [-32768, 32767],
  uint4: [0, 15],
  int4: [-8, 7],
} as const
type CodeType = keyof typeof ranges

function isCodeType(type: ElementType): type is CodeType {
  return Object.hasOwn(ranges, type)
}

function* quantizeLinear(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const given = need(node, inputs, 0)
  const type = outputType(node, inputs[2])
  const [qmin, qmax] = ranges[type]
  const axis = axisOf(node, given, inputs[1])
  if (isBlocked(node)) return yield* blocked(node, inputs, type)
  const qparams = needParams(node, inputs, 1, 2, axis)
  checkChannels(node, given, qparams)
  const x = yield* asFloats(node, given)
  const y = allocateFor(type, x.dims)
  if (y.length > 0) {
    const { split, scales, zeroPoints } = channelSplit(x.dims, x.format, qparams)
    const parameters = { x: x.data, split, scales, zeroPoints, qmin, qmax, divide: true }
    if (type === 'uint8' || type === 'int8') yield step('quantize', { ...parameters, y: y as Uint8Array | Int8Array })
    else {
      const wide = new Int32Array(y.length)
      yield step('quantize', { ...parameters, y: wide })
      yield host(`narrow to ${type}`, [wide] as const, [y] as const, ([from], [to]) => {
        to.set(from)
      })
    }
  }
  return [computed(type, x.dims, y, x.format) as Value]
}

function outputType(node: GraphNode, zeroPoint: Value | undefined): CodeType {
  const stated = node.attributes.int('output_dtype', 0)
  const type = zeroPoint?.type ?? (stated === 0 ? 'uint8' : typeOfNumber(stated))
  if (type === undefined || !isCodeType(type)) throw unsupported(node, `an output of type ${String(type ?? stated)}`)
  return type
}

function* dequantizeLinear(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const given = need(node, inputs, 0)
  if (!isCodeType(given.type) && given.type !== 'int32') throw unsupported(node, `an input of type ${given.type}`)
  const axis = axisOf(node, given, inputs[1])
  const result = inputs[1]?.type === 'float16' ? 'float16' : 'float32'
  const stated = node.attributes.int('output_dtype', 0)
  if (stated !== 0 && stated !== typeNumbers[result]) throw unsupported(node, `output_dtype ${String(stated)}`)
  if (isBlocked(node)) return yield* blocked(node, inputs, undefined)
  const qparams = needParams(node, inputs, 1, 2, axis)
  checkChannels(node, given, qparams)
  const { split, scales, zeroPoints } = channelSplit(given.dims, given.format, qparams)
  const floats = allocateFor('float32', given.dims)
  if (floats.length > 0) {
    let x = given.data as Uint8Array | Int8Array | Int32Array
    if (given.type !== 'uint8' && given.type !== 'int8' && given.type !== 'int32') {
      const wide = new Int32Array(x.length)
      yield host('widen', [given.data as Int8Array] as const, [wide] as const, ([from], [to]) => {
        to.set(from)
      })
      x = wide
    }
    yield step('dequantize', { x, y: floats, split, scales, zeroPoints })
  }
  const value = computed('float32', given.dims, floats, given.format)
  return [result === 'float16' ? yield* asHalves(value) : value]
}

/** The axis of parameters per channel; a lone scale has none. */
function axisOf(node: GraphNode, x: Value, scale: Value | undefined): number {
  if (scale === undefined || sizeOf(scale.dims) === 1) return 0
  return resolveAxis(node.op, node.attributes.int('axis', 1), x.dims.length)
}

function checkChannels(node: GraphNode, x: Value, qparams: QParams): void {
  if (qparams.kind === 'perChannel' && qparams.scales.length !== x.dims[qparams.axis])
    throw wrong(
      node,
      `${String(qparams.scales.length)} scales for axis ${String(qparams.axis)} of ${shapeText(x.dims)}`,
    )
}

function isBlocked(node: GraphNode): boolean {
  return node.attributes.int('block_size', 0) !== 0
}

/** Parameters that hold for a block of `block_size` elements along the axis. */
function* blocked(node: GraphNode, inputs: Inputs, type: CodeType | undefined): Lowering<readonly Value[]> {
  const given = yield* contiguous(need(node, inputs, 0))
  const scale = needKnown(node, inputs, 1)
  const zeroPoint = zeroPointsOf(node, optionalKnown(node, inputs, 2))
  const scales = scalesOf(node, scale)
  const axis = resolveAxis(node.op, node.attributes.int('axis', 1), given.dims.length)
  const block = node.attributes.int('block_size', 0)
  const length = given.dims[axis] ?? 1
  const blocks = Math.ceil(length / block)
  if (block < 1 || scale.dims.some((size, a) => size !== (a === axis ? blocks : given.dims[a])))
    throw wrong(node, `scales ${shapeText(scale.dims)} are not blocks of ${String(block)} of ${shapeText(given.dims)}`)
  const inner = sizeOf(given.dims.slice(axis + 1))
  const place = (i: number): number => {
    const outer = Math.floor(i / (inner * length))
    return (outer * blocks + Math.floor((Math.floor(i / inner) % length) / block)) * inner + (i % inner)
  }
  if (type === undefined) {
    const y = allocateFor('float32', given.dims)
    yield host('dequantize blocks', [given.data as Int8Array] as const, [y] as const, ([from], [to]) => {
      from.forEach((code, i) => {
        to[i] = fround(fround(code - (zeroPoint?.[place(i)] ?? 0)) * (scales[place(i)] ?? 1))
      })
    })
    return [computed('float32', given.dims, y)]
  }
  const x = yield* asFloats(node, given)
  const [qmin, qmax] = ranges[type]
  const y = allocateFor<NumericType>(type, given.dims) as Int8Array
  yield host('quantize blocks', [x.data] as const, [y] as const, ([from], [to]) => {
    from.forEach((value, i) => {
      const zero = zeroPoint?.[place(i)] ?? 0
      const steps = fround(value / (scales[place(i)] ?? 1))
      to[i] = toCode(Number.isNaN(steps) ? 0 : steps, zero, qmin, qmax)
    })
  })
  return [computed(type, given.dims, y as never) as Value]
}

/** float32 elements of a float value. */
function* asFloats(node: GraphNode, value: Value): Lowering<TypedValue<'float32'>> {
  const x = ofType(node, value, 'x', 'float32', 'float16', 'int32') as
    TypedValue<'float32'> | TypedValue<'float16'> | TypedValue<'int32'>
  if (x.type === 'float32') return x
  const data = allocateFor('float32', x.dims)
  const convert = x.type === 'float16' ? halfToFloat : fround
  yield host(`float32 of ${x.type}`, [x.data] as const, [data] as const, ([from], [to]) => {
    from.forEach((element, i) => {
      to[i] = convert(element)
    })
  })
  return computed('float32', x.dims, data, x.format)
}

function* asHalves(value: TypedValue<'float32'>): Lowering<TypedValue<'float16'>> {
  const data = allocateFor('float16', value.dims)
  yield host('float16 of float32', [value.data] as const, [data] as const, ([from], [to]) => {
    from.forEach((element, i) => {
      to[i] = floatToHalf(element)
    })
  })
  return computed('float16', value.dims, data, value.format)
}

export const quantizers: Operators = {
  QuantizeLinear: quantizeLinear,
  DequantizeLinear: dequantizeLinear,
}

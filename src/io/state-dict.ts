/**
 * State dicts and files: a quantized tensor `k` is stored as its codes `k`, its scale `k_scale` and its zero point
 * `k_zero_point` (scalars per tensor, vectors per channel), and `k_axis` where the channels are not on axis 0.
 */
import { ArgumentError, DTypeError, FormatError, Int8Error, show } from '../errors'
import type { DType, QDType, QuantizedArrays } from '../tensor/dtype'
import { fromIntRepr, isQTensor, type QTensor } from '../tensor/qtensor'
import { isTensor, Tensor } from '../tensor/tensor'

/**
 * Splits the quantized tensors of a state dict into plain ones, which a file can hold.
 *
 * @param dict - Tensors by name.
 * @throws ArgumentError where the name of a part is already taken, DTypeError where a value is not a tensor.
 * @example
 * const weight = quantizePerTensor(tensor([0.5, -1]), 0.1, 0, 'qint8')
 * toTensors(new Map([['weight', weight]])).keys() // ['weight', 'weight_scale', 'weight_zero_point']
 */
export function toTensors(
  dict: ReadonlyMap<string, Tensor<DType> | QTensor>,
  op = 'toTensors',
): Map<string, Tensor<DType>> {
  if (Object.prototype.toString.call(dict) !== '[object Map]')
    throw new ArgumentError({ op, argument: 'tensors', expected: 'a Map of tensors by name', received: show(dict) })
  const tensors = new Map<string, Tensor<DType>>()
  const add = (name: string, tensor: Tensor<DType>): void => {
    if (name === '__metadata__')
      throw new ArgumentError({
        op,
        message: 'a tensor cannot be named "__metadata__"; the format keeps its text there',
      })
    if (tensors.has(name))
      throw new ArgumentError({
        op,
        message: `the name ${JSON.stringify(name)} is taken twice: by a tensor, and by a part of a quantized tensor`,
      })
    tensors.set(name, tensor)
  }
  for (const [name, value] of dict as ReadonlyMap<unknown, unknown>) {
    if (typeof name !== 'string')
      throw new ArgumentError({ op, argument: 'a name', expected: 'a string', received: show(name) })
    if (isQTensor(value)) for (const [part, tensor] of split(value)) add(name + part, tensor)
    else if (isTensor(value)) add(name, value)
    else
      throw new DTypeError({
        op,
        argument: JSON.stringify(name),
        expected: 'a Tensor or QTensor',
        received: show(value),
      })
  }
  return tensors
}

function split(q: QTensor): [string, Tensor<DType>][] {
  const { qparams } = q
  if (qparams.kind === 'perTensor')
    return [
      ['', q.intRepr()],
      ['_scale', new Tensor('float32', [], Float32Array.of(qparams.scale))],
      ['_zero_point', new Tensor('int32', [], Int32Array.of(qparams.zeroPoint))],
    ]
  const channels = [qparams.scales.length]
  const parts: [string, Tensor<DType>][] = [
    ['', q.intRepr()],
    ['_scale', new Tensor('float32', channels, qparams.scales)],
    ['_zero_point', new Tensor('int32', channels, qparams.zeroPoints)],
  ]
  if (qparams.axis !== 0) parts.push(['_axis', new Tensor('int32', [], Int32Array.of(qparams.axis))])
  return parts
}

const quantizedDTypes: ReadonlyMap<string, QDType> = new Map<string, QDType>([
  ['uint8', 'quint8'],
  ['int8', 'qint8'],
  ['int32', 'qint32'],
])

/**
 * Joins codes with their scales and zero points: the reverse of {@link toTensors}. An integer tensor `k` beside `k_scale`
 * and `k_zero_point` becomes one quantized tensor `k`; everything else stays as it is.
 *
 * @throws FormatError where only one of the two is there, or they do not fit the codes.
 */
export function fromTensors(tensors: ReadonlyMap<string, Tensor<DType>>): Map<string, Tensor<DType> | QTensor> {
  const dict = new Map<string, Tensor<DType> | QTensor>(tensors)
  for (const [name, codes] of tensors) {
    const dtype = quantizedDTypes.get(codes.dtype)
    const scale = tensors.get(`${name}_scale`)
    const zeroPoint = tensors.get(`${name}_zero_point`)
    if (dtype === undefined || (scale === undefined && zeroPoint === undefined)) continue
    dict.set(name, join(name, codes, dtype, scale, zeroPoint, tensors.get(`${name}_axis`)))
    for (const part of ['_scale', '_zero_point', '_axis']) dict.delete(name + part)
  }
  return dict
}

function join(
  name: string,
  codes: Tensor<DType>,
  dtype: QDType,
  scale: Tensor<DType> | undefined,
  zeroPoint: Tensor<DType> | undefined,
  axis: Tensor<DType> | undefined,
): QTensor {
  const refuse = (fault: string): never => {
    throw new FormatError({ op: 'fromTensors', message: `quantized tensor ${JSON.stringify(name)}: ${fault}` })
  }
  if (scale === undefined || zeroPoint === undefined)
    return refuse(`${name}_${scale === undefined ? 'scale' : 'zero_point'} is missing, and its counterpart is there`)
  if (scale.dtype !== 'float32' || (zeroPoint.dtype !== 'int32' && zeroPoint.dtype !== 'int64'))
    return refuse(`scale and zero point must be float32 and int32, but are ${scale.dtype} and ${zeroPoint.dtype}`)
  if (scale.rank > 1 || zeroPoint.rank !== scale.rank)
    return refuse('scale and zero point must both be scalars or both be vectors')
  const scales = Array.from(scale.data, Number)
  const zeroPoints = Array.from(zeroPoint.data, Number)
  const [first = 0] = scales
  const [firstZero = 0] = zeroPoints
  const params =
    scale.rank === 0
      ? { scale: first, zeroPoint: firstZero }
      : { scales, zeroPoints, axis: axis === undefined ? 0 : Number(axis.size === 1 ? axis.item() : NaN) }
  try {
    return fromIntRepr(codes.data as QuantizedArrays[QDType], codes.shape, dtype, params)
  } catch (error) {
    if (error instanceof Int8Error) return refuse(error.message)
    throw error
  }
}

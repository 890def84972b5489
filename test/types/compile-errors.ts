/**
 * Mistakes that must not compile: `tsc -p tsconfig.json` fails where one of them does. Nothing here runs; what these calls
 * say at run time is tested beside each op.
 */
/* eslint-disable @typescript-eslint/no-unsafe-class-instance-assignment -- the mistakes are the point */
import { functional as F, ops, quantizePerTensor, tensor, zeros, type QTensor, type Tensor } from '../../src'

declare const x: Tensor
declare const ints: Tensor<'int32'>
declare const q: QTensor<'quint8'>
declare const s: QTensor<'qint8'>
declare const wide: QTensor<'qint32'>
declare const conv: ops.quantized.PackedConv<2>
declare const linear: ops.quantized.PackedLinear

export function kinds(): unknown[] {
  return [
    // @ts-expect-error a quantized tensor where a float one is wanted
    F.relu(q),
    // @ts-expect-error a float tensor where a quantized one is wanted
    ops.quantized.relu(x),
    // @ts-expect-error integers where float32 is wanted
    F.relu(ints),
    // @ts-expect-error 32-bit codes where 8-bit ones are wanted
    ops.quantized.relu(wide),
    // @ts-expect-error a quantized weight in a float convolution
    F.conv2d(x, s),
    // @ts-expect-error a float weight in a quantized convolution
    ops.quantized.conv2dPrepack(x),
    // @ts-expect-error a quantized bias
    ops.quantized.conv2dPrepack(s, q),
    // @ts-expect-error a float input to a quantized convolution
    ops.quantized.conv2d(x, conv, 1, 0),
    // @ts-expect-error a quantized input to dynamic quantization
    ops.quantized.linearDynamic(q, linear),
    // @ts-expect-error a quantized tensor is quantized again
    quantizePerTensor(q, 1, 0, 'quint8'),
  ]
}

export function packing(): unknown[] {
  return [
    // @ts-expect-error a weight that was not packed
    ops.quantized.conv2d(q, s, 1, 0),
    // @ts-expect-error packed for a linear layer
    ops.quantized.conv2d(q, linear, 1, 0),
    // @ts-expect-error packed for another number of axes
    ops.quantized.conv1d(q, conv, 1, 0),
    // @ts-expect-error the result's scale and zero point are forgotten
    ops.quantized.conv2d(q, conv),
    // @ts-expect-error a result type that is not 8 bits
    ops.quantized.conv2d(q, conv, 1, 0, { dtype: 'qint32' }),
    // @ts-expect-error a clip without bounds
    ops.quantized.conv2dClip(q, conv, 1, 0, {}),
  ]
}

export function operands(): unknown[] {
  return [
    // @ts-expect-error operands of two types
    ops.quantized.add(q, s, 1, 0),
    // @ts-expect-error operands of two types
    ops.quantized.cat([q, s], 0, {}).dtype satisfies 'quint8',
    // @ts-expect-error a misspelt option
    F.conv2d(x, x, null, { strides: 2 }),
    // @ts-expect-error an option of another op
    F.maxPool2d(x, 2, { countIncludePad: true }),
    // @ts-expect-error a dtype that does not exist
    quantizePerTensor(x, 1, 0, 'quint7'),
    // @ts-expect-error a plain dtype where a quantized one is wanted
    quantizePerTensor(x, 1, 0, 'uint8'),
  ]
}

export function results(): unknown[] {
  return [
    // @ts-expect-error a tensor is float32 unless it is told otherwise
    tensor([1]) satisfies Tensor<'int32'>,
    // @ts-expect-error the same, wanted by the context
    ((wanted: Tensor<'int32'>) => wanted)(zeros([1])),
    // @ts-expect-error codes keep their type
    ops.quantized.relu(q) satisfies QTensor<'qint8'>,
    // @ts-expect-error the result's type is the one asked for
    ops.quantized.conv2d(q, conv, 1, 0, { dtype: 'qint8' }) satisfies QTensor<'quint8'>,
    // @ts-expect-error shapes are read-only
    (x.shape[0] = 1),
  ]
}

/** What must compile, with the very types. */
export function rightUses(): unknown[] {
  return [
    ops.quantized.conv2d(q, conv, 1, 0) satisfies QTensor<'quint8'>,
    ops.quantized.conv2d(q, conv, 1, 0, { dtype: 'qint8' }) satisfies QTensor<'qint8'>,
    ops.quantized.conv2dInt32(s, conv) satisfies Tensor<'int32'>,
    ops.quantized.conv2dPrepack(s, tensor([1])) satisfies ops.quantized.PackedConv<2>,
    ops.quantized.conv2dPrepack(s, tensor([1], [1], { dtype: 'int32' })),
    q.intRepr() satisfies Tensor<'uint8'>,
    s.dequantize() satisfies Tensor,
    tensor([1n], [1], { dtype: 'int64' }).item() satisfies bigint,
  ]
}

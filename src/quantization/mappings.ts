/** Which quantized class takes the place of which float one: the table that prepare and convert share. */
import type { Layer } from '../nn/module'
import { Hardswish, LeakyReLU, Sigmoid, Softmax, Tanh } from '../nn/quantized/activation'
import { BatchNorm2d, BatchNorm3d, BNReLU2d, BNReLU3d } from '../nn/quantized/batchnorm'
import { Conv1d, Conv2d, Conv3d } from '../nn/quantized/conv'
import { ConvClip1d, ConvClip2d, ConvClip3d, ConvReLU1d, ConvReLU2d, ConvReLU3d } from '../nn/quantized/conv-fused'
import { ConvTranspose1d, ConvTranspose2d, ConvTranspose3d } from '../nn/quantized/convTranspose'
import * as dynamic from '../nn/quantized/dynamic/linear'
import { QFunctional } from '../nn/quantized/functional'
import { Linear, LinearReLU } from '../nn/quantized/linear'
import { DeQuantize, Quantize } from '../nn/quantized/stubs'

/** How a float layer becomes a quantized one. */
export interface Conversion {
  /** From what calibration has seen. */
  readonly fromFloat: (module: Layer) => Layer
  /** The same layer without weights and parameters, for a state dict. */
  readonly like: (module: Layer) => Layer
}

/** Parameters that a function's range fixes: scale, and zero point for quint8 and qint8. */
export interface FixedOutput {
  readonly scale: number
  readonly zeroPoints: { readonly quint8: number; readonly qint8: number }
}

interface QuantizedClass<Source extends Layer> {
  fromFloat(module: Source): Layer
  like?(module: Source): Layer
}

/** Each `fromFloat` checks at run time that the module is of its class, which the table's key says. */
function entry<Source extends Layer>(quantized: QuantizedClass<Source>): Conversion {
  const fromFloat = (module: Layer): Layer => quantized.fromFloat(module as Source)
  return { fromFloat, like: (module) => quantized.like?.(module as Source) ?? fromFloat(module) }
}

/** Static quantization, by the float layer's `typeName`. PyTorch: `DEFAULT_STATIC_QUANT_MODULE_MAPPINGS`. */
export const staticConversions: ReadonlyMap<string, Conversion> = new Map([
  ['nn.QuantStub', entry(Quantize)],
  ['nn.DeQuantStub', entry(DeQuantize)],
  ['nn.Conv1d', entry(Conv1d)],
  ['nn.Conv2d', entry(Conv2d)],
  ['nn.Conv3d', entry(Conv3d)],
  ['nn.ConvTranspose1d', entry(ConvTranspose1d)],
  ['nn.ConvTranspose2d', entry(ConvTranspose2d)],
  ['nn.ConvTranspose3d', entry(ConvTranspose3d)],
  ['nn.intrinsic.ConvReLU1d', entry(ConvReLU1d)],
  ['nn.intrinsic.ConvReLU2d', entry(ConvReLU2d)],
  ['nn.intrinsic.ConvReLU3d', entry(ConvReLU3d)],
  ['nn.intrinsic.ConvClip1d', entry(ConvClip1d)],
  ['nn.intrinsic.ConvClip2d', entry(ConvClip2d)],
  ['nn.intrinsic.ConvClip3d', entry(ConvClip3d)],
  ['nn.BatchNorm2d', entry(BatchNorm2d)],
  ['nn.BatchNorm3d', entry(BatchNorm3d)],
  ['nn.intrinsic.BNReLU2d', entry(BNReLU2d)],
  ['nn.intrinsic.BNReLU3d', entry(BNReLU3d)],
  ['nn.Linear', entry(Linear)],
  ['nn.intrinsic.LinearReLU', entry(LinearReLU)],
  ['nn.Sigmoid', entry(Sigmoid)],
  ['nn.Tanh', entry(Tanh)],
  ['nn.Softmax', entry(Softmax)],
  ['nn.Hardswish', entry(Hardswish)],
  ['nn.LeakyReLU', entry(LeakyReLU)],
  ['nn.FloatFunctional', entry(QFunctional)],
])

/** Dynamic quantization. PyTorch: `DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS`. */
export const dynamicConversions: ReadonlyMap<string, Conversion> = new Map([
  ['nn.Linear', entry(dynamic.Linear)],
  ['nn.intrinsic.LinearReLU', entry(dynamic.LinearReLU)],
])

/** Layers whose output parameters do not come from data. */
export const fixedOutputs: ReadonlyMap<string, FixedOutput> = new Map([
  ['nn.Sigmoid', { scale: 1 / 256, zeroPoints: { quint8: 0, qint8: -128 } }],
  ['nn.Softmax', { scale: 1 / 256, zeroPoints: { quint8: 0, qint8: -128 } }],
  ['nn.Tanh', { scale: 2 / 256, zeroPoints: { quint8: 128, qint8: 0 } }],
])

/** Whether a module of the library computes on codes as it is: it has no tensors and no parameters of its own. */
export function takesCodes(module: Layer): boolean {
  const { typeName } = module
  return typeName.startsWith('nn.') && !staticConversions.has(typeName) && !('activationPostProcess' in module)
}

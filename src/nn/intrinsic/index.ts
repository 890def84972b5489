/** Fused float layers, which `quantization.fuseModules` makes; PyTorch: `torch.nn.intrinsic`. */
export {
  ConvClip1d,
  ConvClip2d,
  ConvClip3d,
  ConvReLU1d,
  ConvReLU2d,
  ConvReLU3d,
  type ClipOptions,
  type ConvClipNd,
  type ConvReLUNd,
} from './conv'
export { LinearReLU } from './linear'
export { BNReLU2d, BNReLU3d, type BNReLUNd } from './batchnorm'

/** Functional float ops: PyTorch's `torch.nn.functional`, in float32, to the byte (numerics.md 7). */
export { conv1d, conv1dAsync, conv2d, conv2dAsync, conv3d, conv3dAsync, linear, linearAsync } from './conv'
export { convOutputShape, type ConvOptions } from '../shapes/conv'
export type { Padding } from '../shapes/axes'
export type { PerAxis } from '../options'

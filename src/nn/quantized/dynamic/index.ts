/** Layers that quantize their activations as they come; PyTorch: `torch.nn.quantized.dynamic`. */
export { Linear, LinearReLU, type DynamicLinearModule, type DynamicLinearOptions } from './linear'

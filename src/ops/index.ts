/** Checked ops on quantized tensors; the float ones are `functional`. */
export * as quantized from './quantized'

/**
 * Protects conversion against PyTorch's own: weights, scales and codes of single modules made by fromFloat, and whole nets
 * that were fused, calibrated and converted, each from the same float weights and data.
 */
import { goldenSuite } from '../support/golden-suite'
import { dynamic, functional } from './modules/functional'
import { fromFloat, fuse } from './modules/layers'
import { mistakes, workflow } from './modules/nets'

goldenSuite({
  family: 'modules',
  checks: {
    from_float: fromFloat,
    fuse_modules: fuse,
    workflow: (golden) => {
      ;(golden.params.has('qconfig') ? workflow : mistakes)(golden)
    },
    QFunctional: functional,
    quantize_dynamic: dynamic,
  },
  listed: [
    { ids: /padding_mode/, reason: 'padding is with zeros only, so far' },
    {
      ops: ['from_float'],
      ids: ['Conv2d padding same'],
      reason: "refused by PyTorch; here a quantized convolution takes 'same' as the float one does",
    },
    {
      ids: ['ConvTranspose2d per channel is refused'],
      reason: 'refused by PyTorch; here an observer along axis 0 gives a transposed convolution one scale',
    },
    {
      ops: ['from_float'],
      ids: ['LayerNorm', 'GroupNorm', 'InstanceNorm2d', 'ELU', 'PReLU', 'Hardsigmoid'],
      reason: 'this layer is not in this library yet',
    },
    {
      ops: ['from_float'],
      ids: ['Softmax'],
      reason: 'refused by PyTorch; here it becomes nn.quantized.Softmax',
    },
    {
      ops: ['construct'],
      reason:
        "a fresh layer of PyTorch has scale 1 and zero point 0; here it has none until it is given (nn's own tests)",
    },
    {
      ids: ['fuse_modules in training mode: fuse_modules refuses, fuse_modules_qat keeps bn'],
      reason: 'this library infers: modules have no training mode',
    },
    {
      ids: ['refused: the + operator on quantized tensors (FloatFunctional needed)'],
      reason: 'JavaScript has no operators on objects',
    },
    { ids: /LSTM|GRU|RNN/, reason: 'recurrent layers are not in this library yet' },
    { ids: /^Embedding/, reason: 'embeddings are not in this library yet' },
  ],
  counts: { run: 56, listed: 39 },
})

/** Every kernel by its name; a kernel of the contract that is missing here does not compile. */
import type { KernelName, Kernels } from '../contract'
import { faffine, fadd, fclamp, fmul, funary, qadd, qmul } from './elementwise'
import { fconv, fconvTransposed, flinear } from './fconv'
import { fold, stridedCopy } from './movement'
import { favgPool, fmaxPool, qavgPool, qmaxPool } from './pool'
import { qconv, qconvTransposed, qlinear } from './qconv'
import { dequantize, lookup, qclamp, quantize, requantize } from './quantize'
import { qsoftmax } from './softmax-codes'
import { fmean, minMax, softmax } from './reduce'

export const kernels: { readonly [K in KernelName]: (operands: Kernels[K]) => void } = {
  quantize,
  dequantize,
  requantize,
  qclamp,
  lookup,
  qadd,
  qmul,
  qconv,
  qconvTransposed,
  qlinear,
  qmaxPool,
  qavgPool,
  fconv,
  fconvTransposed,
  flinear,
  fadd,
  fmul,
  fclamp,
  funary,
  faffine,
  fmaxPool,
  favgPool,
  softmax,
  qsoftmax,
  fmean,
  minMax,
  stridedCopy,
  fold,
}

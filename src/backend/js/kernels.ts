/** Every kernel by its name; a kernel of the contract that is missing here does not compile. */
import type { KernelName, Kernels } from '../contract'
import { dynamicParams, dynamicRescale, quantizeBy } from './dynamic'
import { faffine, fbinary, fclamp, funary, fwhere, qadd, qmul } from './elementwise'
import { fconv, fconvTransposed, flinear } from './fconv'
import { fmatmul, qmatmulInt32 } from './matmul'
import { fold, gather, resample, stridedCopy } from './movement'
import { favgPool, fmaxPool, qavgPool, qmaxPool } from './pool'
import { qconv, qconvTransposed, qlinear } from './qconv'
import { dequantize, lookup, qclamp, quantize, requantize } from './quantize'
import { qsoftmax } from './softmax-codes'
import { freduce, layerNorm, minMax, softmax } from './reduce'

export const kernels: { readonly [K in KernelName]: (operands: Kernels[K]) => void } = {
  quantize,
  dynamicParams,
  quantizeBy,
  dynamicRescale,
  dequantize,
  requantize,
  qclamp,
  lookup,
  qadd,
  qmul,
  qconv,
  qconvTransposed,
  qlinear,
  qmatmulInt32,
  qmaxPool,
  qavgPool,
  fconv,
  fconvTransposed,
  flinear,
  fmatmul,
  fbinary,
  fwhere,
  fclamp,
  funary,
  faffine,
  fmaxPool,
  favgPool,
  softmax,
  qsoftmax,
  freduce,
  layerNorm,
  minMax,
  stridedCopy,
  gather,
  resample,
  fold,
}

// What an instruction set provides for reductions: one row, or one piece of a tensor. The driver (reduce.cc) shares
// rows and pieces among threads.
#pragma once

#include <span>

#include "int8/cpu.h"
#include "int8/reduce.h"

namespace int8 {

struct ReduceKernels {
  void (*softmax_row)(const float* x, float* y, int64_t length);
  float (*reduce)(Reduce op, const float* x, int64_t length);  // 16 lanes (numerics.md 7); kMean is the sum
  void (*layer_norm_row)(const float* x, float* y, int64_t length, const LayerNorm& norm);
  MinMax (*min_max)(const float* x, int64_t length);
  void (*softmax_codes_rows)(const uint8_t* x, CodeType type, uint8_t* y, int64_t rows, int64_t length,
                             const SoftmaxCodes& p);  // numerics.md 6
};

struct ReduceRow {
  Isa isa;
  const ReduceKernels* kernels;
};

// Best first; portable is last.
std::span<const ReduceRow> reduce_rows();

// Each defined by the file of its name: reduce_<isa>.cc.
extern const ReduceKernels kReducePortable, kReduceAvx2, kReduceAvx512Vnni, kReduceNeon;

}  // namespace int8

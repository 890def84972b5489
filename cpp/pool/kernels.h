// What an instruction set provides for the pools: a run of output pixels from the pixels of their windows. The driver
// (pool.cc) finds the pixels and shares the work among threads.
#pragma once

#include <span>

#include "int8/cpu.h"
#include "int8/pool.h"

namespace int8 {

// Neighbouring output pixels whose windows are alike.
template <class T>
struct PoolRun {
  const T* const* rows;  // [count] pixels of the first one's window, in its order (depth, row, column)
  int64_t count;
  int64_t channels;    // of each pixel
  int64_t pixels = 1;  // of the output, one behind the other
  int64_t step = 0;    // elements from a pixel of a window to that of the next window
};

// y = zero_point + rne(clamp(f(f(sum(q - x_zero_point)) * multiplier), lo - zero_point, hi - zero_point))
struct AveragePixel {
  int32_t x_zero_point;
  int32_t y_zero_point;
  int32_t lo;
  int32_t hi;
  float multiplier;
};

struct PoolKernels {
  void (*qmax)(const PoolRun<uint8_t>& run, CodeType type, uint8_t* y);
  void (*qavg)(const PoolRun<uint8_t>& run, CodeType x_type, uint8_t* y, const AveragePixel& p);
  void (*fmax)(const PoolRun<float>& run, float* y);
  void (*favg)(const PoolRun<float>& run, float* y, float divisor);
};

struct PoolRow {
  Isa isa;
  const PoolKernels* kernels;
};

// Best first; portable is last.
std::span<const PoolRow> pool_rows();

// Each defined by the file of its name: pool_<isa>.cc.
extern const PoolKernels kPoolPortable, kPoolAvx2, kPoolAvx512Vnni, kPoolNeon;

}  // namespace int8

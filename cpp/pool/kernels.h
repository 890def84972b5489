// What an instruction set provides for the pools: one output pixel from the pixels of its window. The driver (pool.cc)
// finds the pixels and shares the work among threads.
//
// `rows` holds `count` pointers to pixels of `channels` elements, in the window's order (depth, row, column).
#pragma once

#include <span>

#include "int8/cpu.h"
#include "int8/pool.h"

namespace int8 {

template <class T>
struct PoolWindow {
  const T* const* rows;
  int64_t count;
  int64_t channels;
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
  void (*qmax)(const PoolWindow<uint8_t>& window, CodeType type, uint8_t* y);
  void (*qavg)(const PoolWindow<uint8_t>& window, CodeType x_type, uint8_t* y, const AveragePixel& p);
  void (*fmax)(const PoolWindow<float>& window, float* y);
  void (*favg)(const PoolWindow<float>& window, float* y, float divisor);
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

// Walks two operands that are broadcast against each other, row by row of the innermost axis.
#pragma once

#include <algorithm>

#include "elementwise/kernels.h"
#include "elementwise/runs.h"
#include "int8/thread_pool.h"

namespace int8 {

// An operand's row with any stride, brought to step 0 or 1: copied to `buffer` where the stride is another.
template <class T>
Stepped<T> step_row(const T* p, int64_t stride, int64_t n, T* buffer) {
  if (stride == 0 || stride == 1) return {p, stride};
  for (int64_t i = 0; i < n; ++i) buffer[i] = p[i * stride];
  return {buffer, 1};
}

// Calls row(Stepped a, Stepped b, T* y, n) for pieces of rows that cover y.
template <class T, class Fn>
void for_rows(const Broadcast& broadcast, const T* a, const T* b, T* y, Fn row, int64_t grain = kGrain<T>) {
  constexpr size_t kMaxRank = 8;
  constexpr int64_t kBuffer = 256;
  const size_t rank = broadcast.shape.size();
  const int64_t inner = broadcast.shape[rank - 1];
  const int64_t a_inner = broadcast.a_strides[rank - 1], b_inner = broadcast.b_strides[rank - 1];
  const bool unit_steps = (a_inner == 0 || a_inner == 1) && (b_inner == 0 || b_inner == 1);
  int64_t size = 1;
  for (const int64_t length : broadcast.shape) size *= length;

  auto task = [&](int64_t begin, int64_t end) {
    int64_t index[kMaxRank] = {};
    int64_t a_row = 0, b_row = 0;  // offsets of the row's first element
    int64_t rest = begin / inner;
    for (size_t d = rank - 1; d-- > 0;) {
      index[d] = rest % broadcast.shape[d];
      rest /= broadcast.shape[d];
      a_row += index[d] * broadcast.a_strides[d];
      b_row += index[d] * broadcast.b_strides[d];
    }
    T a_buffer[kBuffer], b_buffer[kBuffer];
    int64_t column = begin % inner;
    for (int64_t i = begin; i < end;) {
      int64_t n = std::min(inner - column, end - i);
      if (!unit_steps) n = std::min(n, kBuffer);
      row(step_row(a + a_row + column * a_inner, a_inner, n, a_buffer),
          step_row(b + b_row + column * b_inner, b_inner, n, b_buffer), y + i, n);
      i += n;
      column += n;
      if (column < inner) continue;
      column = 0;
      for (size_t d = rank - 1; d-- > 0;) {
        a_row += broadcast.a_strides[d];
        b_row += broadcast.b_strides[d];
        if (++index[d] < broadcast.shape[d]) break;
        index[d] = 0;
        a_row -= broadcast.shape[d] * broadcast.a_strides[d];
        b_row -= broadcast.shape[d] * broadcast.b_strides[d];
      }
    }
  };
  parallel_for(size, grain, task);
}

}  // namespace int8

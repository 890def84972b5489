// Square depthwise kernels of 3 or 5 columns at stride 1 or 2 along the width, codes out, weight zero points 0: what
// networks consist of. The text that instruction sets share; only their files include it.
//
// A column of the image, the taps of one kernel column, is widened once and added to every output that it belongs to:
// `in flight` outputs stand in a ring of accumulators, the oldest is complete when the column of its last tap has come.
//
// Ops gives the registers:
//   Vec                       a vector of int32
//   kBlock, kChannels         channels of a block, and how many of them are computed at a time
//   kVectors                  Vec for so many channels
//   Column<kTaps>             load(rows, distance): the widened column; units() of kVectors Vec
//   Weights<kTaps>            of one group of channels: multiply(acc, column, kw) adds column * w[kw]
//   Constants                 of the epilogue, for the channels that exist
//   offset(b, group, i)       the accumulators' start
//   store<kBound>(acc, multipliers, constants, y)
#pragma once

#include "conv/depthwise.h"

namespace int8 {
namespace {

template <class Ops, int kTaps, int kStride, bool kBound>
__attribute__((noinline)) void run_ring(const DepthwiseBlock& b, const EpilogueScalars& e) {
  using Vec = typename Ops::Vec;
  constexpr int kVectors = Ops::kVectors;
  constexpr int kInFlight = (kTaps + kStride - 1) / kStride;
  for (int group = 0; group * Ops::kChannels < b.n; group++) {
    const int64_t first = group * Ops::kChannels;
    const typename Ops::template Weights<kTaps> weights(b, group);
    const typename Ops::Constants constants(e, b.n - first);
    const float* multipliers = b.multipliers + first;
    Vec offsets[kVectors];
    INT8_UNROLL for (int i = 0; i < kVectors; i++) offsets[i] = Ops::offset(b, group, i);
    for (int64_t r = 0; r < b.rows; r++) {
      const uint8_t* rows[kTaps];
      INT8_UNROLL for (int t = 0; t < kTaps; t++) rows[t] = b.x + r * b.x_row + b.taps[t] + first;
      uint8_t* y = b.y + r * b.y_row + first;
      Vec acc[kInFlight][kVectors];
      INT8_UNROLL for (int j = 0; j < kInFlight; j++) {
        INT8_UNROLL for (int i = 0; i < kVectors; i++) acc[j][i] = offsets[i];
      }
      const int64_t steps = b.columns + kInFlight - 1;
      int64_t distance = 0;
      for (int64_t m = 0; m < steps; m++) {
        {
          const auto column = Ops::template load<kTaps>(rows, distance);
          INT8_UNROLL for (int j = 0; j < kInFlight; j++) weights.multiply(acc[j], column, kStride * j);
          distance += b.column;
        }
        if (m >= kInFlight - 1) {
          Ops::template store<kBound>(acc[kInFlight - 1], multipliers, constants, y);
          y += b.y_pixel;
        }
        if (kStride == 2 && m + 1 < steps) {
          const auto column = Ops::template load<kTaps>(rows, distance);
          INT8_UNROLL for (int j = 0; j < kInFlight - 1; j++) weights.multiply(acc[j], column, kStride * j + 1);
          distance += b.column;
        }
        INT8_UNROLL for (int j = kInFlight - 1; j > 0; j--) {
          INT8_UNROLL for (int i = 0; i < kVectors; i++) acc[j][i] = acc[j - 1][i];
        }
        INT8_UNROLL for (int i = 0; i < kVectors; i++) acc[0][i] = offsets[i];
      }
    }
  }
}

template <class Ops, int kTaps, int kStride>
void run_bounded(const DepthwiseBlock& b, const EpilogueScalars& e) {
  e.unbounded ? run_ring<Ops, kTaps, kStride, true>(b, e) : run_ring<Ops, kTaps, kStride, false>(b, e);
}

// False if it is none of these kernels.
template <class Ops>
bool run_square(const DepthwiseBlock& b, const EpilogueScalars& e) {
  const bool codes = e.kind == OutputKind::kU8 || e.kind == OutputKind::kS8;
  if (!codes || b.zero_points != nullptr || b.square == 0) return false;
  const bool one = b.x_pixel == b.column;
  if (!one && b.x_pixel != 2 * b.column) return false;
  if (b.square == 3) {
    one ? run_bounded<Ops, 3, 1>(b, e) : run_bounded<Ops, 3, 2>(b, e);
  } else {
    one ? run_bounded<Ops, 5, 1>(b, e) : run_bounded<Ops, 5, 2>(b, e);
  }
  return true;
}

}  // namespace
}  // namespace int8

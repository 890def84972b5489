// Square depthwise kernels by a ring of accumulators. The text that instruction sets share; only their files include
// it.
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

#include "conv/depthwise_columns.h"

namespace int8 {
namespace {

template <class Ops, int kTaps, int kStride, bool kBound>
__attribute__((noinline)) void run_ring(const DepthwiseSquare& b, const EpilogueScalars& e) {
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
      DepthwiseColumns<kTaps> columns(b, r * b.line_step, b.first + first);
      uint8_t* y = b.y + r * b.y_row + first;
      Vec acc[kInFlight][kVectors];
      INT8_UNROLL for (int j = 0; j < kInFlight; j++) {
        INT8_UNROLL for (int i = 0; i < kVectors; i++) acc[j][i] = offsets[i];
      }
      const int64_t steps = b.columns + kInFlight - 1;
      for (int64_t m = 0; m < steps; m++) {
        {
          const int64_t distance = columns.next();
          const auto column = Ops::template load<kTaps>(columns.at, distance);
          INT8_UNROLL for (int j = 0; j < kInFlight; j++) weights.multiply(acc[j], column, kStride * j);
        }
        if (m >= kInFlight - 1) {
          Ops::template store<kBound>(acc[kInFlight - 1], multipliers, constants, y);
          y += b.y_pixel;
        }
        if (kStride == 2 && m + 1 < steps) {
          const int64_t distance = columns.next();
          const auto column = Ops::template load<kTaps>(columns.at, distance);
          INT8_UNROLL for (int j = 0; j < kInFlight - 1; j++) weights.multiply(acc[j], column, kStride * j + 1);
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
void run_bounded(const DepthwiseSquare& b, const EpilogueScalars& e) {
  e.unbounded ? run_ring<Ops, kTaps, kStride, true>(b, e) : run_ring<Ops, kTaps, kStride, false>(b, e);
}

template <class Ops>
void run_square(const DepthwiseSquare& b, const EpilogueScalars& e) {
  if (b.size == 3) {
    b.step == 1 ? run_bounded<Ops, 3, 1>(b, e) : run_bounded<Ops, 3, 2>(b, e);
  } else {
    b.step == 1 ? run_bounded<Ops, 5, 1>(b, e) : run_bounded<Ops, 5, 2>(b, e);
  }
}

}  // namespace
}  // namespace int8

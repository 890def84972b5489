// Groups of 4 or 8 channels, as many out as in, of any kernel over a strip (depthwise.h): as in a depthwise kernel each
// lane of a vector has channels of its own, here a quad of a group's inputs, and nothing is broadcast. (Groups of 16
// fill GEMM's tiles well enough: there this is no faster.)
//
// Codes  a tap's channels as they lie, `block` of them: quad h of a group in lane h. Groups of 8 are turned once, so
//        that lane h holds quad h ^ 1: each output quad meets each input quad.
// W      four vectors for each turn: lane h of vector j is for channel j of output quad h.
// Tile   kPixels pixels; their 4 * kPixels accumulators lie in registers, and go to the stack once for the epilogue,
//        which both sizes of groups share.
// Out    lanes are transposed four by four, into the order of the other depthwise kernels.
// Tails  pixels: the last one again.
//
// Only files of instruction sets include it, behind what defines INT8_UNROLL and INT8_INLINE. Ops provides Vec, Codes,
// Weights, Constants, kBlock, kPixels, zero, load, turned, turned_lanes, weights, dot, add and finish.
#pragma once

#include "conv/depthwise.h"

namespace int8 {
namespace {

template <class Ops>
struct GroupSums {
  typename Ops::Vec v[Ops::kPixels][4];
};

template <class Ops>
INT8_INLINE void add_turn(GroupSums<Ops>& acc, const typename Ops::Codes (&in)[Ops::kPixels], const int8_t* w) {
  INT8_UNROLL for (int j = 0; j < 4; j++) {
    const typename Ops::Weights wj = Ops::weights(w + j * Ops::kBlock);
    INT8_UNROLL for (int p = 0; p < Ops::kPixels; p++) acc.v[p][j] = Ops::dot(acc.v[p][j], in[p], wj);
  }
}

template <class Ops, int kQuads>
__attribute__((noinline)) void multiply_groups(const DepthwiseBlock& b, const uint8_t* const (&x)[Ops::kPixels],
                                               GroupSums<Ops>& out) {
  constexpr int64_t kTurn = 4 * Ops::kBlock;
  GroupSums<Ops> acc;
  INT8_UNROLL for (int p = 0; p < Ops::kPixels; p++) {
    INT8_UNROLL for (int j = 0; j < 4; j++) acc.v[p][j] = Ops::zero();
  }
  const int8_t* w = b.w;
  for (int64_t q = 0; q < b.quads; q += kQuads, w += kQuads * kTurn) {
    const int64_t d = b.taps[4 * q];
    typename Ops::Codes in[Ops::kPixels];
    INT8_UNROLL for (int p = 0; p < Ops::kPixels; p++) in[p] = Ops::load(x[p] + d);
    add_turn<Ops>(acc, in, w);
    if (kQuads == 1) continue;
    INT8_UNROLL for (int p = 0; p < Ops::kPixels; p++) in[p] = Ops::turned(in[p]);
    add_turn<Ops>(acc, in, w + kTurn);
  }
  out = acc;
}

// What weights' zero points are multiplied with: each group's codes under a pixel, in each of its lanes.
template <class Ops>
__attribute__((noinline)) typename Ops::Vec sum_of_groups(const DepthwiseBlock& b, const uint8_t* x) {
  alignas(64) int8_t ones[Ops::kBlock];
  for (int8_t& one : ones) one = 1;
  typename Ops::Vec sum = Ops::zero();
  for (int64_t q = 0; q < b.quads; q += b.group_quads) {
    sum = Ops::dot(sum, Ops::load(x + b.taps[4 * q]), Ops::weights(ones));
  }
  return b.group_quads == 1 ? sum : Ops::add(sum, Ops::turned_lanes(sum));
}

template <class Ops>
void run_groups(const DepthwiseBlock& b, const EpilogueScalars& e) {
  const typename Ops::Constants constants(e, b.n);
  auto* multiply = b.group_quads == 1 ? multiply_groups<Ops, 1> : multiply_groups<Ops, 2>;
  for (int64_t r = 0; r < b.rows; r++) {
    for (int64_t first = 0; first < b.columns; first += Ops::kPixels) {
      const uint8_t* x[Ops::kPixels];
      for (int64_t p = 0; p < Ops::kPixels; p++) {
        const int64_t column = first + p < b.columns ? first + p : b.columns - 1;
        x[p] = b.x + r * b.x_row + column * b.x_pixel;
      }
      GroupSums<Ops> sums;
      multiply(b, x, sums);
      for (int64_t p = 0; p < Ops::kPixels && first + p < b.columns; p++) {
        Ops::finish(sums.v[p], x[p], b, e, constants, b.y + r * b.y_row + (first + p) * b.y_pixel);
      }
    }
  }
}

}  // namespace
}  // namespace int8

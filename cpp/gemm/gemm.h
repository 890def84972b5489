// The quantized GEMM family: what the drivers in conv/ hand to a microkernel, and the table of kernels.
//
//   acc[m][n] = offset[n] - zw[n]*row_sum[m] + sum_{t<taps} sum_{i<k} x[t][m][i] * w[n][t][i]      (numerics.md 4)
//   y[m][n]   = epilogue(acc[m][n])                                                              (numerics.md 5)
//
// x is u8 and w is s8 here whatever the user's types are: codes of the other sign are shifted by 128 on the way in, and
// zero points with them. offset[n] = bias[n] - zx * sum(w[n] - zw[n]) and everything else wraps modulo 2^32.
#pragma once

#include <array>
#include <span>

#include "core/cpu_features.h"
#include "int8/qconv.h"

namespace int8 {

// One panel: `m` rows of x against up to `nr` channels.
struct GemmBlock {
  // Row r of tap t starts at rows[t*row_pitch + r] + x_offset; k bytes are readable there, not one more. The pointers
  // of the mr - 1 rows behind the last repeat it (repeat_last_row).
  const uint8_t* const* rows = nullptr;
  int64_t row_pitch = 0;
  int64_t x_offset = 0;
  int64_t m = 0;
  int64_t taps = 0;
  int64_t k = 0;
  // The same rows for kernels that have a `gather`: row r at x + r*x_pitch, `depth` bytes, its taps one after the
  // other. What lies behind taps*k is any initialised memory. Null where the weights' taps are not joined.
  const uint8_t* x = nullptr;
  int64_t x_pitch = 0;
  int64_t depth = 0;
  const int8_t* w = nullptr;  // the panel as pack_panels writes it, zero padded, aligned
  int64_t n = 0;              // channels that exist, 1 to nr

  // Per channel, padded to the panel's width, 64-byte aligned.
  const int32_t* offsets = nullptr;
  const int32_t* zero_points = nullptr;  // zw; null if all of them are 0
  const int32_t* row_sums = nullptr;     // [m], sum over taps and k; null if zero_points is
  const float* multipliers = nullptr;    // null for kS32
  const float* bias = nullptr;           // kF32 only, may be null

  uint8_t* y = nullptr;  // row r starts at y + r*y_pitch
  int64_t y_pitch = 0;   // bytes
};

// The epilogue's scalars.
struct EpilogueScalars {
  OutputKind kind = OutputKind::kU8;
  // Some f(f(acc)*M) may lie outside int32, so it is bounded before it is converted. False where every M is below 1.
  bool unbounded = true;
  int32_t zero_point = 0;  // kU8, kS8: in codes
  int32_t lo = 0;
  int32_t hi = 255;
  float float_lo = 0;  // kF32
  float float_hi = 0;
};

// Completes the pointers of m rows; row_pitch is at least m + mr - 1.
inline void repeat_last_row(const uint8_t** rows, int64_t row_pitch, int64_t taps, int64_t m, int64_t mr) {
  for (int64_t t = 0; t < taps; t++, rows += row_pitch) {
    for (int64_t r = m; r < m + mr - 1; r++) rows[r] = rows[m - 1];
  }
}

// One panel against segments of output rows of a convolution: neighbouring pixels, whose inputs lie at one distance
// from each other, under every tap. `panel` has the weights, the parameters and y_pitch; its rows, m, k, zero points
// and y are not used.
struct SegmentBlock {
  GemmBlock panel;
  int64_t count = 0;                  // segments
  int64_t length = 0;                 // pixels of each, 1 to 16
  const uint8_t* const* x = nullptr;  // [count] the first pixel's first tap
  int64_t x_step = 0;                 // bytes from a pixel's tap to the next pixel's
  uint8_t* const* y = nullptr;        // [count] the first pixel's first channel of the panel
  const int64_t* taps = nullptr;      // [tap_count] bytes from a pixel's first tap
  int64_t tap_count = 0;
  // Bytes of a tap: equal steps of up to the row's depth_quantum (even_step). So much is readable; what lies behind the
  // tap meets zero weights.
  int64_t k = 0;
};

// Writes y of all segments. They may overlap: then they write the same.
using SegmentsFn = void(const SegmentBlock& block, const EpilogueScalars& epilogue);
// Writes y[m][n] for all rows of the block.
using GemmFn = void(const GemmBlock& block, const EpilogueScalars& epilogue);
// Writes m rows of `depth` bytes to `out`, which has kGatherSlack bytes behind the last.
using GatherFn = void(const GemmBlock& block, uint8_t* out);
inline constexpr int64_t kGatherSlack = 64;
// sums[r] = sum of row r's bytes over taps and k.
using RowSumsFn = void(const GemmBlock& block, int32_t* sums);

struct GemmRow {
  Isa isa;      // features needed
  int mr;       // rows of the widest register tile: drivers cut rows into multiples of it
  int nr;       // channels of a panel
  int quantum;  // the last panel of a group is rounded up to this many channels, the others have nr
  int kr;       // consecutive k of one channel
  GemmFn* run;
  RowSumsFn* row_sums;
  int macs_per_ns;  // of one thread, roughly: what makes a layer worth several
  // Kernels that want dense rows: how they are made where they are not so already. Packed weights then have the taps of
  // a channel joined and padded once (PanelLayout).
  GatherFn* gather = nullptr;
  int depth_quantum = 1;
  SegmentsFn* run_segments = nullptr;  // may be null: not all kernels have one
  // Multiplies x - 128 as s8: the offsets hold 128*sum(w) for it.
  bool signed_x = false;
  int split = 0;  // a panel is packed as parts of this many channels, one after the other; 0: as one
  // Weights whose taps have fewer bytes each, or in all, are left to the next row of the table.
  int64_t least_k = 0;
  int64_t least_depth = 0;
  const GemmRow* small_pairs = nullptr;  // a faster row, taken instead for weights that pairs_fit (pack.h)
};

// Best first; portable is last.
std::span<const GemmRow> gemm_rows();
// The row for weights of `taps` taps of k bytes.
const GemmRow& select_gemm_row(Isa isa, int64_t taps, int64_t k);

namespace gemm {

extern const GemmRow kPortable;
#ifdef INT8_ARCH_X64
extern const GemmRow kAvx512Vnni;
extern const GemmRow kAvx512Amx;
extern const GemmRow kAvxVnni;
extern const GemmRow kAvx2;
extern const GemmRow kAvx2Pairs;
#endif
#ifdef INT8_ARCH_ARM64
extern const GemmRow kI8mm;
extern const GemmRow kDotprod;
extern const GemmRow kNeon;
#endif

}  // namespace gemm

}  // namespace int8

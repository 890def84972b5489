// Y[m,n] = epilogue(offset[n] - zw[n]*sum(X[m]) + sum_k X[m,k] * W[k,n]) on tile registers (numerics.md 4, 5).
//
// Tile   32 rows x 32 channels, K by 64 or less: 2 x 2 accumulators (tmm0-3), 2 of X (tmm4, 5), 2 of W (tmm6, 7).
//        A tdpbusd multiplies 16 x 64 by 64 x 16 in 16 cycles; four of them, 64 cycles, need four tile loads of 8.
// X      dense rows of b.depth bytes (GemmRow::gather makes them where they are not): all taps of a row lie one after
//        the other, so K is padded once. Or segments of output rows under taps.
// Steps  a tile is configured for any K up to 64, though it takes no less time: K is cut into equal steps, 96 into two
//        of 48, so that rows need not be copied to be padded.
// W      panels of pack_panels: [K/4][width][4], zero padded, so what X holds past K is of no account. 16 quads of 16
//        channels are a tile as they lie.
// Cache  X of a tile's rows stays in the first cache for both parts of a panel; W is read with the hint of streaming,
//        so that it does not drive X out: with plain loads 1024x1024x1024 takes half as long again.
// Tried  tiles that start with the offsets (loaded with a stride of 0): slower than adding them in the epilogue.
//        Finishing the sums of one block a few rows at a time between the products of the next: a quarter slower where
//        K is small, no faster where it is not.
// Exact  tdpbusd does not saturate; sums wrap.
// Tails  m: the last tile is configured with fewer rows, so nothing past the last is read, and it takes less time;
//        n: one tile of channels instead of two, the store masked.
// Small  few rows are bound by reading W: up to kFewRows go to the vpdpbusd tiles, which read the same panels, as do
//        windows whose taps are not joined and that no segments cover. A K of up to 32 leaves half of a tile
//        empty, and the epilogue, which is then most of the time, takes its sums from memory: such weights are packed
//        for the vpdpbusd tiles alone, which are up to a quarter faster there.
// State  tiles are configured at the start of a panel and released at its end: a thread that keeps tile state makes
//        each of its context switches save 8 KB.
#include <cstring>

#include "gemm/epilogue_avx512.h"

namespace int8 {
namespace {

constexpr int64_t kRows = 16;  // of a tile
constexpr int64_t kStep = 64;  // bytes of K that a tile holds
constexpr int64_t kFewRows = 4;
constexpr int64_t kSplit = 32;         // channels of a part of a panel
constexpr int64_t kStreamDepth = 384;  // from here on a panel of 24 KB or more would fill the first cache

// The tiles' share of K, a multiple of 4 like all of it: the fewest equal steps.
int64_t step_of(int64_t depth) {
  int64_t steps = (depth + kStep - 1) / kStep;
  while (depth % (4 * steps) != 0) steps++;
  return depth / steps;
}

struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

// Tiles for `first` and `second` rows of X (one tile if the latter is 0) and steps of K of `step` bytes.
void configure(int64_t first, int64_t second, int64_t step) {
  TileConfig c;
  const int64_t rows[8] = {first, first, second, second, first, second, step / 4, step / 4};
  for (int t = 0; t < 8; t++) {
    c.row_bytes[t] = t == 4 || t == 5 ? static_cast<uint16_t>(step) : 64;
    c.rows[t] = static_cast<uint8_t>(rows[t] > 0 ? rows[t] : 1);
  }
#ifdef __GNUC__
  __asm__ volatile("" : : "r"(&c) : "memory");  // GCC's intrinsic is said to read 8 bytes of it
#endif
  _tile_loadconfig(&c);
}

// Where the two tiles of X read: rows `pitch` bytes apart, from `upper` and `lower` plus each tap's distance on.
struct TileSource {
  const uint8_t* upper;
  const uint8_t* lower;
  int64_t pitch;
  const int64_t* taps;
  int64_t tap_count;
  int64_t k;     // bytes of a tap, a multiple of `step`
  int64_t step;  // bytes of K that the tiles are configured for
  int64_t depth() const { return tap_count * k; }
};

// sums[row][channel] of up to 32 rows x 16*kColumns channels over the whole depth.
template <int kTileRows, int kColumns, bool kStream>
INT8_INLINE void multiply(const TileSource& x, const int8_t* w, int32_t* sums) {
  constexpr int64_t kWPitch = kStep * kColumns;
  constexpr int64_t kPitch = 4 * kLanes * sizeof(int32_t);
  _tile_zero(0);
  if (kColumns > 1) _tile_zero(1);
  if (kTileRows > 1) _tile_zero(2);
  if (kTileRows > 1 && kColumns > 1) _tile_zero(3);
  const int64_t w_step = x.step / 4 * kWPitch;
  for (int64_t t = 0; t < x.tap_count; t++) {
    const uint8_t* upper = x.upper + x.taps[t];
    const uint8_t* lower = x.lower + x.taps[t];
    for (int64_t k = 0; k < x.k; k += x.step, w += w_step) {
      if (kStream) {
        _tile_stream_loadd(6, w, kWPitch);
      } else {
        _tile_loadd(6, w, kWPitch);
      }
      _tile_loadd(4, upper + k, x.pitch);
      _tile_dpbusd(0, 4, 6);
      if (kColumns > 1) {
        if (kStream) {
          _tile_stream_loadd(7, w + kStep, kWPitch);
        } else {
          _tile_loadd(7, w + kStep, kWPitch);
        }
        _tile_dpbusd(1, 4, 7);
      }
      if (kTileRows > 1) {
        _tile_loadd(5, lower + k, x.pitch);
        _tile_dpbusd(2, 5, 6);
        if (kColumns > 1) _tile_dpbusd(3, 5, 7);
      }
    }
  }
  _tile_stored(0, sums, kPitch);
  if (kColumns > 1) _tile_stored(1, sums + kLanes, kPitch);
  if (kTileRows > 1) _tile_stored(2, sums + kRows * 4 * kLanes, kPitch);
  if (kTileRows > 1 && kColumns > 1) _tile_stored(3, sums + kRows * 4 * kLanes + kLanes, kPitch);
}

// All NV*16 channels of a panel.
template <int kTileRows, int NV, bool kStream>
INT8_INLINE void multiply_parts(const TileSource& x, const int8_t* w, int32_t* sums) {
  multiply<kTileRows, NV == 1 ? 1 : 2, kStream>(x, w, sums);
  if (NV > 2) multiply<kTileRows, NV == 3 ? 1 : 2, kStream>(x, w + kSplit * x.depth(), sums + kSplit);
}
template <int kTileRows, int NV>
INT8_INLINE void multiply_panel(const TileSource& x, const int8_t* w, int32_t* sums) {
  if (x.depth() >= kStreamDepth) {
    multiply_parts<kTileRows, NV, true>(x, w, sums);
  } else {
    multiply_parts<kTileRows, NV, false>(x, w, sums);
  }
}

// The epilogue of rows first to first+m-1 of the block, whose sums these are.
template <int NV>
INT8_INLINE void finish_sums(const int32_t (*sums)[4 * kLanes], const GemmBlock& b, const Epilogue& e, int64_t first,
                             int64_t m) {
  constexpr int MR = NV == 1 ? 4 : 2;
  for (int64_t r = 0; r < m; r += MR) {
    __m512i acc[MR][NV];
    INT8_UNROLL for (int i = 0; i < MR; i++) {
      const int32_t* row = sums[r + i < m ? r + i : m - 1];  // finish stores the last row again
      INT8_UNROLL for (int j = 0; j < NV; j++) {
        acc[i][j] = _mm512_add_epi32(_mm512_load_si512(row + kLanes * j), _mm512_load_si512(b.offsets + kLanes * j));
      }
    }
    finish<MR, NV>(acc, b, e, first + r, m - r < MR ? m - r : MR);
  }
}

// Rows first to first+m-1, m <= 32, against the NV*16 channels of the panel.
template <int kTileRows, int NV>
__attribute__((noinline)) void tile_rows(const GemmBlock& b, const Epilogue& e, int64_t first, int64_t m) {
  alignas(64) int32_t sums[2 * kRows][4 * kLanes];
  constexpr int64_t kOneTap = 0;
  const uint8_t* x = b.x + first * b.x_pitch;
  multiply_panel<kTileRows, NV>({x, x + kRows * b.x_pitch, b.x_pitch, &kOneTap, 1, b.depth, step_of(b.depth)}, b.w,
                                sums[0]);
  finish_sums<NV>(sums, b, e, first, m);
}

template <int NV>
void panel_rows(const GemmBlock& b, const EpilogueScalars& scalars) {
  const Epilogue e = make_epilogue(scalars);
  const int64_t step = step_of(b.depth);
  int64_t r = 0;
  if (b.m >= 2 * kRows) {
    configure(kRows, kRows, step);
    for (; r + 2 * kRows <= b.m; r += 2 * kRows) tile_rows<2, NV>(b, e, r, 2 * kRows);
  }
  const int64_t left = b.m - r;
  if (left > kRows) {
    configure(kRows, left - kRows, step);
    tile_rows<2, NV>(b, e, r, left);
  } else if (left > 0) {
    configure(left, 0, step);
    tile_rows<1, NV>(b, e, r, left);
  }
  _tile_release();
}

// On the vpdpbusd tiles, through their row of the table: a copy of them here would be half of this file's code.
void run_parts(const GemmBlock& b, const EpilogueScalars& e) {
  GemmBlock part = b;
  part.n = b.n < kSplit ? b.n : kSplit;
  gemm::kAvx512Vnni.run(part, e);
  if (b.n <= kSplit) return;
  const int64_t depth = b.x == nullptr ? b.taps * ((b.k + 3) & ~int64_t{3}) : b.depth;
  part.n = b.n - kSplit;
  part.w += kSplit * depth;
  part.offsets += kSplit;
  part.zero_points += b.zero_points == nullptr ? 0 : kSplit;
  part.multipliers += b.multipliers == nullptr ? 0 : kSplit;
  part.bias += b.bias == nullptr ? 0 : kSplit;
  part.y += kSplit * (e.kind == OutputKind::kS32 || e.kind == OutputKind::kF32 ? 4 : 1);
  gemm::kAvx512Vnni.run(part, e);
}

void row_sums(const GemmBlock& b, int32_t* sums) {
  gemm::kAvx512Vnni.row_sums(b, sums);
}

void run(const GemmBlock& b, const EpilogueScalars& e) {
  if (b.x == nullptr || b.depth == 0 || (b.m <= kFewRows && b.taps == 1)) {
    run_parts(b, e);
  } else if (b.n > 48) {
    panel_rows<4>(b, e);
  } else if (b.n > 32) {
    panel_rows<3>(b, e);
  } else if (b.n > 16) {
    panel_rows<2>(b, e);
  } else {
    panel_rows<1>(b, e);
  }
}

// Two segments at a time, one in each tile of X; the last one may be alone.
template <int NV>
void panel_segments(const SegmentBlock& s, const EpilogueScalars& scalars) {
  const Epilogue e = make_epilogue(scalars);
  alignas(64) int32_t sums[2 * kRows][4 * kLanes];
  GemmBlock b = s.panel;
  configure(s.length, s.length, step_of(s.k));
  for (int64_t i = 0; i < s.count; i += 2) {
    const bool pair = i + 1 < s.count;
    const TileSource x{s.x[i], s.x[pair ? i + 1 : i], s.x_step, s.taps, s.tap_count, s.k, step_of(s.k)};
    if (pair) {
      multiply_panel<2, NV>(x, b.w, sums[0]);
    } else {
      multiply_panel<1, NV>(x, b.w, sums[0]);
    }
    b.y = s.y[i];
    finish_sums<NV>(sums, b, e, 0, s.length);
    if (!pair) break;
    b.y = s.y[i + 1];
    finish_sums<NV>(sums + kRows, b, e, 0, s.length);
  }
  _tile_release();
}

void run_segments(const SegmentBlock& s, const EpilogueScalars& e) {
  if (s.panel.n > 48) {
    panel_segments<4>(s, e);
  } else if (s.panel.n > 32) {
    panel_segments<3>(s, e);
  } else if (s.panel.n > 16) {
    panel_segments<2>(s, e);
  } else {
    panel_segments<1>(s, e);
  }
}

// Rows as the tiles take them, depth bytes each: the taps one after the other. Whole vectors are written, in ascending
// order, so that the next piece or row covers what a short one leaves; the last row leaves less than a vector behind
// it.
void gather(const GemmBlock& b, uint8_t* out) {
  const int64_t whole = b.k & ~(kStep - 1);
  const __mmask64 rest = (__mmask64{1} << (b.k - whole)) - 1;
  for (int64_t r = 0; r < b.m; r++, out += b.depth) {
    uint8_t* to = out;
    for (int64_t t = 0; t < b.taps; t++) {
      const uint8_t* p = b.rows[t * b.row_pitch + r] + b.x_offset;
      for (int64_t k = 0; k < whole; k += kStep) _mm512_storeu_si512(to + k, _mm512_loadu_si512(p + k));
      if (rest != 0) _mm512_storeu_si512(to + whole, _mm512_maskz_loadu_epi8(rest, p + whole));
      to += b.k;
    }
  }
}

}  // namespace

const GemmRow gemm::kAvx512Amx{.isa = Isa::kAvx512Amx,
                               .mr = 32,
                               .nr = 64,
                               .quantum = 16,
                               .kr = 4,
                               .run = run,
                               .row_sums = row_sums,
                               .macs_per_ns = 1500,
                               .gather = gather,
                               .depth_quantum = 64,
                               .run_segments = run_segments,
                               .split = kSplit,
                               .least_k = 9,
                               .least_depth = 33};

}  // namespace int8

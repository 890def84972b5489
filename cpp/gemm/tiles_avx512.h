// Register tiles of vpdpbusd, for the AVX-512 GEMM kernels.
//
// Tile   6 rows x 64 channels, K by 4 (c4: what vpdpbusd adds at once). A narrower last panel takes 8x48, 12x32, 12x16.
// Regs   6x64: 24 accumulators + 4 of W + 1 broadcast of X = 29 of 32 zmm.
// Loads  10 for 24 vpdpbusd, of two a cycle each: the multipliers are the limit, not the loads.
// X      row pointers, k bytes readable each, not one more; a tile wider than what is left repeats the last row.
// W      panels of pack_panels: [taps][ceil(k/4)][width][4], zero padded, 64-byte aligned.
// Exact  vpdpbusd does not saturate; sums wrap.
// Tails  k: the last 1-3 bytes of a row, put together in memory; n: masked store; m: smaller tiles of the same
//        template.
// Tried  unrolling K twice, 7x64 throughout, prefetch of the next panel: no gain. Measure: bench/cpp; read the loops
//        (npm run check:assembly): they hold 24 vpdpbusd, 10 loads, 4 prefetches and no store.
//
// Only files of instruction sets that include AVX512-VNNI include this.
#pragma once

#include <immintrin.h>

#include "gemm/epilogue_avx512.h"

namespace int8 {
namespace {

// W is fetched so many bytes before it is used: the loads in flight of a tile of several rows do not keep memory busy.
// With it, up to 6 rows cost the time of one where W comes from memory. Behind the last panel the fetch is idle.
constexpr int64_t kAhead = 2048;
// A panel of up to so many bytes stays in the first cache, of 48 KiB, while rows pass by; full tiles then fetch
// nothing.
constexpr int64_t kSmallPanel = 40 << 10;

INT8_INLINE __m512i broadcast4(const uint8_t* p) {
  int32_t v;
  __builtin_memcpy(&v, p, 4);
  return _mm512_set1_epi32(v);
}

// The last `rest` (1 to 3) of k bytes at p, zeros above them. Nothing beyond p + k is read.
INT8_INLINE uint32_t tail_of(const uint8_t* p, int64_t k, int rest) {
  if (k >= 4) {
    uint32_t v;
    __builtin_memcpy(&v, p + k - 4, 4);
    return v >> (8 * (4 - rest));
  }
  uint32_t v = p[0];
  if (rest > 1) v |= static_cast<uint32_t>(p[1]) << 8;
  if (rest > 2) v |= static_cast<uint32_t>(p[2]) << 16;
  return v;
}

template <int NV, bool kFetch>
INT8_INLINE void load_w(const int8_t* w, __m512i (&v)[NV]) {
  INT8_UNROLL for (int j = 0; j < NV; j++) {
    v[j] = _mm512_load_si512(w + 64 * j);
    if (kFetch) _mm_prefetch(reinterpret_cast<const char*>(w + 64 * j + kAhead), _MM_HINT_T0);
  }
}

template <int MR, int NV>
INT8_INLINE void keep(__m512i (&acc)[MR][NV]) {
  INT8_UNROLL for (int r = 0; r < MR; r++) {
    INT8_UNROLL for (int j = 0; j < NV; j++) INT8_KEEP(acc[r][j]);
  }
}

// Adds all taps of MR rows from `first` on, k a multiple of 4: what almost all time is spent in.
template <bool kFetch, int MR, int NV>
INT8_INLINE void add_whole_taps(const GemmBlock& b, int64_t first, __m512i (&acc)[MR][NV]) {
  const uint8_t* const* rows = b.rows + first;
  const int8_t* w = b.w;
  for (int64_t t = b.taps; t > 0; t--) {
    const uint8_t* p[MR];
    INT8_UNROLL for (int r = 0; r < MR; r++) p[r] = rows[r] + b.x_offset + b.k;
    rows += b.row_pitch;
    int64_t k = -b.k;  // up to 0: no register holds the end
    do {
      __m512i wv[NV];
      load_w<NV, kFetch>(w, wv);
      w += 64 * NV;
      INT8_UNROLL for (int r = 0; r < MR; r++) {
        const __m512i x = broadcast4(p[r] + k);
        INT8_UNROLL for (int j = 0; j < NV; j++) acc[r][j] = _mm512_dpbusd_epi32(acc[r][j], x, wv[j]);
      }
      keep(acc);
      INT8_KEEP_POINTER(w);
      k += 4;
    } while (k != 0);
  }
}

// Adds all taps of MR rows from `first` on. Where k is no multiple of 4, each tap is followed by a second part of one
// step whose rows are the last bytes, put together in memory. Both parts take the same loop: with a copy of it for the
// second, g++ 12 keeps accumulators on the stack.
template <int MR, int NV, int kSplit>
INT8_INLINE void add_taps(const GemmBlock& b, int64_t first, __m512i (&acc)[kSplit][MR][NV]) {
  const int rest = static_cast<int>(b.k % 4);
  const int64_t parts = rest == 0 ? 1 : 2;
  const uint8_t* const* rows = b.rows + first;
  const int8_t* w = b.w;
  for (int64_t i = 0; i < b.taps * parts; i++) {
    const bool last_bytes = (i & (parts - 1)) != 0;
    int64_t end = b.k - rest;
    uint32_t tails[MR];
    const uint8_t* p[MR];
    INT8_UNROLL for (int r = 0; r < MR; r++) p[r] = rows[r] + b.x_offset;
    if (last_bytes) {
      INT8_UNROLL for (int r = 0; r < MR; r++) {
        tails[r] = tail_of(p[r], b.k, rest);
        p[r] = reinterpret_cast<const uint8_t*>(&tails[r]);
      }
      end = 4;
    }
    if (last_bytes || parts == 1) rows += b.row_pitch;
    int64_t k = 0;
    if (kSplit > 1) {
      for (; k + 4 * kSplit <= end; k += 4 * kSplit) {
        INT8_UNROLL for (int s = 0; s < kSplit; s++) {
          __m512i wv[NV];
          load_w<NV, true>(w, wv);
          w += 64 * NV;
          INT8_UNROLL for (int r = 0; r < MR; r++) {
            const __m512i x = broadcast4(p[r] + k + 4 * s);
            INT8_UNROLL for (int j = 0; j < NV; j++) acc[s][r][j] = _mm512_dpbusd_epi32(acc[s][r][j], x, wv[j]);
          }
        }
      }
    }
    for (; k < end; k += 4) {
      __m512i wv[NV];
      load_w<NV, true>(w, wv);
      w += 64 * NV;
      INT8_UNROLL for (int r = 0; r < MR; r++) {
        const __m512i x = broadcast4(p[r] + k);
        INT8_UNROLL for (int j = 0; j < NV; j++) acc[0][r][j] = _mm512_dpbusd_epi32(acc[0][r][j], x, wv[j]);
      }
      keep(acc[0]);
    }
  }
}

template <int MR, int NV>
INT8_INLINE void start_from_offsets(const GemmBlock& b, __m512i (&acc)[MR][NV]) {
  INT8_UNROLL for (int j = 0; j < NV; j++) {
    const __m512i offset = _mm512_load_si512(b.offsets + kLanes * j);
    INT8_UNROLL for (int r = 0; r < MR; r++) acc[r][j] = offset;
  }
}

// Rows first to first+MR-1 of the block; k is a multiple of 4 and not 0.
template <int MR, int NV, bool kFetch>
__attribute__((noinline)) void whole_tile(const GemmBlock& b, const Epilogue& e, int64_t first) {
  __m512i acc[MR][NV];
  start_from_offsets(b, acc);
  add_whole_taps<kFetch>(b, first, acc);
  finish<MR, NV, Finish::kCompact>(acc, b, e, first, MR);
}

// Rows first to first+m-1 of the block, m <= MR, with the constants for all codes. kSplit chains per accumulator hide
// vpdpbusd's latency in small tiles.
template <int MR, int NV, int kSplit>
__attribute__((noinline)) void tile(const GemmBlock& b, const Epilogue& e, int64_t first, int64_t m) {
  __m512i acc[kSplit][MR][NV];
  start_from_offsets(b, acc[0]);
  INT8_UNROLL for (int s = 1; s < kSplit; s++) {
    INT8_UNROLL for (int r = 0; r < MR; r++) {
      INT8_UNROLL for (int j = 0; j < NV; j++) acc[s][r][j] = _mm512_setzero_si512();
    }
  }
  add_taps(b, first, acc);
  INT8_UNROLL for (int s = 1; s < kSplit; s++) {
    INT8_UNROLL for (int r = 0; r < MR; r++) {
      INT8_UNROLL for (int j = 0; j < NV; j++) acc[0][r][j] = _mm512_add_epi32(acc[0][r][j], acc[s][r][j]);
    }
  }
  finish<MR, NV, Finish::kSeldom>(acc[0], b, e, first, m);
}

// All rows of a panel whose width is NV vectors: full tiles, then one of the smallest size that holds the rest.
template <int MR, int NV>
void panel(const GemmBlock& b, const EpilogueScalars& scalars) {
  const Epilogue general = make_epilogue(scalars, true);
  int64_t r = 0;
  if (b.k % 4 != 0 || b.k == 0) {
    for (; r + MR <= b.m; r += MR) tile<MR, NV, 1>(b, general, r, MR);
  } else {
    const Epilogue e = make_epilogue(scalars);
    if (MR == 6 && b.m % MR == 1 && b.m > MR) {
      // A tile of one row is bound by the loads of W. With seven, one of 28 accumulators is on the stack, behind the
      // others.
      whole_tile<7, NV, true>(b, e, 0);
      r = 7;
    }
    if (b.taps * b.k * kLanes * NV <= kSmallPanel) {
      for (; r + MR <= b.m; r += MR) whole_tile<MR, NV, false>(b, e, r);
    } else {
      for (; r + MR <= b.m; r += MR) whole_tile<MR, NV, true>(b, e, r);
    }
  }
  const int64_t left = b.m - r;
  if (left == 0) return;
  if (left == 1) {
    tile<1, NV, 4>(b, general, r, 1);
  } else if (left == 2) {
    tile<2, NV, 2>(b, general, r, 2);
  } else if (left <= 4) {
    tile<4, NV, 1>(b, general, r, left);
  } else if (MR <= 8 || left > 8) {
    tile<MR, NV, 1>(b, general, r, left);
  } else {
    tile<8, NV, 1>(b, general, r, left);
  }
}

inline void run_tiles(const GemmBlock& b, const EpilogueScalars& scalars) {
  if (b.n > 48) {
    panel<6, 4>(b, scalars);
  } else if (b.n > 32) {
    panel<8, 3>(b, scalars);
  } else if (b.n > 16) {
    panel<12, 2>(b, scalars);
  } else {
    panel<12, 1>(b, scalars);
  }
}

inline void row_sums(const GemmBlock& b, int32_t* sums) {
  const __m512i ones = _mm512_set1_epi8(1);
  const int64_t whole = b.k & ~int64_t{63};
  const __mmask64 mask = (__mmask64{1} << (b.k - whole)) - 1;
  for (int64_t r = 0; r < b.m; r++) {
    __m512i acc = _mm512_setzero_si512();
    for (int64_t t = 0; t < b.taps; t++) {
      const uint8_t* p = b.rows[t * b.row_pitch + r] + b.x_offset;
      for (int64_t k = 0; k < whole; k += 64) acc = _mm512_dpbusd_epi32(acc, _mm512_loadu_si512(p + k), ones);
      acc = _mm512_dpbusd_epi32(acc, _mm512_maskz_loadu_epi8(mask, p + whole), ones);
    }
    sums[r] = _mm512_reduce_add_epi32(acc);
  }
}

}  // namespace
}  // namespace int8

// Y[m,n] = epilogue(offset[n] - zw[n]*sum(X[m]) + sum_k X[m,k] * W[k,n]), u8 x s8 -> u8/s8/s32/f32 (numerics.md 4, 5).
//
// Tile   6 rows x 64 channels, K by 4 (c4: what vpdpbusd adds at once). A narrower last panel takes 8x48, 12x32, 12x16.
// Regs   6x64: 24 accumulators + 4 of W + 1 broadcast of X = 29 of 32 zmm.
// Loads  10 for 24 vpdpbusd, of two a cycle each: the multipliers are the limit, not the loads.
// X      row pointers, k bytes readable each, not one more; a tile wider than what is left repeats the last row.
// W      panels of pack_panels: [taps][ceil(k/4)][width][4], zero padded, 64-byte aligned.
// Exact  vpdpbusd does not saturate; sums wrap.
// Tails  k: the last 1-3 bytes of a row, put together in memory; n: masked store; m: smaller tiles of the same
// template. Codes  clamping to [lo, hi] commutes with rounding, so it is left to the saturating packs and two byte
// operations for
//        64 outputs at once. vcvtps2dq turns what lies below int32 into INT_MIN, which the packs saturate rightly; what
//        may lie above is bounded first, but only where some multiplier is 1 or more. A clamp of floats and vpmovdb
//        take a third more instructions, and where K is small the epilogue is most of the time.
// Tried  software prefetch of W and unrolling K twice: no gain. Measure: bench/cpp; read the loops after each change,
//        they hold 24 vpdpbusd, 10 loads and no store.
#include <immintrin.h>

#include "gemm/gemm.h"

namespace int8 {
namespace {

#define INT8_UNROLL _Pragma("GCC unroll 64")
#define INT8_INLINE inline __attribute__((always_inline))

constexpr int kLanes = 16;  // int32 in a zmm

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

template <int NV>
INT8_INLINE void load_w(const int8_t* w, __m512i (&v)[NV]) {
  INT8_UNROLL for (int j = 0; j < NV; j++) v[j] = _mm512_load_si512(w + 64 * j);
}

// Mask of the channels of vector j that exist.
INT8_INLINE __mmask16 lane_mask(int64_t n, int j) {
  const int64_t left = n - kLanes * j;
  return left >= kLanes ? 0xffff : left <= 0 ? 0 : static_cast<__mmask16>((1u << left) - 1);
}

struct CodeConstants {
  __m512i zero_point;  // int16, in the u8 domain
  __m512i lo, hi;      // u8
  __m512i flip;        // 0x80 in each byte for s8
};

INT8_INLINE CodeConstants code_constants(const EpilogueScalars& e) {
  const int shift = e.kind == OutputKind::kS8 ? 128 : 0;
  CodeConstants c;
  c.zero_point = _mm512_set1_epi16(static_cast<int16_t>(e.zero_point + shift));
  c.lo = _mm512_set1_epi8(static_cast<char>(e.lo + shift));
  c.hi = _mm512_set1_epi8(static_cast<char>(e.hi + shift));
  c.flip = _mm512_set1_epi8(static_cast<char>(shift));
  return c;
}

// f(f(acc)*M) rounded to int32; kBound keeps it below 2^31 first.
template <bool kBound>
INT8_INLINE __m512i scale(__m512i acc, const float* multipliers) {
  __m512 f = _mm512_mul_ps(_mm512_cvtepi32_ps(acc), _mm512_load_ps(multipliers));
  if (kBound) f = _mm512_min_ps(f, _mm512_set1_ps(65536.0f));
  return _mm512_cvtps_epi32(f);
}

// Four vectors at a time: one row of 49 to 64 channels, two of 17 to 32, four of up to 16.
template <int MR, int NV, bool kBound>
INT8_INLINE void store_codes(const __m512i (&acc)[MR][NV], const GemmBlock& b, const CodeConstants& c,
                             uint8_t* const (&y)[MR]) {
  constexpr int kRows = NV == 3 ? 1 : 4 / NV;
  const __mmask64 mask = b.n >= 64 ? ~__mmask64{0} : (__mmask64{1} << b.n) - 1;
  // Packs work within 128-bit lanes: dword 4*l+v of the result holds elements 4*l to 4*l+3 of vector v.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  INT8_UNROLL for (int r = 0; r < MR; r += kRows) {
    __m512i q[4];
    INT8_UNROLL for (int v = 0; v < 4; v++) {
      const int row = r + v / NV;
      q[v] = v < kRows * NV && row < MR
                 ? scale<kBound>(acc[row < MR ? row : 0][v % NV], b.multipliers + kLanes * (v % NV))
                 : _mm512_setzero_si512();
    }
    const __m512i lo = _mm512_adds_epi16(_mm512_packs_epi32(q[0], q[1]), c.zero_point);
    const __m512i hi = _mm512_adds_epi16(_mm512_packs_epi32(q[2], q[3]), c.zero_point);
    __m512i bytes = _mm512_packus_epi16(lo, hi);
    bytes = _mm512_min_epu8(_mm512_max_epu8(bytes, c.lo), c.hi);
    bytes = _mm512_permutexvar_epi32(order, _mm512_xor_si512(bytes, c.flip));
    if (NV >= 3) {
      _mm512_mask_storeu_epi8(y[r], mask, bytes);
    } else if (NV == 2) {
      _mm256_mask_storeu_epi8(y[r], static_cast<__mmask32>(mask), _mm512_castsi512_si256(bytes));
      if (r + 1 < MR) {
        _mm256_mask_storeu_epi8(y[r + 1 < MR ? r + 1 : r], static_cast<__mmask32>(mask),
                                _mm512_extracti64x4_epi64(bytes, 1));
      }
    } else {
      const auto m = static_cast<__mmask16>(mask);
      _mm_mask_storeu_epi8(y[r], m, _mm512_castsi512_si128(bytes));
      if (r + 1 < MR) _mm_mask_storeu_epi8(y[r + 1 < MR ? r + 1 : r], m, _mm512_extracti32x4_epi32(bytes, 1));
      if (r + 2 < MR) _mm_mask_storeu_epi8(y[r + 2 < MR ? r + 2 : r], m, _mm512_extracti32x4_epi32(bytes, 2));
      if (r + 3 < MR) _mm_mask_storeu_epi8(y[r + 3 < MR ? r + 3 : r], m, _mm512_extracti32x4_epi32(bytes, 3));
    }
  }
}

template <int NV>
INT8_INLINE void store_s32(const __m512i (&acc)[NV], uint8_t* y, int64_t n) {
  INT8_UNROLL for (int j = 0; j < NV; j++) {
    _mm512_mask_storeu_epi32(y + 64 * j, lane_mask(n, j), acc[j]);
  }
}

// clamp(f(f(f(acc)*p) + bias), lo, hi). The order of operands keeps max(-0, +0) = +0 and min(-0, +0) = -0; a NaN, which
// only an infinite scale or a bias can bring, stays.
template <int NV>
INT8_INLINE void store_f32(const __m512i (&acc)[NV], const GemmBlock& b, const EpilogueScalars& e, uint8_t* y) {
  INT8_UNROLL for (int j = 0; j < NV; j++) {
    __m512 f = _mm512_mul_ps(_mm512_cvtepi32_ps(acc[j]), _mm512_load_ps(b.multipliers + kLanes * j));
    if (b.bias != nullptr) f = _mm512_add_ps(f, _mm512_load_ps(b.bias + kLanes * j));
    const __mmask16 nan = _mm512_cmp_ps_mask(f, f, _CMP_UNORD_Q);
    const __m512 above = _mm512_max_ps(f, _mm512_set1_ps(e.float_lo));
    f = _mm512_mask_mov_ps(_mm512_min_ps(_mm512_set1_ps(e.float_hi), above), nan, f);
    _mm512_mask_storeu_ps(y + 64 * j, lane_mask(b.n, j), f);
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
          load_w(w, wv);
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
      load_w(w, wv);
      w += 64 * NV;
      INT8_UNROLL for (int r = 0; r < MR; r++) {
        const __m512i x = broadcast4(p[r] + k);
        INT8_UNROLL for (int j = 0; j < NV; j++) acc[0][r][j] = _mm512_dpbusd_epi32(acc[0][r][j], x, wv[j]);
      }
    }
  }
}

// Rows first to first+m-1 of the block, m <= MR. kSplit chains per accumulator hide vpdpbusd's latency in small tiles.
template <int MR, int NV, int kSplit>
__attribute__((noinline)) void tile(const GemmBlock& b, const EpilogueScalars& e, int64_t first, int64_t m) {
  __m512i acc[kSplit][MR][NV];
  INT8_UNROLL for (int j = 0; j < NV; j++) {
    const __m512i offset = _mm512_load_si512(b.offsets + kLanes * j);
    INT8_UNROLL for (int r = 0; r < MR; r++) {
      acc[0][r][j] = offset;
      INT8_UNROLL for (int s = 1; s < kSplit; s++) acc[s][r][j] = _mm512_setzero_si512();
    }
  }
  add_taps(b, first, acc);
  INT8_UNROLL for (int s = 1; s < kSplit; s++) {
    INT8_UNROLL for (int r = 0; r < MR; r++) {
      INT8_UNROLL for (int j = 0; j < NV; j++) acc[0][r][j] = _mm512_add_epi32(acc[0][r][j], acc[s][r][j]);
    }
  }
  uint8_t* y[MR];
  INT8_UNROLL for (int r = 0; r < MR; r++) y[r] = b.y + (first + (r < m ? r : m - 1)) * b.y_pitch;
  if (b.zero_points != nullptr) {
    INT8_UNROLL for (int j = 0; j < NV; j++) {
      const __m512i zw = _mm512_load_si512(b.zero_points + kLanes * j);
      INT8_UNROLL for (int r = 0; r < MR; r++) {
        const __m512i sum = _mm512_set1_epi32(b.row_sums[first + (r < m ? r : m - 1)]);
        acc[0][r][j] = _mm512_sub_epi32(acc[0][r][j], _mm512_mullo_epi32(zw, sum));
      }
    }
  }
  if (e.kind == OutputKind::kS32) {
    INT8_UNROLL for (int r = 0; r < MR; r++) store_s32(acc[0][r], y[r], b.n);
  } else if (e.kind == OutputKind::kF32) {
    INT8_UNROLL for (int r = 0; r < MR; r++) store_f32(acc[0][r], b, e, y[r]);
  } else if (e.unbounded) {
    store_codes<MR, NV, true>(acc[0], b, code_constants(e), y);
  } else {
    store_codes<MR, NV, false>(acc[0], b, code_constants(e), y);
  }
}

// All rows of a panel whose width is NV vectors: full tiles, then one of the smallest size that holds the rest.
template <int MR, int NV>
void panel(const GemmBlock& b, const EpilogueScalars& e) {
  int64_t r = 0;
  for (; r + MR <= b.m; r += MR) tile<MR, NV, 1>(b, e, r, MR);
  const int64_t left = b.m - r;
  if (left == 0) return;
  if (left == 1) {
    tile<1, NV, 4>(b, e, r, 1);
  } else if (left == 2) {
    tile<2, NV, 2>(b, e, r, 2);
  } else if (left <= 4) {
    tile<4, NV, 1>(b, e, r, left);
  } else if (MR <= 8 || left > 8) {
    tile<MR, NV, 1>(b, e, r, left);
  } else {
    tile<8, NV, 1>(b, e, r, left);
  }
}

void run(const GemmBlock& b, const EpilogueScalars& e) {
  if (b.n > 48) {
    panel<6, 4>(b, e);
  } else if (b.n > 32) {
    panel<8, 3>(b, e);
  } else if (b.n > 16) {
    panel<12, 2>(b, e);
  } else {
    panel<12, 1>(b, e);
  }
}

void row_sums(const GemmBlock& b, int32_t* sums) {
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

const GemmRow gemm::kAvx512Vnni{
    .isa = Isa::kAvx512Vnni, .mr = 12, .nr = 64, .quantum = 16, .kr = 4, .run = run, .row_sums = row_sums};

}  // namespace int8

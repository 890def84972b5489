// Y[m,n] = epilogue(offset[n] - zw[n]*sum(X[m]) + sum_k X[m,k] * W[k,n]), u8 x s8 -> u8/s8/s32/f32 (numerics.md 4, 5).
//
// Tile   6 rows x 16 channels, K by 2 (c2: what vpmaddwd adds at once).
// Regs   6x16: 12 accumulators + 2 of W + 1 broadcast of X + 1 product = 16 of 16 ymm.
// X      row pointers, k bytes readable each, not one more; a tile wider than what is left repeats the last row. Bytes
//        are widened to 16 bits once a tile, a chunk of K at a time, into memory that stays in the first cache.
// W      panels of pack_panels: [taps][ceil(k/2)][width][2], zero padded; widened in the load.
// Exact  vpmaddwd adds two products of 16 bits in 32; vpmaddubsw, which adds them in 16, would saturate. Sums wrap.
// Tails  k: widened like the rest, a zero behind an odd one; n: epilogue_ymm.h; m: smaller tiles of the same template.
#include "gemm/epilogue_ymm.h"

namespace int8 {
namespace {

// Bytes of a tap that are widened at once: six rows of them are 6 KiB of the first cache.
constexpr int64_t kChunk = 512;

// to[i] = from[i] for i < count, and one 0 behind an odd count. Nothing beyond from + count is read.
INT8_INLINE void widen(const uint8_t* from, int64_t count, int16_t* to) {
  if (count >= 16) {
    int64_t i = 0;
    for (; i + 16 <= count; i += 16) {
      const __m256i v = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i)));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), v);
    }
    if (i < count) {  // the last 16 again, some of them for the second time
      i = count - 16;
      const __m256i v = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i)));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), v);
    }
  } else if (count >= 8) {
    const __m128i a = _mm_cvtepu8_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
    const __m128i b = _mm_cvtepu8_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from + count - 8)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), a);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + count - 8), b);
  } else {
    for (int64_t i = 0; i < count; i++) to[i] = from[i];
  }
  to[count] = 0;
}

// Two k of MR rows at x[r] + k.
template <int MR, int NV>
INT8_INLINE void add2(const int16_t (&x)[MR][kChunk + 16], int64_t k, const int8_t* w, __m256i (&acc)[MR][NV]) {
  __m256i wv[NV];
  INT8_UNROLL for (int j = 0; j < NV; j++) {
    wv[j] = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(w + 16 * j)));
  }
  INT8_UNROLL for (int r = 0; r < MR; r++) {
    int32_t pair;
    __builtin_memcpy(&pair, &x[r][k], 4);
    const __m256i xv = _mm256_set1_epi32(pair);
    INT8_UNROLL for (int j = 0; j < NV; j++) acc[r][j] = _mm256_add_epi32(acc[r][j], _mm256_madd_epi16(xv, wv[j]));
  }
}

// Rows first to first+m-1 of the block, m <= MR.
template <int MR, int NV>
__attribute__((noinline)) void tile(const GemmBlock& b, const EpilogueScalars& e, const CodeConstants& c, int64_t first,
                                    int64_t m) {
  __m256i acc[MR][NV];
  start(b, first, m, acc);
  alignas(32) int16_t x[MR][kChunk + 16];
  const int8_t* w = b.w;
  for (int64_t t = 0; t < b.taps; t++) {
    const uint8_t* const* rows = b.rows + t * b.row_pitch + first;
    for (int64_t done = 0; done < b.k; done += kChunk) {
      const int64_t count = b.k - done < kChunk ? b.k - done : kChunk;
      for (int r = 0; r < MR; r++) widen(rows[r] + b.x_offset + done, count, x[r]);
      for (int64_t k = 0; k < count; k += 2, w += 16 * NV) add2(x, k, w, acc);
    }
  }
  finish(b, e, c, first, m, acc);
}

// All rows of a panel whose width is NV vectors: full tiles, then one of the smallest size that holds the rest.
template <int NV>
void panel(const GemmBlock& b, const EpilogueScalars& e) {
  constexpr int kMr = 6;
  const CodeConstants c = code_constants(e);
  int64_t r = 0;
  for (; r + kMr <= b.m; r += kMr) tile<kMr, NV>(b, e, c, r, kMr);
  const int64_t left = b.m - r;
  if (left == 0) return;
  if (left == 1) {
    tile<1, NV>(b, e, c, r, 1);
  } else if (left == 2) {
    tile<2, NV>(b, e, c, r, 2);
  } else if (left <= 4) {
    tile<4, NV>(b, e, c, r, left);
  } else {
    tile<kMr, NV>(b, e, c, r, left);
  }
}

void run(const GemmBlock& b, const EpilogueScalars& e) {
  if (b.n > 8) {
    panel<2>(b, e);
  } else {
    panel<1>(b, e);
  }
}

}  // namespace

const GemmRow gemm::kAvx2{
    .isa = Isa::kAvx2, .mr = 6, .nr = 16, .quantum = 8, .kr = 2, .run = run, .row_sums = row_sums};

}  // namespace int8

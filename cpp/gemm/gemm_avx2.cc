// Y[m,n] = epilogue(offset[n] - zw[n]*sum(X[m]) + sum_k X[m,k] * W[k,n]), u8 x s8 -> u8/s8/s32/f32 (numerics.md 4, 5).
//
// Tile   6 rows x 16 channels, K by 2 (c2: what vpmaddwd adds at once), four of them side by side in a panel.
// Regs   6x16: 12 accumulators + 2 of W + 1 broadcast of X + 1 product = 16 of 16 ymm.
// X      row pointers, k bytes readable each, not one more; for each number of rows up to 6 there is a tile. Bytes
//        are widened to 16 bits once for a panel's 64 channels, a chunk of K at a time, into memory that stays in the
//        first cache: for 16 channels at a time it would be a tenth of the work.
// W      panels of pack_panels: [taps][ceil(k/2)][width][2], zero padded; widened in the load. Packed as 16 bits they
//        would save 4 % of the loop and cost twice the memory, which is what small batches wait for.
// Exact  vpmaddwd adds two products of 16 bits in 32; vpmaddubsw, which adds them in 16, may
//        saturate: gemm_pairs_avx2.cc. Sums wrap.
// Tails  k: widened like the rest, a zero behind an odd one; n: epilogue_ymm.h; m: smaller tiles of the same template.
#include "gemm/epilogue_ymm.h"

namespace int8 {
namespace {

// K of a chunk, even: six rows take 3.5 KiB, W 18 KiB, and nine taps of 32 channels or more are whole chunks. The sums
// wait in memory between the chunks of a longer K.
constexpr int64_t kChunk = 288;
// Elements from one widened row to the next.
constexpr int64_t kPitch = kChunk + 16;
constexpr int kPanel = 64;
constexpr int64_t kAhead = 2048;  // bytes of W

INT8_INLINE void widen16(const uint8_t* from, int16_t* to) {
  const __m256i v = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), v);
}

INT8_INLINE void widen8(const uint8_t* from, int16_t* to) {
  const __m128i v = _mm_cvtepu8_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), v);
}

INT8_INLINE void widen4(const uint8_t* from, int16_t* to) {
  int32_t four;
  __builtin_memcpy(&four, from, 4);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_cvtepu8_epi16(_mm_cvtsi32_si128(four)));
}

// to[i] = from[i] for i < count, and one 0 behind. Nothing beyond from + count is read: the last bytes are taken
// together with some before them, which are written for the second time.
INT8_INLINE void widen(const uint8_t* from, int64_t count, int16_t* to) {
  if (count >= 16) {
    int64_t i = 0;
    for (; i + 16 <= count; i += 16) widen16(from + i, to + i);
    if (i < count) widen16(from + count - 16, to + count - 16);
  } else if (count >= 8) {
    widen8(from, to);
    widen8(from + count - 8, to + count - 8);
  } else if (count >= 4) {
    widen4(from, to);
    widen4(from + count - 4, to + count - 4);
  } else {
    for (int64_t i = 0; i < count; i++) to[i] = from[i];
  }
  to[count] = 0;
}

// A chunk of K of some rows, and what the tiles of its channels need of it.
struct Chunk {
  const int16_t* x;  // row r at x + r*kPitch
  int64_t k;         // even
  const int8_t* w;
  int64_t w_step;  // bytes of W from two k to the next two
  bool is_first, is_last;
  int64_t first;  // row
};

// MR rows x NV vectors of channels from n on, of one chunk; b holds these channels alone. sums[MR][NV][8] keeps what is
// not finished. The tiles of a chunk together fetch the next one's W, which may be that of the next panel: so memory is
// busy while they multiply. A tile of all channels fetches a little ahead. Behind the last panel the fetch is idle.
template <int MR, int NV>
__attribute__((noinline)) void tile(const GemmBlock& b, const EpilogueScalars& e, const CodeConstants& c,
                                    const Chunk& chunk, int64_t n, int32_t* sums) {
  __m256i acc[MR][NV];
  if (chunk.is_first) {
    start(b, chunk.first, acc);
  } else {
    INT8_UNROLL for (int i = 0; i < MR * NV; i++) acc[i / NV][i % NV] = load_ymm(sums + kLanes * i);
  }
  const int16_t* x = chunk.x;
  const int16_t* end = x + chunk.k;
  const int64_t step = chunk.w_step;
  const int8_t* w = chunk.w + 2 * n;
  const int8_t* next = NV > 2 ? w + kAhead : chunk.w + (chunk.k / 2) * step + n * chunk.k;
  for (; x != end; x += 2, w += step, next += 16 * NV) {
    INT8_UNROLL for (int i = 0; i < NV; i += 4) {
      _mm_prefetch(reinterpret_cast<const char*>(next + 16 * i), _MM_HINT_T0);
    }
    __m256i wv[NV];
    INT8_UNROLL for (int j = 0; j < NV; j++) {
      wv[j] = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(w + 16 * j)));
    }
    INT8_UNROLL for (int r = 0; r < MR; r++) {
      int32_t pair;
      __builtin_memcpy(&pair, x + r * kPitch, 4);
      const __m256i xv = _mm256_set1_epi32(pair);
      INT8_UNROLL for (int j = 0; j < NV; j++) acc[r][j] = _mm256_add_epi32(acc[r][j], _mm256_madd_epi16(xv, wv[j]));
    }
  }
  if (chunk.is_last) {
    finish(b, e, c, chunk.first, acc);
  } else {
    INT8_UNROLL for (int i = 0; i < MR * NV; i++) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + kLanes * i), acc[i / NV][i % NV]);
    }
  }
}

// A panel: its blocks of 16 channels, the last of up to 8 or 16, and of all channels together for a single row.
struct Panel {
  Panel(const GemmBlock& block, const EpilogueScalars& epilogue)
      : b(block), e(epilogue), c(code_constants(epilogue)), width((b.n + 7) / 8 * 8) {
    const int64_t element = e.kind == OutputKind::kS32 || e.kind == OutputKind::kF32 ? 4 : 1;
    for (int64_t n = 0; n < b.n; n += 16) {
      GemmBlock& part = parts[n / 16];
      part = b;
      part.n = b.n - n < 16 ? b.n - n : 16;
      part.offsets += n;
      if (b.zero_points != nullptr) part.zero_points += n;
      if (b.multipliers != nullptr) part.multipliers += n;
      if (b.bias != nullptr) part.bias += n;
      part.y += n * element;
    }
  }
  const GemmBlock& b;
  const EpilogueScalars& e;
  CodeConstants c;
  int64_t width;
  GemmBlock parts[kPanel / 16];
};

// All tiles of a chunk.
template <int MR>
void tiles(const Panel& p, const Chunk& chunk, int32_t* sums) {
  if (MR == 1 && p.width == kPanel) {  // bound by memory: one pass over W
    tile<1, 8>(p.b, p.e, p.c, chunk, 0, sums);
    return;
  }
  const int64_t whole = p.width / 16;
  for (int64_t j = 0; j < whole; j++) tile<MR, 2>(p.parts[j], p.e, p.c, chunk, 16 * j, sums + 16 * MR * j);
  if (p.width % 16 != 0) tile<MR, 1>(p.parts[whole], p.e, p.c, chunk, 16 * whole, sums + 16 * MR * whole);
}

// Rows first to first+MR-1 of a panel.
template <int MR>
void rows(const Panel& p, int64_t first) {
  const GemmBlock& b = p.b;
  alignas(32) int16_t x[MR * kPitch];
  alignas(32) int32_t sums[MR * kPanel];
  Chunk chunk{.x = x, .k = 0, .w = b.w, .w_step = 2 * p.width, .is_first = true, .is_last = false, .first = first};
  int64_t tap = 0;
  int64_t done = 0;  // of the tap
  do {
    chunk.k = 0;
    while (tap < b.taps && chunk.k < kChunk) {
      const int64_t room = kChunk - chunk.k;
      const int64_t count = b.k - done < room ? b.k - done : room;
      const uint8_t* const* from = b.rows + tap * b.row_pitch + first;
      for (int r = 0; r < MR; r++) widen(from[r] + b.x_offset + done, count, x + r * kPitch + chunk.k);
      chunk.k += (count + 1) & ~int64_t{1};
      done += count;
      if (done == b.k) {
        tap++;
        done = 0;
      }
    }
    chunk.is_last = tap == b.taps;
    tiles<MR>(p, chunk, sums);
    chunk.w += chunk.k * p.width;
    chunk.is_first = false;
  } while (!chunk.is_last);
}

void run(const GemmBlock& b, const EpilogueScalars& e) {
  constexpr int kMr = 6;
  const Panel p(b, e);
  int64_t r = 0;
  for (; r + kMr <= b.m; r += kMr) rows<kMr>(p, r);
  switch (b.m - r) {
    case 1:
      return rows<1>(p, r);
    case 2:
      return rows<2>(p, r);
    case 3:
      return rows<3>(p, r);
    case 4:
      return rows<4>(p, r);
    case 5:
      return rows<5>(p, r);
    default:
      return;
  }
}

}  // namespace

const GemmRow gemm::kAvx2{.isa = Isa::kAvx2,
                          .mr = 6,
                          .nr = kPanel,
                          .quantum = 8,
                          .kr = 2,
                          .run = run,
                          .row_sums = row_sums,
                          .macs_per_ns = 110,
                          .small_pairs = &kAvx2Pairs};

}  // namespace int8

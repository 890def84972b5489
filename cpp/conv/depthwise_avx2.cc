// Depthwise convolution, u8 x s8 -> u8/s8/s32/f32 (numerics.md 4, 5): exact in 16 bits (depthwise_ymm.h).
//
// Pairs  bytes of two taps are widened to words, unpacked to pairs and multiplied by vpmaddwd, whose sums of two
// products
//        fit: 2 * 255 * 128 is far below 2^31. vpmaddubsw would take half the instructions, and saturate.
// W      the bytes of a square kernel are widened once per block of the image to pairs of words, at most 15 pairs.
// Regs   3x3: 6 accumulators + 2 of a pair; 5x5: 10 + 2; W from memory.
#include "conv/depthwise_ymm.h"
// The ring is written with the macros of the header above.
#include "conv/depthwise_ring.h"

namespace int8 {
namespace {

// Quads of bytes as two pairs of words: taps 0, 1 and taps 2, 3.
struct WordPairs {
  __m256i first, second;
  INT8_INLINE explicit WordPairs(const int8_t* w) {
    const __m256i v = load_ymm(w);
    const __m256i even = _mm256_srai_epi16(_mm256_slli_epi16(v, 8), 8);  // bytes 0 and 2 of each quad
    const __m256i odd = _mm256_srai_epi16(v, 8);                         // bytes 1 and 3
    first = _mm256_blend_epi16(even, _mm256_slli_epi32(odd, 16), 0xaa);
    second = _mm256_blend_epi16(_mm256_srli_epi32(even, 16), odd, 0xaa);
  }
};

INT8_INLINE __m256i add_products(__m256i acc, __m256i x, __m256i w) {
  return _mm256_add_epi32(acc, _mm256_madd_epi16(x, w));
}

struct Ops {
  using Vec = __m256i;
  using Constants = int8::Constants;
  static constexpr int kChannels = int8::kChannels;
  static constexpr int kVectors = int8::kVectors;

  template <int kTaps>
  struct Column {
    static constexpr int kUnits = (kTaps + 1) / 2;  // pairs
    Vec v[kUnits][kVectors];
  };

  template <int kTaps>
  INT8_INLINE static Column<kTaps> load(const uint8_t* const (&rows)[kTaps], int64_t d) {
    Column<kTaps> c;
    INT8_UNROLL for (int u = 0; u < Column<kTaps>::kUnits; u++) {
      const Vec a = widen(rows[2 * u] + d);
      const Vec b = 2 * u + 1 < kTaps ? widen(rows[2 * u + 1 < kTaps ? 2 * u + 1 : 0] + d) : _mm256_setzero_si256();
      c.v[u][0] = _mm256_unpacklo_epi16(a, b);
      c.v[u][1] = _mm256_unpackhi_epi16(a, b);
    }
    return c;
  }

  template <int kTaps>
  struct Weights {
    static constexpr int kUnits = Column<kTaps>::kUnits;
    static constexpr int kQuads = (kTaps + 3) / 4;
    Vec w[kTaps][kUnits][kVectors];
    Weights(const DepthwisePart& b, int group) {
      for (int kw = 0; kw < kTaps; kw++) {
        for (int u = 0; u < kUnits; u++) {
          for (int i = 0; i < kVectors; i++) {
            const WordPairs pairs(b.w + ((kw * kQuads + u / 2) * kBlock + group * kChannels + 8 * i) * 4);
            w[kw][u][i] = u % 2 == 0 ? pairs.first : pairs.second;
          }
        }
      }
    }
    INT8_INLINE void multiply(Vec (&acc)[kVectors], const Column<kTaps>& column, int kw) const {
      INT8_UNROLL for (int u = 0; u < kUnits; u++) {
        INT8_UNROLL for (int i = 0; i < kVectors; i++) acc[i] = add_products(acc[i], column.v[u][i], w[kw][u][i]);
      }
    }
  };

  INT8_INLINE static Vec offset(const DepthwisePart& b, int group, int i) {
    return load_ymm(b.offsets + group * kChannels + 8 * i);
  }
  template <bool kBound>
  INT8_INLINE static void store(const Vec (&acc)[kVectors], const float* multipliers, const Constants& c, uint8_t* y) {
    store_codes<kBound>(acc, multipliers, c, y);
  }

  INT8_INLINE static void quad(const uint8_t* const (&x)[4], const int8_t* w, Vec (&acc)[kVectors]) {
    const Vec a = widen(x[0]), b = widen(x[1]), c = widen(x[2]), d = widen(x[3]);
    const WordPairs low(w), high(w + 32);
    acc[0] = add_products(acc[0], _mm256_unpacklo_epi16(a, b), low.first);
    acc[0] = add_products(acc[0], _mm256_unpacklo_epi16(c, d), low.second);
    acc[1] = add_products(acc[1], _mm256_unpackhi_epi16(a, b), high.first);
    acc[1] = add_products(acc[1], _mm256_unpackhi_epi16(c, d), high.second);
  }
  INT8_INLINE static void sum(const uint8_t* const (&x)[4], uint32_t ones, Vec (&sums)[kVectors]) {
    const Vec zero = _mm256_setzero_si256();
    INT8_UNROLL for (int t = 0; t < 4; t++) {
      if ((ones >> (8 * t) & 1) == 0) continue;
      const Vec v = widen(x[t]);
      sums[0] = _mm256_add_epi32(sums[0], _mm256_unpacklo_epi16(v, zero));
      sums[1] = _mm256_add_epi32(sums[1], _mm256_unpackhi_epi16(v, zero));
    }
  }
};

// Words of even and of odd bytes: a product of either kind is a sum of two in a lane.
struct GroupOps : GroupYmm {
  struct Codes {
    Vec even, odd;
  };
  using Weights = Codes;
  INT8_INLINE static Codes load(const uint8_t* x) {
    const Vec v = load_ymm(x);
    return {_mm256_srli_epi16(_mm256_slli_epi16(v, 8), 8), _mm256_srli_epi16(v, 8)};
  }
  INT8_INLINE static Codes turned(Codes x) { return {turned_lanes(x.even), turned_lanes(x.odd)}; }
  INT8_INLINE static Weights weights(const int8_t* w) {
    const Vec v = load_ymm(w);
    return {_mm256_srai_epi16(_mm256_slli_epi16(v, 8), 8), _mm256_srai_epi16(v, 8)};
  }
  INT8_INLINE static Vec dot(Vec acc, Codes x, Weights w) {
    return add_products(add_products(acc, x.even, w.even), x.odd, w.odd);
  }
  static constexpr auto& finish = finish_groups<GroupOps>;
};

}  // namespace

const DepthwiseRow depthwise::kAvx2{.isa = Isa::kAvx2,
                                    .block = kBlock,
                                    .slot = slot,
                                    .run = run_any<Ops>,
                                    .macs_per_ns = 30,
                                    .run_square = run_square<Ops>,
                                    .run_groups = run_groups<GroupOps>};

}  // namespace int8

// Depthwise convolution, u8 x s8 -> u8/s8/s32/f32 (numerics.md 4, 5): vpdpbusd on ymm (depthwise_ymm.h).
//
// Quads  bytes of two taps are joined to words (a | b << 8), words of two pairs unpacked to u8x4.
// Regs   3x3: 6 accumulators + 6 of W + 2 of the column = 14 of 16 ymm; 5x5: 10 + 2, W from memory.
#include "conv/depthwise_ymm.h"
// The ring is written with the macros of the header above.
#include "conv/depthwise_ring.h"

namespace int8 {
namespace {

INT8_INLINE __m256i pair(const uint8_t* a, const uint8_t* b) {
  return _mm256_or_si256(widen(a), _mm256_slli_epi16(widen(b), 8));
}

struct Ops {
  using Vec = __m256i;
  using Constants = int8::Constants;
  static constexpr int kChannels = int8::kChannels;
  static constexpr int kVectors = int8::kVectors;

  template <int kTaps>
  struct Column {
    static constexpr int kUnits = (kTaps + 3) / 4;
    Vec v[kUnits][kVectors];
  };

  template <int kTaps>
  INT8_INLINE static Column<kTaps> load(const uint8_t* const (&rows)[kTaps], int64_t d) {
    Column<kTaps> c;
    const Vec ab = pair(rows[0] + d, rows[1] + d);
    const Vec cd = kTaps == 3 ? widen(rows[2] + d) : pair(rows[2] + d, rows[kTaps == 3 ? 2 : 3] + d);
    c.v[0][0] = _mm256_unpacklo_epi16(ab, cd);
    c.v[0][1] = _mm256_unpackhi_epi16(ab, cd);
    if (kTaps == 5) {
      const Vec last = widen(rows[kTaps - 1] + d);
      c.v[Column<kTaps>::kUnits - 1][0] = _mm256_unpacklo_epi16(last, _mm256_setzero_si256());
      c.v[Column<kTaps>::kUnits - 1][1] = _mm256_unpackhi_epi16(last, _mm256_setzero_si256());
    }
    return c;
  }

  template <int kTaps>
  struct Weights {
    const int8_t* w;
    Weights(const DepthwisePart& b, int group) : w(b.w + group * kChannels * 4) {}
    INT8_INLINE void multiply(Vec (&acc)[kVectors], const Column<kTaps>& column, int kw) const {
      INT8_UNROLL for (int u = 0; u < Column<kTaps>::kUnits; u++) {
        INT8_UNROLL for (int i = 0; i < kVectors; i++) {
          const int8_t* p = w + ((kw * Column<kTaps>::kUnits + u) * kBlock + 8 * i) * 4;
          acc[i] = _mm256_dpbusd_avx_epi32(acc[i], column.v[u][i], load_ymm(p));
        }
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

  INT8_INLINE static void interleave(const uint8_t* const (&x)[4], Vec (&out)[kVectors]) {
    const Vec ab = pair(x[0], x[1]), cd = pair(x[2], x[3]);
    out[0] = _mm256_unpacklo_epi16(ab, cd);
    out[1] = _mm256_unpackhi_epi16(ab, cd);
  }
  INT8_INLINE static void quad(const uint8_t* const (&x)[4], const int8_t* w, Vec (&acc)[kVectors]) {
    Vec in[kVectors];
    interleave(x, in);
    INT8_UNROLL for (int i = 0; i < kVectors; i++) acc[i] =
        _mm256_dpbusd_avx_epi32(acc[i], in[i], load_ymm(w + 32 * i));
  }
  INT8_INLINE static void sum(const uint8_t* const (&x)[4], uint32_t ones, Vec (&sums)[kVectors]) {
    Vec in[kVectors];
    interleave(x, in);
    const Vec one = _mm256_set1_epi32(static_cast<int32_t>(ones));
    INT8_UNROLL for (int i = 0; i < kVectors; i++) sums[i] = _mm256_dpbusd_avx_epi32(sums[i], in[i], one);
  }
};

struct GroupOps : GroupYmm {
  using Codes = Vec;
  using Weights = Vec;
  INT8_INLINE static Codes load(const uint8_t* x) { return load_ymm(x); }
  INT8_INLINE static Codes turned(Codes x) { return turned_lanes(x); }
  INT8_INLINE static Weights weights(const int8_t* w) { return load_ymm(w); }
  INT8_INLINE static Vec dot(Vec acc, Codes x, Weights w) { return _mm256_dpbusd_avx_epi32(acc, x, w); }
  static constexpr auto& finish = finish_groups<GroupOps>;
};

}  // namespace

const DepthwiseRow depthwise::kAvxVnni{.isa = Isa::kAvxVnni,
                                       .block = kBlock,
                                       .slot = slot,
                                       .run = run_any<Ops>,
                                       .macs_per_ns = 45,
                                       .run_square = run_square<Ops>,
                                       .run_groups = run_groups<GroupOps>};

}  // namespace int8

// Depthwise convolution, u8 x s8 -> u8/s8/s32/f32 (numerics.md 4, 5): exact in 16 bits, 8 of a block's 16 channels at a
// time.
//
// Taps   bytes are widened to words, smlal adds four products to 32 bits. Quads of packed weights are taken apart by
// ld4,
//        which gives one vector of channels for each tap: channels keep their order.
// Regs   3x3: 6 accumulators + 3 of the column + 9 of W = 18 of 32; 5x5: 10 + 5, W from memory.
// X      read 8 bytes at a time: the strip has a block's bytes behind its end.
// Tails  n: the last bytes go through the stack.
#include <arm_neon.h>

#include "conv/depthwise.h"

#define INT8_UNROLL _Pragma("GCC unroll 64")
#define INT8_INLINE inline __attribute__((always_inline))

// The ring is written with these macros.
#include "conv/depthwise_ring.h"

namespace int8 {
namespace {

constexpr int kBlock = 16;

int slot(int channel) {
  return channel;
}

INT8_INLINE int16x8_t widen(const uint8_t* p) {
  return vreinterpretq_s16_u16(vmovl_u8(vld1_u8(p)));
}

struct Ops {
  using Vec = int32x4_t;
  static constexpr int kChannels = 8;
  static constexpr int kVectors = 2;

  INT8_INLINE static void add_products(Vec (&acc)[kVectors], int16x8_t x, int16x8_t w) {
    acc[0] = vmlal_s16(acc[0], vget_low_s16(x), vget_low_s16(w));
    acc[1] = vmlal_high_s16(acc[1], x, w);
  }

  template <int kTaps>
  struct Column {
    int16x8_t v[kTaps];
  };
  template <int kTaps>
  INT8_INLINE static Column<kTaps> load(const uint8_t* const (&rows)[kTaps], int64_t d) {
    Column<kTaps> c;
    INT8_UNROLL for (int t = 0; t < kTaps; t++) c.v[t] = widen(rows[t] + d);
    return c;
  }

  template <int kTaps>
  struct Weights {
    int16x8_t w[kTaps][kTaps];  // [column][row]
    Weights(const DepthwisePart& b, int group) {
      constexpr int kQuads = (kTaps + 3) / 4;
      for (int kw = 0; kw < kTaps; kw++) {
        for (int t = 0; t < kTaps; t++) {
          const int8x8x4_t four = vld4_s8(b.w + ((kw * kQuads + t / 4) * kBlock + group * kChannels) * 4);
          w[kw][t] = vmovl_s8(four.val[t % 4]);
        }
      }
    }
    INT8_INLINE void multiply(Vec (&acc)[kVectors], const Column<kTaps>& column, int kw) const {
      INT8_UNROLL for (int t = 0; t < kTaps; t++) add_products(acc, column.v[t], w[kw][t]);
    }
  };

  struct Constants {
    int16x8_t zero_point;  // in the u8 domain
    uint8x8_t lo, hi;      // u8
    uint8x8_t flip;        // 0x80 for s8
    int64_t n;             // channels that exist

    Constants(const EpilogueScalars& e, int64_t left) : n(left < kChannels ? left : kChannels) {
      const int shift = e.kind == OutputKind::kS8 ? 128 : 0;
      zero_point = vdupq_n_s16(static_cast<int16_t>(e.zero_point + shift));
      lo = vdup_n_u8(static_cast<uint8_t>(e.lo + shift));
      hi = vdup_n_u8(static_cast<uint8_t>(e.hi + shift));
      flip = vdup_n_u8(static_cast<uint8_t>(shift));
    }
  };

  INT8_INLINE static Vec offset(const DepthwisePart& b, int group, int i) {
    return vld1q_s32(b.offsets + group * kChannels + 4 * i);
  }

  // The epilogue of gemm/tiles_neon.h. fcvtns saturates, so kBound has nothing to do.
  template <bool kBound>
  INT8_INLINE static void store(const Vec (&acc)[kVectors], const float* multipliers, const Constants& c, uint8_t* y) {
    int16x4_t words[kVectors];
    INT8_UNROLL for (int i = 0; i < kVectors; i++) {
      const float32x4_t f = vmulq_f32(vcvtq_f32_s32(acc[i]), vld1q_f32(multipliers + 4 * i));
      words[i] = vqmovn_s32(vcvtnq_s32_f32(f));
    }
    uint8x8_t bytes = vqmovun_s16(vqaddq_s16(vcombine_s16(words[0], words[1]), c.zero_point));
    bytes = veor_u8(vmin_u8(vmax_u8(bytes, c.lo), c.hi), c.flip);
    if (c.n == kChannels) {
      vst1_u8(y, bytes);
    } else {
      uint8_t some[kChannels];
      vst1_u8(some, bytes);
      for (int64_t i = 0; i < c.n; i++) y[i] = some[i];
    }
  }
};

// kS32 and kF32 of 8 channels.
void store_wide(const int32x4_t (&acc)[Ops::kVectors], const DepthwiseBlock& b, int64_t first, const EpilogueScalars& e,
                uint8_t* y) {
  for (int i = 0; i < Ops::kVectors && first + 4 * i < b.n; i++) {
    int32x4_t v = acc[i];
    if (e.kind == OutputKind::kF32) {
      float32x4_t f = vmulq_f32(vcvtq_f32_s32(v), vld1q_f32(b.multipliers + first + 4 * i));
      if (b.bias != nullptr) f = vaddq_f32(f, vld1q_f32(b.bias + first + 4 * i));
      f = vminq_f32(vmaxq_f32(f, vdupq_n_f32(e.float_lo)), vdupq_n_f32(e.float_hi));
      v = vreinterpretq_s32_f32(f);
    }
    int32_t some[4];
    vst1q_s32(some, v);
    const int64_t left = b.n - first - 4 * i < 4 ? b.n - first - 4 * i : 4;
    __builtin_memcpy(y + 16 * i, some, static_cast<size_t>(left) * 4);
  }
}

// Any kernel, stride, dilation, output and zero points.
void run_any(const DepthwiseBlock& b, const EpilogueScalars& e) {
  const bool wide = e.kind == OutputKind::kS32 || e.kind == OutputKind::kF32;
  const int16x8_t one = vdupq_n_s16(1);
  for (int64_t first = 0; first < b.n; first += Ops::kChannels) {
    const Ops::Constants c(e, b.n - first);
    for (int64_t r = 0; r < b.rows; r++) {
      const uint8_t* x = b.x + r * b.x_row + first;
      uint8_t* y = b.y + r * b.y_row + first * (wide ? 4 : 1);
      for (int64_t p = 0; p < b.columns; p++, x += b.x_pixel, y += b.y_pixel) {
        int32x4_t acc[Ops::kVectors] = {vld1q_s32(b.offsets + first), vld1q_s32(b.offsets + first + 4)};
        int32x4_t sums[Ops::kVectors] = {vdupq_n_s32(0), vdupq_n_s32(0)};
        for (int64_t q = 0; q < b.quads; q++) {
          const int8x8x4_t w = vld4_s8(b.w + (q * kBlock + first) * 4);
          INT8_UNROLL for (int t = 0; t < 4; t++) {
            if ((b.ones[q] >> (8 * t) & 1) == 0) continue;
            const int16x8_t tap = widen(x + b.taps[4 * q + t]);
            Ops::add_products(acc, tap, vmovl_s8(w.val[t]));
            if (b.zero_points != nullptr) Ops::add_products(sums, tap, one);
          }
        }
        if (b.zero_points != nullptr) {
          acc[0] = vmlsq_s32(acc[0], vld1q_s32(b.zero_points + first), sums[0]);
          acc[1] = vmlsq_s32(acc[1], vld1q_s32(b.zero_points + first + 4), sums[1]);
        }
        if (wide) {
          store_wide(acc, b, first, e, y);
        } else {
          Ops::store<true>(acc, b.multipliers + first, c, y);
        }
      }
    }
  }
}

}  // namespace

const DepthwiseRow depthwise::kNeon{
    .isa = Isa::kNeon, .block = kBlock, .slot = slot, .run = run_any, .macs_per_ns = 15, .run_square = run_square<Ops>};

}  // namespace int8

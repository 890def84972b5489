// NEON for tile_simd.h and depthwise_simd.h.
#pragma once

#include <arm_neon.h>

#include <cstdint>

namespace int8 {
namespace {

struct Simd {
  using Vec = float32x4_t;
  static constexpr int kLanes = 4;
  struct Part {
    int64_t left;
    explicit Part(int64_t n) : left(n) {}
  };
  static Vec splat(float v) { return vdupq_n_f32(v); }
  static Vec load(const float* p) { return vld1q_f32(p); }
  static Vec load(const float* p, Part part) {
    if (part.left >= kLanes) return vld1q_f32(p);
    Vec v = vdupq_n_f32(0.0f);
    if (part.left > 0) v = vld1q_lane_f32(p, v, 0);
    if (part.left > 1) v = vld1q_lane_f32(p + 1, v, 1);
    if (part.left > 2) v = vld1q_lane_f32(p + 2, v, 2);
    return v;
  }
  static void store(float* p, Vec v, Part part) {
    if (part.left >= kLanes) return vst1q_f32(p, v);
    if (part.left > 0) vst1q_lane_f32(p, v, 0);
    if (part.left > 1) vst1q_lane_f32(p + 1, v, 1);
    if (part.left > 2) vst1q_lane_f32(p + 2, v, 2);
  }
  static Vec add(Vec a, Vec b) { return vaddq_f32(a, b); }
  static Vec fma(Vec a, Vec b, Vec c) { return vfmaq_f32(c, a, b); }
  static constexpr bool kGroups = false;  // four channels fill a tile's vector

  // FMAX and FMIN are IEEE's: a NaN stays, +0 is above -0.
  class Clamp {
   public:
    Clamp(float low, float high) : lo_(vdupq_n_f32(low)), hi_(vdupq_n_f32(high)) {}
    Vec operator()(Vec v) const { return vminq_f32(vmaxq_f32(v, lo_), hi_); }

   private:
    Vec lo_, hi_;
  };
};

}  // namespace
}  // namespace int8

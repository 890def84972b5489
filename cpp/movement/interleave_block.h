// Three planes as pixels of three and back, of bytes sixteen pixels at a time, of words four: images as they come, on
// their way to channels-last or from it. SSE2 and NEON, as in transpose_block.h: no dispatch.
#pragma once

#include <cstdint>

#if defined(INT8_ARCH_X64)
#include <emmintrin.h>
#elif defined(INT8_ARCH_ARM64)
#include <arm_neon.h>
#endif

namespace int8 {

// y[3*i + c] = x[c*plane + i] for the first pixels of n; returns how many. Writes nothing beyond y[3*n - 1].
inline int64_t interleave_three(const uint8_t* x, int64_t plane, uint8_t* y, int64_t n) {
  int64_t i = 0;
#if defined(INT8_ARCH_X64)
  const __m128i zero = _mm_setzero_si128();
  const __m128i even = _mm_set1_epi64x(0x0000000000ffffff), odd = _mm_set1_epi64x(0x0000ffffff000000);
  const __m128i upper = _mm_set_epi32(0, -1, static_cast<int>(0xffff0000), 0);  // bytes 6 to 11
  const auto load = [&](int64_t c) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(x + c * plane + i)); };
  // Four pixels of four bytes lose their fourth: first within pairs, then between the pairs.
  const auto store = [&](int64_t pixel, __m128i v) {
    v = _mm_or_si128(_mm_and_si128(v, even), _mm_and_si128(_mm_srli_epi64(v, 8), odd));
    v = _mm_or_si128(_mm_move_epi64(v), _mm_and_si128(_mm_srli_si128(v, 2), upper));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y + 3 * (i + pixel)), v);
  };
  // A store writes four bytes more than its pixels: the next one, or a later step, writes them anew.
  for (; i + 18 <= n; i += 16) {
    const __m128i a = load(0), b = load(1), c = load(2);
    const __m128i ab_low = _mm_unpacklo_epi8(a, b), ab_high = _mm_unpackhi_epi8(a, b);
    const __m128i c_low = _mm_unpacklo_epi8(c, zero), c_high = _mm_unpackhi_epi8(c, zero);
    store(0, _mm_unpacklo_epi16(ab_low, c_low));
    store(4, _mm_unpackhi_epi16(ab_low, c_low));
    store(8, _mm_unpacklo_epi16(ab_high, c_high));
    store(12, _mm_unpackhi_epi16(ab_high, c_high));
  }
#elif defined(INT8_ARCH_ARM64)
  for (; i + 16 <= n; i += 16) {
    // Stores are macros in clang: no braces among their arguments.
    const uint8x16x3_t planes{{vld1q_u8(x + i), vld1q_u8(x + plane + i), vld1q_u8(x + 2 * plane + i)}};
    vst3q_u8(y + 3 * i, planes);
  }
#else
  (void)x, (void)plane, (void)y, (void)n;
#endif
  return i;
}

inline int64_t interleave_three(const uint32_t* x, int64_t plane, uint32_t* y, int64_t n) {
  int64_t i = 0;
#if defined(INT8_ARCH_X64)
  const auto load = [&](int64_t c) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(x + c * plane + i)); };
  for (; i + 4 <= n; i += 4) {
    const __m128i a = load(0), b = load(1), c = load(2);
    const __m128i a1 = _mm_shuffle_epi32(a, 0x39), b1 = _mm_shuffle_epi32(b, 0x39), c1 = _mm_shuffle_epi32(c, 0x39);
    const __m128i first = _mm_unpacklo_epi64(_mm_unpacklo_epi32(a, b), _mm_unpacklo_epi32(c, a1));
    const __m128i second = _mm_unpacklo_epi64(_mm_unpacklo_epi32(b1, c1), _mm_unpackhi_epi32(a, b));
    const __m128i third = _mm_castpd_si128(
        _mm_shuffle_pd(_mm_castsi128_pd(_mm_unpackhi_epi32(c, a1)), _mm_castsi128_pd(_mm_unpackhi_epi32(b, c)), 2));
    auto* to = reinterpret_cast<__m128i*>(y + 3 * i);
    _mm_storeu_si128(to, first);
    _mm_storeu_si128(to + 1, second);
    _mm_storeu_si128(to + 2, third);
  }
#elif defined(INT8_ARCH_ARM64)
  for (; i + 4 <= n; i += 4) {
    const uint32x4x3_t planes{{vld1q_u32(x + i), vld1q_u32(x + plane + i), vld1q_u32(x + 2 * plane + i)}};
    vst3q_u32(y + 3 * i, planes);
  }
#else
  (void)x, (void)plane, (void)y, (void)n;
#endif
  return i;
}

// y[c*plane + i] = x[3*i + c] for the first pixels of n; returns how many.
//
// On SSE2 by four perfect shuffles of 48 bytes, each of which moves byte p to 2*p modulo 47: together to 16*p, and
// 16*(3*i + c) is i + 16*c.
inline int64_t part_three(const uint8_t* x, int64_t plane, uint8_t* y, int64_t n) {
  int64_t i = 0;
#if defined(INT8_ARCH_X64)
  const auto upper = [](__m128i v) { return _mm_unpackhi_epi64(v, v); };
  for (; i + 16 <= n; i += 16) {
    const auto* from = reinterpret_cast<const __m128i*>(x + 3 * i);
    __m128i a = _mm_loadu_si128(from), b = _mm_loadu_si128(from + 1), c = _mm_loadu_si128(from + 2);
    for (int round = 0; round < 4; round++) {
      const __m128i first = _mm_unpacklo_epi8(a, upper(b));
      const __m128i second = _mm_unpacklo_epi8(upper(a), c);
      c = _mm_unpacklo_epi8(b, upper(c));
      a = first;
      b = second;
    }
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y + i), a);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y + plane + i), b);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y + 2 * plane + i), c);
  }
#elif defined(INT8_ARCH_ARM64)
  for (; i + 16 <= n; i += 16) {
    const uint8x16x3_t v = vld3q_u8(x + 3 * i);
    vst1q_u8(y + i, v.val[0]);
    vst1q_u8(y + plane + i, v.val[1]);
    vst1q_u8(y + 2 * plane + i, v.val[2]);
  }
#else
  (void)x, (void)plane, (void)y, (void)n;
#endif
  return i;
}

inline int64_t part_three(const uint32_t* x, int64_t plane, uint32_t* y, int64_t n) {
  int64_t i = 0;
#if defined(INT8_ARCH_X64)
  for (; i + 4 <= n; i += 4) {
    const auto* from = reinterpret_cast<const __m128i*>(x + 3 * i);
    const __m128 u = _mm_castsi128_ps(_mm_loadu_si128(from)), v = _mm_castsi128_ps(_mm_loadu_si128(from + 1)),
                 w = _mm_castsi128_ps(_mm_loadu_si128(from + 2));  // abca bcab cabc
    const __m128 a = _mm_shuffle_ps(u, _mm_shuffle_ps(v, w, 0x5a), 0x8c);
    const __m128 b = _mm_shuffle_ps(_mm_shuffle_ps(u, v, 0x05), _mm_shuffle_ps(v, w, 0xaf), 0x88);
    const __m128 c = _mm_shuffle_ps(_mm_shuffle_ps(u, v, 0x5a), w, 0xc8);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y + i), _mm_castps_si128(a));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y + plane + i), _mm_castps_si128(b));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y + 2 * plane + i), _mm_castps_si128(c));
  }
#elif defined(INT8_ARCH_ARM64)
  for (; i + 4 <= n; i += 4) {
    const uint32x4x3_t v = vld3q_u32(x + 3 * i);
    vst1q_u32(y + i, v.val[0]);
    vst1q_u32(y + plane + i, v.val[1]);
    vst1q_u32(y + 2 * plane + i, v.val[2]);
  }
#else
  (void)x, (void)plane, (void)y, (void)n;
#endif
  return i;
}

}  // namespace int8

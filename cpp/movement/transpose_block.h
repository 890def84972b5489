// Square blocks of a transposition in registers of 16 bytes: 16 x 16 bytes or 4 x 4 words. Every CPU of the
// architecture has what they take (SSE2, NEON), so they stand outside the dispatch tables.
//
// One round of zips (low and high halves of row i and of the row half a block below it, one after the other) turns the
// bits of an element's position, row and column, by one place; as many rounds as a row's index has bits exchange the
// two.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#if defined(INT8_ARCH_X64)
#include <emmintrin.h>
#elif defined(INT8_ARCH_ARM64)
#include <arm_neon.h>
#endif

namespace int8 {

#if defined(INT8_ARCH_X64)
using Line = __m128i;
inline Line load_line(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}
inline void store_line(void* p, Line v) {
  _mm_storeu_si128(static_cast<__m128i*>(p), v);
}
inline Line zip_low(Line a, Line b, uint8_t) {
  return _mm_unpacklo_epi8(a, b);
}
inline Line zip_high(Line a, Line b, uint8_t) {
  return _mm_unpackhi_epi8(a, b);
}
inline Line zip_low(Line a, Line b, uint32_t) {
  return _mm_unpacklo_epi32(a, b);
}
inline Line zip_high(Line a, Line b, uint32_t) {
  return _mm_unpackhi_epi32(a, b);
}
inline Line load_halves(const void* low, const void* high) {
  return _mm_unpacklo_epi64(_mm_loadl_epi64(static_cast<const __m128i*>(low)),
                            _mm_loadl_epi64(static_cast<const __m128i*>(high)));
}
inline void store_halves(void* low, void* high, Line v) {
  _mm_storel_epi64(static_cast<__m128i*>(low), v);
  _mm_storel_epi64(static_cast<__m128i*>(high), _mm_unpackhi_epi64(v, v));
}
#define INT8_LINES 1
#elif defined(INT8_ARCH_ARM64)
using Line = uint8x16_t;
inline Line load_line(const void* p) {
  return vld1q_u8(static_cast<const uint8_t*>(p));
}
inline void store_line(void* p, Line v) {
  vst1q_u8(static_cast<uint8_t*>(p), v);
}
inline Line zip_low(Line a, Line b, uint8_t) {
  return vzip1q_u8(a, b);
}
inline Line zip_high(Line a, Line b, uint8_t) {
  return vzip2q_u8(a, b);
}
inline Line zip_low(Line a, Line b, uint32_t) {
  return vreinterpretq_u8_u32(vzip1q_u32(vreinterpretq_u32_u8(a), vreinterpretq_u32_u8(b)));
}
inline Line zip_high(Line a, Line b, uint32_t) {
  return vreinterpretq_u8_u32(vzip2q_u32(vreinterpretq_u32_u8(a), vreinterpretq_u32_u8(b)));
}
inline Line load_halves(const void* low, const void* high) {
  return vcombine_u8(vld1_u8(static_cast<const uint8_t*>(low)), vld1_u8(static_cast<const uint8_t*>(high)));
}
inline void store_halves(void* low, void* high, Line v) {
  vst1_u8(static_cast<uint8_t*>(low), vget_low_u8(v));
  vst1_u8(static_cast<uint8_t*>(high), vget_high_u8(v));
}
#define INT8_LINES 1
#endif

#ifdef INT8_LINES
// Rows and columns of a block of T.
template <class T>
inline constexpr int64_t kBlock = 16 / sizeof(T);

inline void zip_all(Line (&a)[8], Line (&b)[8]) {
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    b[2 * i] = zip_low(a[i], a[i + 4], uint8_t{});
    b[2 * i + 1] = zip_high(a[i], a[i + 4], uint8_t{});
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) a[i] = b[i];
}

// y[c][r] = x[r][c]; strides in elements.
template <class T>
inline void transpose_block(const T* x, int64_t x_stride, T* y, int64_t y_stride) {
  constexpr int kRows = static_cast<int>(kBlock<T>);
  Line a[kRows], b[kRows];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; i++) a[i] = load_line(x + i * x_stride);
#pragma GCC unroll 4
  for (int round = kRows; round > 1; round /= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < kRows / 2; i++) {
      b[2 * i] = zip_low(a[i], a[i + kRows / 2], T{});
      b[2 * i + 1] = zip_high(a[i], a[i + kRows / 2], T{});
    }
#pragma GCC unroll 16
    for (int i = 0; i < kRows; i++) a[i] = b[i];
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; i++) store_line(y + i * y_stride, a[i]);
}

// y[c][r] = x[r][c] of 8 rows of 16 bytes, and of 16 rows of 8 bytes.
inline void transpose_8x16(const uint8_t* x, int64_t x_stride, uint8_t* y, int64_t y_stride) {
  Line a[8], b[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) a[i] = load_line(x + i * x_stride);
#pragma GCC unroll 3
  for (int round = 0; round < 3; round++) zip_all(a, b);
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) store_halves(y + 2 * i * y_stride, y + (2 * i + 1) * y_stride, a[i]);
}
inline void transpose_16x8(const uint8_t* x, int64_t x_stride, uint8_t* y, int64_t y_stride) {
  Line a[8], b[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) a[i] = load_halves(x + 2 * i * x_stride, x + (2 * i + 1) * x_stride);
#pragma GCC unroll 4
  for (int round = 0; round < 4; round++) zip_all(a, b);
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) store_line(y + i * y_stride, a[i]);
}
#undef INT8_LINES
inline constexpr bool kHasBlocks = true;
#else
// Other architectures move elements one by one.
template <class T>
inline constexpr int64_t kBlock = 1;
template <class T>
inline void transpose_block(const T* x, int64_t, T* y, int64_t) {
  *y = *x;
}
inline void transpose_8x16(const uint8_t*, int64_t, uint8_t*, int64_t) {}
inline void transpose_16x8(const uint8_t*, int64_t, uint8_t*, int64_t) {}
inline constexpr bool kHasBlocks = false;
#endif

}  // namespace int8

// Parameters of 8-bit codes, as arguments.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "args.h"
#include "int8/types.h"

namespace binding {

struct CodeRange {
  int32_t lo;
  int32_t hi;
};
inline CodeRange range_of(int8::CodeType type) {
  return type == int8::CodeType::kU8 ? CodeRange{0, 255} : CodeRange{-128, 127};
}

inline int32_t read_zero_point(Args& args, size_t i, const char* name, int8::CodeType type) {
  const CodeRange range = range_of(type);
  return static_cast<int32_t>(args.integer(i, name, range.lo, range.hi));
}

// Inclusive bounds of a result at i and i+1: within `range`, not crossed.
inline CodeRange read_bounds(Args& args, size_t i, CodeRange range) {
  const auto lo = static_cast<int32_t>(args.integer(i, "lo", range.lo, range.hi));
  const auto hi = static_cast<int32_t>(args.integer(i + 1, "hi", lo, range.hi));
  return {lo, hi};
}

// Zero points of a type, one per channel.
inline std::span<const int32_t> read_zero_points(Args& args, size_t i, int64_t count, CodeRange range) {
  const auto zero_points = args.in<int32_t>(i, "zeroPoints", count);
  for (const int32_t zero_point : zero_points) {
    if (zero_point < range.lo || zero_point > range.hi) {
      args.fail_range("zeroPoints", "has " + std::to_string(zero_point) + ", which must be from " +
                                        std::to_string(range.lo) + " to " + std::to_string(range.hi));
    }
  }
  return zero_points;
}

}  // namespace binding

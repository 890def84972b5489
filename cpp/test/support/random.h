// Random numbers whose seed is printed with a failure and can be set again: INT8_TEST_SEED.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <span>

namespace int8::test {

inline uint64_t seed() {
  const char* text = std::getenv("INT8_TEST_SEED");
  return text == nullptr ? 20240607 : std::strtoull(text, nullptr, 10);
}

// splitmix64
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // Inclusive.
  int64_t between(int64_t lo, int64_t hi) {
    return lo + static_cast<int64_t>(next() % static_cast<uint64_t>(hi - lo + 1));
  }
  float unit() { return static_cast<float>(next() >> 40) * 0x1p-24f; }
  void fill(std::span<uint8_t> bytes) {
    for (uint8_t& b : bytes) b = static_cast<uint8_t>(next());
  }

 private:
  uint64_t state_;
};

}  // namespace int8::test

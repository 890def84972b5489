// Guarded memory (guarded.h) as a buffer of elements, for kernels that take pointers and spans.
#pragma once

#include <cstring>
#include <span>
#include <vector>

#include "test/support/guarded.h"

namespace int8 {

// `size` elements that end at a page that nobody may touch, filled with a pattern.
template <class T>
class GuardedBuffer {
 public:
  explicit GuardedBuffer(size_t size) : memory_(size * sizeof(T), sizeof(T)), data_(memory_.as<T>()) {}
  explicit GuardedBuffer(const std::vector<T>& values) : GuardedBuffer(values.size()) {
    if (!values.empty()) std::memcpy(data_.data(), values.data(), values.size() * sizeof(T));
  }

  T* data() { return data_.data(); }
  const T* data() const { return data_.data(); }
  size_t size() const { return data_.size(); }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  std::span<T> span() { return data_; }
  std::span<const T> span() const { return data_; }
  std::vector<T> values() const { return {data_.begin(), data_.end()}; }
  // Whether nothing before the first element was written.
  bool front_untouched() const { return memory_.untouched(); }

 private:
  test::Guarded memory_;
  std::span<T> data_;
};

}  // namespace int8

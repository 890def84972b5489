// Buffers of the kernel tests: they end at a page that may not be touched, so that one element too far is a crash.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

namespace int8 {

template <class T>
class GuardedBuffer {
 public:
  // `size` elements, filled with the byte 0xA5; the page behind the last one is unmapped.
  explicit GuardedBuffer(size_t size) : size_(size) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t used = (size * sizeof(T) + page - 1) / page * page;
    mapped_ = used + page;
    void* memory = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    base_ = static_cast<uint8_t*>(memory);
    if (mprotect(base_ + used, page, PROT_NONE) != 0) std::abort();
    std::memset(base_, 0xA5, used);
    data_ = reinterpret_cast<T*>(base_ + used - size * sizeof(T));
  }
  explicit GuardedBuffer(const std::vector<T>& values) : GuardedBuffer(values.size()) {
    if (size_ != 0) std::memcpy(data_, values.data(), size_ * sizeof(T));
  }
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;
  ~GuardedBuffer() { munmap(base_, mapped_); }

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return size_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  std::span<T> span() { return {data_, size_}; }
  std::span<const T> span() const { return {data_, size_}; }
  std::vector<T> values() const { return {data_, data_ + size_}; }
  // Whether the byte before the first element still holds the fill.
  bool front_untouched() const {
    const auto* front = reinterpret_cast<const uint8_t*>(data_);
    return front == base_ || front[-1] == 0xA5;
  }

 private:
  size_t size_;
  size_t mapped_ = 0;
  uint8_t* base_ = nullptr;
  T* data_ = nullptr;
};

}  // namespace int8

// Memory between two pages that nobody may touch: a kernel that reads or writes one byte past an operand's end faults.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>

namespace int8::test {

// `size` bytes whose end (or, with kBefore, whose start) lies at a guard page. `align` keeps elements aligned: the end
// is then up to align-1 bytes away from the page and those bytes are checked by `untouched`.
class Guarded {
 public:
  enum class Side { kAfter, kBefore };

  explicit Guarded(size_t size, size_t align = 1, Side side = Side::kAfter) : size_(size) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t body = (size + page - 1) / page * page + page;
    total_ = body + 2 * page;
    base_ = static_cast<uint8_t*>(mmap(nullptr, total_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base_ == MAP_FAILED) throw std::runtime_error("mmap");
    begin_ = base_ + page;
    end_ = begin_ + body;
    if (mprotect(begin_, body, PROT_READ | PROT_WRITE) != 0) throw std::runtime_error("mprotect");
    std::memset(begin_, kFill, body);
    data_ = side == Side::kBefore ? begin_ : end_ - (size + align - 1) / align * align;
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() { munmap(base_, total_); }

  std::span<uint8_t> bytes() { return {data_, size_}; }
  template <class T>
  std::span<T> as() {
    return {reinterpret_cast<T*>(data_), size_ / sizeof(T)};
  }
  // Whether everything around the operand still holds the fill pattern.
  bool untouched() const {
    for (const uint8_t* p = begin_; p < data_; p++) {
      if (*p != kFill) return false;
    }
    for (const uint8_t* p = data_ + size_; p < end_; p++) {
      if (*p != kFill) return false;
    }
    return true;
  }

  static constexpr uint8_t kFill = 0xA5;

 private:
  size_t size_;
  size_t total_;
  uint8_t* base_;
  uint8_t* begin_;
  uint8_t* end_;
  uint8_t* data_;
};

}  // namespace int8::test

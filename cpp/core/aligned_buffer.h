// Memory for kernels: 64-byte aligned (a cache line, a zmm register), never throws.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace int8 {

inline constexpr size_t kAlignment = 64;

// `size` elements, not initialised. Empty (data() == nullptr) if memory ran out or nothing was asked for.
template <class T>
class AlignedBuffer {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t size) noexcept {
    if (size == 0 || size > SIZE_MAX / 2 / sizeof(T)) return;
    data_ = static_cast<T*>(::operator new (size * sizeof(T), std::align_val_t{kAlignment}, std::nothrow));
    if (data_ != nullptr) size_ = size;
  }
  // Aligned memory of somebody else, who keeps it for as long: it is only read.
  static AlignedBuffer borrow(const T* data, size_t size) noexcept {
    AlignedBuffer buffer;
    buffer.data_ = const_cast<T*>(data);
    buffer.size_ = size;
    buffer.borrowed_ = true;
    return buffer;
  }
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        borrowed_(std::exchange(other.borrowed_, false)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(borrowed_, other.borrowed_);
    return *this;
  }
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;
  ~AlignedBuffer() {
    if (!borrowed_) ::operator delete (data_, std::align_val_t{kAlignment});
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return size_; }
  size_t size_bytes() const { return size_ * sizeof(T); }
  std::span<T> span() { return {data_, size_}; }
  std::span<const T> span() const { return {data_, size_}; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }

 private:
  T* data_ = nullptr;
  size_t size_ = 0;
  bool borrowed_ = false;
};

}  // namespace int8

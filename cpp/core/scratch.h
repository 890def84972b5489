// Working memory of kernels: one buffer per purpose and thread, kept from call to call, so that a steady state
// allocates nothing. A buffer stays valid until the same thread asks for the same purpose again.
#pragma once

#include <cstddef>
#include <cstdint>

namespace int8 {

enum class Scratch : uint8_t { kInput, kStrip, kPointers, kRowSums, kGather, kDense, kFloat, kMatrix, kCount };

// At least `bytes`, 64-byte aligned, not initialised; null if memory ran out. What is larger than 8 MiB is not kept
// beyond the next request of that purpose by the thread.
uint8_t* scratch_bytes(Scratch purpose, size_t bytes) noexcept;

// The same for `count` elements of T.
template <class T>
T* scratch(Scratch purpose, int64_t count) noexcept {
  return reinterpret_cast<T*>(scratch_bytes(purpose, static_cast<size_t>(count) * sizeof(T)));
}

}  // namespace int8

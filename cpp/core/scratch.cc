#include "core/scratch.h"

#include <algorithm>

#include "core/aligned_buffer.h"

namespace int8 {
namespace {

constexpr size_t kKept = size_t{8} << 20;
constexpr size_t kLeast = 4096;

thread_local AlignedBuffer<uint8_t> t_buffers[static_cast<size_t>(Scratch::kCount)];

}  // namespace

uint8_t* scratch_bytes(Scratch purpose, size_t bytes) noexcept {
  AlignedBuffer<uint8_t>& buffer = t_buffers[static_cast<size_t>(purpose)];
  const bool oversized = buffer.size() > kKept && bytes <= kKept;
  if (buffer.data() == nullptr || buffer.size() < bytes || oversized) {
    buffer = AlignedBuffer<uint8_t>();  // free before asking for more
    // Half as much again, so that growing sizes do not allocate each time.
    const size_t wanted = bytes <= kKept ? std::min(kKept, std::max(kLeast, bytes + bytes / 2)) : bytes;
    buffer = AlignedBuffer<uint8_t>(wanted);
  }
  return buffer.data();
}

}  // namespace int8

// Aligned buffers and per-thread scratch: aligned, reused, bounded, and null instead of an exception.
#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "core/aligned_buffer.h"
#include "core/scratch.h"

namespace int8 {
namespace {

bool is_aligned(const void* p) {
  return reinterpret_cast<uintptr_t>(p) % kAlignment == 0;
}

TEST(AlignedBuffer, IsAlignedToACacheLine) {
  for (size_t size : {1, 3, 64, 1000}) {
    AlignedBuffer<int32_t> buffer(size);
    ASSERT_NE(buffer.data(), nullptr);
    EXPECT_TRUE(is_aligned(buffer.data()));
    EXPECT_EQ(buffer.size(), size);
    EXPECT_EQ(buffer.size_bytes(), 4 * size);
    std::memset(buffer.data(), 1, buffer.size_bytes());
  }
}

TEST(AlignedBuffer, MovesItsMemory) {
  AlignedBuffer<uint8_t> a(10);
  const uint8_t* data = a.data();
  AlignedBuffer<uint8_t> b(std::move(a));
  EXPECT_EQ(b.data(), data);
  AlignedBuffer<uint8_t> c;
  c = std::move(b);
  EXPECT_EQ(c.data(), data);
  EXPECT_EQ(c.size(), 10u);
}

TEST(AlignedBuffer, IsEmptyWhereSizesOverflow) {
  EXPECT_EQ(AlignedBuffer<int64_t>(SIZE_MAX).data(), nullptr);
  EXPECT_EQ(AlignedBuffer<int64_t>(SIZE_MAX / 4).data(), nullptr);
  EXPECT_EQ(AlignedBuffer<int64_t>(0).data(), nullptr);
}

TEST(Scratch, KeepsItsMemoryWhileRequestsFit) {
  uint8_t* first = scratch_bytes(Scratch::kStrip, 100000);
  ASSERT_NE(first, nullptr);
  EXPECT_TRUE(is_aligned(first));
  EXPECT_EQ(scratch_bytes(Scratch::kStrip, 100), first);
  EXPECT_EQ(scratch_bytes(Scratch::kStrip, 100000), first);
}

TEST(Scratch, PurposesAndThreadsDoNotShareMemory) {
  uint8_t* strip = scratch_bytes(Scratch::kStrip, 1000);
  EXPECT_NE(scratch_bytes(Scratch::kPointers, 1000), strip);
  std::thread([strip] { EXPECT_NE(scratch_bytes(Scratch::kStrip, 1000), strip); }).join();
}

TEST(Scratch, LargeMemoryIsUsableAndGivenBack) {
  constexpr size_t kLarge = size_t{20} << 20;
  uint8_t* large = scratch_bytes(Scratch::kInput, kLarge);
  ASSERT_NE(large, nullptr);
  std::memset(large, 1, kLarge);
  uint8_t* small = scratch_bytes(Scratch::kInput, 10);
  ASSERT_NE(small, nullptr);
  std::memset(small, 1, 10);
}

TEST(Scratch, IsNullWhereMemoryRunsOut) {
  EXPECT_EQ(scratch_bytes(Scratch::kGather, SIZE_MAX / 2 - 1), nullptr);
  EXPECT_NE(scratch_bytes(Scratch::kGather, 10), nullptr);
}

}  // namespace
}  // namespace int8

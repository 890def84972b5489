// Protects data movement: strided copies against the definition, for every element size, transposition and stride; fold
// against a scatter; memory around the result stays as it was.
#include "int8/movement.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "int8/thread_pool.h"
#include "test/support/guarded_buffer.h"
#include "test/support/kernel_data.h"

namespace int8 {
namespace {

using Indices = std::vector<int64_t>;

// The definition, byte by byte.
void copy_by_definition(const std::vector<uint8_t>& x, std::vector<uint8_t>& y, const StridedCopy& c) {
  for (const int64_t length : c.shape) {
    if (length == 0) return;
  }
  Indices index(c.shape.size());
  for (;;) {
    int64_t from = c.x_offset, to = c.y_offset;
    for (size_t d = 0; d < index.size(); d++) {
      from += index[d] * c.x_strides[d];
      to += index[d] * c.y_strides[d];
    }
    std::copy_n(x.begin() + from * c.item_size, c.item_size, y.begin() + to * c.item_size);
    size_t d = index.size();
    while (d > 0 && ++index[d - 1] == c.shape[d - 1]) index[--d] = 0;
    if (d == 0) return;
  }
}

Indices dense_strides(const Indices& shape, const std::vector<size_t>& order) {
  Indices strides(shape.size());
  int64_t step = 1;
  for (size_t i = order.size(); i-- > 0;) {
    strides[order[i]] = step;
    step *= shape[order[i]];
  }
  return strides;
}

void expect_copy(Random& random, const Indices& shape, const Indices& x_strides, const Indices& y_strides,
                 int64_t x_offset, int64_t x_size) {
  const int64_t size = std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  for (const int64_t item : {1, 4, 8}) {
    const GuardedBuffer<uint8_t> x(random_codes(random, x_size * item));
    GuardedBuffer<uint8_t> y(random_codes(random, size * item));
    std::vector<uint8_t> want = y.values();
    const StridedCopy copy{.shape = shape,
                           .x_offset = x_offset,
                           .x_strides = x_strides,
                           .y_offset = 0,
                           .y_strides = y_strides,
                           .item_size = item};
    copy_by_definition(x.values(), want, copy);
    strided_copy(x.span(), y.span(), copy);
    EXPECT_TRUE(same(y.values(), want));
    EXPECT_TRUE(y.front_untouched());
  }
}

TEST(StridedCopy, GivesTheDefinitionForEveryOrderOfAxes) {
  Random random{5};
  for (const Indices& shape :
       {Indices{2, 3, 5, 7}, Indices{1, 33, 40, 1}, Indices{3, 65, 2, 31}, Indices{4, 1, 1, 6}}) {
    std::vector<size_t> order{0, 1, 2, 3};
    const int64_t size = std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
    do {
      expect_copy(random, shape, dense_strides(shape, order), dense_strides(shape, {0, 1, 2, 3}), 0, size);
      expect_copy(random, shape, dense_strides(shape, {0, 1, 2, 3}), dense_strides(shape, order), 0, size);
    } while (std::next_permutation(order.begin(), order.end()));
  }
}

TEST(StridedCopy, ConvertsBetweenMemoryFormatsOfAnySize) {
  Random random{12};
  for (const int64_t channels : {1, 2, 3, 7, 8, 9, 16, 31, 33, 64, 100}) {
    for (const int64_t pixels : {1, 3, 7, 8, 9, 31, 33, 63, 64, 65, 200, 5000}) {
      const Indices shape{2, pixels, channels}, contiguous = dense_strides(shape, {0, 2, 1});
      const Indices channels_last = dense_strides(shape, {0, 1, 2});
      const int64_t size = 2 * pixels * channels;
      expect_copy(random, shape, contiguous, channels_last, 0, size);
      const Indices back{2, channels, pixels};
      expect_copy(random, back, dense_strides(back, {0, 2, 1}), dense_strides(back, {0, 1, 2}), 0, size);
    }
  }
}

TEST(StridedCopy, MakesPixelsOfThreePlanesOfAnyLength) {
  Random random{7};
  for (int64_t pixels = 1; pixels <= 70; pixels++) {
    expect_copy(random, {pixels, 3}, {1, pixels}, {3, 1}, 0, 3 * pixels);
    expect_copy(random, {2, pixels, 3}, {3 * pixels, 1, pixels}, {3 * pixels, 3, 1}, 0, 6 * pixels);
  }
  expect_copy(random, {50176, 3}, {1, 50176}, {3, 1}, 0, 3 * 50176);
}

TEST(StridedCopy, MakesThreePlanesOfPixelsOfAnyLength) {
  Random random{7};
  for (int64_t pixels = 1; pixels <= 70; pixels++) {
    expect_copy(random, {3, pixels}, {1, 3}, {pixels, 1}, 0, 3 * pixels);
    expect_copy(random, {2, 3, pixels}, {3 * pixels, 1, 3}, {3 * pixels, pixels, 1}, 0, 6 * pixels);
  }
  expect_copy(random, {3, 50176}, {1, 3}, {50176, 1}, 0, 3 * 50176);
}

TEST(StridedCopy, RepeatsReversesAndSteps) {
  Random random{6};
  expect_copy(random, {4, 5}, {0, 1}, {5, 1}, 0, 5);      // a row repeated
  expect_copy(random, {4, 5}, {1, 0}, {5, 1}, 0, 4);      // an element repeated
  expect_copy(random, {4, 5}, {5, -1}, {5, 1}, 4, 20);    // rows backwards
  expect_copy(random, {4, 5}, {-10, 2}, {5, 1}, 30, 40);  // every second element, last row first
  expect_copy(random, {}, {}, {}, 2, 3);                  // a scalar
  expect_copy(random, {3, 0, 2}, {2, 2, 1}, {0, 2, 1}, 0, 6);
}

TEST(StridedCopy, GivesTheSameBytesOnAnyNumberOfThreads) {
  Random random{8};
  const int before = num_threads();
  for (const int threads : {1, 2, 5}) {
    set_num_threads(threads);
    const Indices shape{8, 56, 56, 64};
    expect_copy(random, shape, dense_strides(shape, {0, 3, 1, 2}), dense_strides(shape, {0, 1, 2, 3}), 0,
                8 * 56 * 56 * 64);
  }
  set_num_threads(before);
}

TEST(Fold, AddsContributionsInAscendingKernelPosition) {
  Random random{9};
  for (const Fold& f : {Fold{.batch = 2,
                       .channels = 3,
                       .blocks_h = 4,
                       .blocks_w = 5,
                       .out_h = 6,
                       .out_w = 7,
                       .kernel_h = 3,
                       .kernel_w = 3},
                        Fold{.batch = 1,
                        .channels = 2,
                        .blocks_h = 3,
                        .blocks_w = 3,
                        .out_h = 5,
                        .out_w = 5,
                        .kernel_h = 3,
                        .kernel_w = 3,
                        .stride_h = 2,
                        .stride_w = 2,
                        .padding_h = 1,
                        .padding_w = 1},
                        Fold{.batch = 1,
                        .channels = 1,
                        .blocks_h = 2,
                        .blocks_w = 1,
                        .out_h = 4,
                        .out_w = 3,
                        .kernel_h = 2,
                        .kernel_w = 2,
                        .stride_h = 1,
                        .stride_w = 3,
                        .dilation_h = 2,
                        .dilation_w = 2}}) {
    const int64_t blocks = f.blocks_h * f.blocks_w, kernel = f.kernel_h * f.kernel_w, plane = f.out_h * f.out_w;
    const GuardedBuffer<float> x(random_floats(random, f.batch * f.channels * kernel * blocks));
    GuardedBuffer<float> y(static_cast<size_t>(f.batch * f.channels * plane));
    std::vector<float> want(y.values().size(), 0.0f);
    for (int64_t i = 0; i < f.batch * f.channels; i++) {
      for (int64_t k = 0; k < kernel; k++) {
        for (int64_t b = 0; b < blocks; b++) {
          const int64_t h = b / f.blocks_w * f.stride_h - f.padding_h + k / f.kernel_w * f.dilation_h;
          const int64_t w = b % f.blocks_w * f.stride_w - f.padding_w + k % f.kernel_w * f.dilation_w;
          if (h < 0 || h >= f.out_h || w < 0 || w >= f.out_w) continue;
          want[static_cast<size_t>(i * plane + h * f.out_w + w)] +=
              x.values()[static_cast<size_t>((i * kernel + k) * blocks + b)];
        }
      }
    }
    fold(x.span(), y.span(), f);
    EXPECT_TRUE(same(y.values(), want));
    EXPECT_TRUE(y.front_untouched());
  }
}

}  // namespace
}  // namespace int8

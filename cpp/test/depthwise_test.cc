// Depthwise convolution: every kernel of the table gives the exact bytes of numerics.md 4 and 5.
#include "support/qconv_case.h"

namespace int8::test {
namespace {

constexpr CodeType kBothTypes[] = {CodeType::kU8, CodeType::kS8};
constexpr OutputKind kOutputs[] = {OutputKind::kU8, OutputKind::kS8, OutputKind::kS32, OutputKind::kF32};

class Depthwise : public testing::TestWithParam<Kernels> {
 protected:
  void check(const QConvCase& c) const { c.check(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Kernels, Depthwise, testing::ValuesIn(all_kernels()),
                         [](const testing::TestParamInfo<Kernels>& info) { return info.param.name; });

TEST_P(Depthwise, IsExactForEachNumberOfChannels) {
  for (int64_t c : {2, 4, 6, 7, 8, 9, 12, 16, 25, 31, 32, 33, 63, 64, 65, 127, 129, 200}) {
    for (int64_t s : {1, 2, 3}) {
      check(
          QConvCase().channels(c, c, c).input(7, 8).batch(2).kernel(3, 3).stride(s, s).padding(1, 1).x_zero(128).y_zero(
              4));
    }
  }
}

TEST_P(Depthwise, IsExactWhereSeveralPixelsFillABlock) {
  for (int64_t c : {2, 3, 5, 6, 8, 12, 16, 32}) {
    for (int64_t w : {3, 4, 5, 9, 34, 35}) {
      const QConvCase base = QConvCase().channels(c, c, c).input(4, w).padding(1, 1).x_zero(28).y_zero(50);
      check(QConvCase(base).kernel(3, 3));
      check(QConvCase(base).kernel(3, 3).types(CodeType::kS8, CodeType::kU8, OutputKind::kF32).x_zero(3).bias());
      check(QConvCase(base).kernel(2, 3).dilation(2, 1).w_zero_per_channel());
      check(QConvCase(base).kernel(2, 2).types(CodeType::kU8, CodeType::kS8, OutputKind::kS32).guard_before());
    }
  }
}

TEST_P(Depthwise, IsExactForEachKernelStrideAndDilation) {
  for (int64_t k : {1, 2, 3, 5}) {
    for (int64_t s : {1, 2}) {
      for (int64_t d : {1, 2}) {
        for (int64_t w : {1, 3}) {
          check(QConvCase()
                    .channels(70, 70, 70)
                    .input(9, 10)
                    .kernel(k, w)
                    .stride(s, 3 - s)
                    .dilation(d, 3 - d)
                    .padding(2, 1)
                    .x_zero(60));
          check(QConvCase()
                    .channels(21, 21, 21)
                    .input(9, 10)
                    .kernel(k, k)
                    .stride(s, s)
                    .dilation(d, d)
                    .padding(1, 1)
                    .x_zero(60)
                    .w_zero_per_channel());
        }
      }
    }
  }
}

TEST_P(Depthwise, IsExactForEachPairingOfTypesAndOutputs) {
  for (CodeType x : kBothTypes) {
    for (CodeType w : kBothTypes) {
      for (OutputKind y : kOutputs) {
        for (int64_t s : {1, 2}) {
          QConvCase c = QConvCase()
                            .channels(83, 83, 83)
                            .input(6, 7)
                            .kernel(3, 3)
                            .padding(1, 1)
                            .stride(s, s)
                            .types(x, w, y)
                            .x_zero(17)
                            .y_zero(40);
          check(c);
          check(c.bounds().bias());
          check(c.w_zero(9));
          check(c.w_zero_per_channel());
        }
      }
    }
  }
}

TEST_P(Depthwise, MultipliersAreExact) {
  for (int64_t m : {2, 3, 5}) {
    for (int64_t c : {3, 31, 40}) {
      check(QConvCase()
                .channels(c, c * m, c)
                .input(5, 6)
                .kernel(3, 3)
                .padding(1, 1)
                .x_zero(99)
                .types(CodeType::kS8, CodeType::kS8, OutputKind::kU8)
                .x_zero(-7));
      check(QConvCase()
                .channels(c, c * m, c)
                .input(5, 6)
                .kernel(2, 4)
                .stride(2, 1)
                .padding(1, 1)
                .x_zero(99)
                .w_zero_per_channel());
    }
  }
}

TEST_P(Depthwise, SquareKernelsAreExactAtEachStrideAndWidth) {
  for (int64_t size : {3, 5}) {
    for (int64_t stride : {1, 2, 3}) {
      const auto square = [&](int64_t channels) {
        QConvCase c;
        return c.channels(channels, channels, channels).kernel(size, size).stride(stride, stride).x_zero(8);
      };
      for (int64_t w = size; w < size + 9; w++) check(square(40).input(6, w).padding(size / 2, size / 2));
      for (int64_t channels : {2, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 144})
        check(square(channels).input(6, 11).padding(size / 2, size / 2));
      check(square(35).input(9, 12).padding(0, 0));
      check(square(35).input(17, 12).dilation(2, 1).padding(2, 1));
      check(square(35).input(9, 19).dilation(1, 2).padding(1, 2));
      check(square(35).input(9, 12).padding(2, 1).padding_after(0, 2).scale(1.5f));
      for (CodeType x : kBothTypes) {
        for (OutputKind y : kOutputs) {
          QConvCase c = square(37).input(7, 8).padding(size / 2, size / 2).types(x, CodeType::kU8, y).w_zero(128);
          check(c.x_zero(-1 + (x == CodeType::kU8 ? 128 : 0)));
          check(c.w_zero_per_channel());
          check(c.bounds());
        }
      }
    }
  }
}

// A kernel reads whole blocks where the image lies, so guard pages stand right behind it, or before it.
TEST_P(Depthwise, SquareKernelsReadNothingOutsideTheImage) {
  for (int64_t size : {3, 5}) {
    for (int64_t channels : {2, 3, 17, 32, 64, 70, 128}) {
      for (int64_t h : {1, 2, 5}) {
        for (int64_t w : {1, 2, 3, 6}) {
          const QConvCase c = QConvCase()
                                  .channels(channels, channels, channels)
                                  .batch(3)
                                  .input(h, w)
                                  .kernel(size, size)
                                  .padding(size / 2, size / 2)
                                  .x_zero(77);
          check(c);
          check(QConvCase(c).guard_before());
          check(QConvCase(c).types(CodeType::kS8, CodeType::kS8, OutputKind::kS8).x_zero(-5));
        }
      }
    }
  }
}

TEST_P(Depthwise, SquareKernelsAreExactOnLinesTooWideForOneStrip) {
  check(QConvCase().channels(32, 32, 32).input(2, 2801).kernel(3, 3).padding(1, 1).x_zero(28));
  check(QConvCase()
            .channels(70, 70, 70)
            .input(3, 1301)
            .kernel(3, 3)
            .stride(2, 2)
            .padding(1, 1)
            .types(CodeType::kS8, CodeType::kS8, OutputKind::kU8)
            .x_zero(-28));
  check(QConvCase().channels(12, 24, 12).input(5, 2500).kernel(5, 5).padding(2, 2).x_zero(3));
}

TEST_P(Depthwise, SquareKernelsAreExactWhereAllLinesArePadding) {
  for (int64_t size : {3, 5}) {
    check(QConvCase().channels(40, 40, 40).input(4, 5, 3).kernel(size, size, 1).padding(2, 2, 2).x_zero(200));
    check(QConvCase().channels(32, 32, 32).input(1, 1).kernel(size, size).padding(7, 7).x_zero(200));
    check(QConvCase().channels(40, 40, 40).input(3, 4).kernel(size, size).stride(2, 1).padding(6, 2).x_zero(200));
  }
}

}  // namespace
}  // namespace int8::test

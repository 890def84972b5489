// Quantized convolution and linear: every kernel of the tables, and hidden portable ones with odd tiles, give the exact
// bytes of numerics.md 4 and 5, and touch nothing beside their operands.
#include <cmath>

#include "support/qconv_case.h"

namespace int8::test {
namespace {

constexpr CodeType kBothTypes[] = {CodeType::kU8, CodeType::kS8};
constexpr OutputKind kOutputs[] = {OutputKind::kU8, OutputKind::kS8, OutputKind::kS32, OutputKind::kF32};

class QConv : public testing::TestWithParam<Kernels> {
 protected:
  void check(const QConvCase& c) const { c.check(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Kernels, QConv, testing::ValuesIn(all_kernels()),
                         [](const testing::TestParamInfo<Kernels>& info) { return info.param.name; });

TEST_P(QConv, LinearIsExactForEveryResidueOfK) {
  for (int64_t k = 1; k <= 130; k++) check(QConvCase::linear(3, k, 17).x_zero(3).y_zero(100));
}

TEST_P(QConv, LinearIsExactForRowsAroundEachTile) {
  for (int64_t m = 1; m <= 27; m++) {
    for (int64_t n : {1, 16, 17, 33, 64, 130}) check(QConvCase::linear(m, 9, n).x_zero(7).y_zero(10));
  }
}

TEST_P(QConv, LinearIsExactForChannelsAroundEachPanel) {
  for (int64_t n = 1; n <= 130; n++) check(QConvCase::linear(7, 6, n).x_zero(1).y_zero(128));
}

TEST_P(QConv, SmallBatchesAreExactForLongRows) {
  for (int64_t m = 1; m <= 13; m++) {
    for (int64_t k : {255, 256, 257, 287, 288, 289, 577, 1001}) {
      for (int64_t n : {8, 24, 57, 64, 65, 131}) {
        const QConvCase c = QConvCase::linear(m, k, n).x_zero(7).y_zero(10);
        check(c);
        if (k % 2 != 0) check(QConvCase(c).w_zero_per_channel().types(CodeType::kU8, CodeType::kU8, OutputKind::kS32));
      }
    }
  }
}

TEST_P(QConv, TapsOfEachLengthAreExact) {
  for (int64_t c : {9, 15, 16, 17, 31, 33, 97}) {
    for (int64_t n : {7, 16, 41, 72}) {
      check(QConvCase().channels(c, n).input(4, 5).kernel(3, 3).padding(1, 1).x_zero(3).y_zero(90));
    }
  }
}

TEST_P(QConv, NaNAndInfinitiesOfTheBiasReachTheOutput) {
  for (int64_t m : {1, 2, 7}) {
    for (int64_t n : {5, 16, 70}) {
      const QConvCase c =
          QConvCase::linear(m, 20, n).types(CodeType::kU8, CodeType::kS8, OutputKind::kF32).specials_in_bias();
      check(c);
      check(QConvCase(c).bounds());
    }
  }
}

TEST_P(QConv, LinearIsExactForEachPairingOfTypesAndOutputs) {
  for (CodeType x : kBothTypes) {
    for (CodeType w : kBothTypes) {
      for (OutputKind y : kOutputs) {
        for (bool narrow : {false, true}) {
          QConvCase c = QConvCase::linear(13, 37, 83).types(x, w, y).x_zero(5).y_zero(-3 + (y == OutputKind::kU8) * 60);
          if (narrow) c.bounds().bias();
          check(c);
          check(c.w_zero_per_channel());
        }
      }
    }
  }
}

TEST_P(QConv, ZeroPointsAtTheEndsOfTheirTypesAreExact) {
  for (CodeType x : kBothTypes) {
    for (CodeType w : kBothTypes) {
      for (OutputKind y : {OutputKind::kU8, OutputKind::kS8}) {
        for (int zx : {0, 1, 127, 128, 255}) {
          for (int zw : {0, 127, 128, 255}) {
            for (int zy : {0, 1, 128, 255}) {
              const int x_shift = x == CodeType::kS8 ? 128 : 0;
              const int w_shift = w == CodeType::kS8 ? 128 : 0;
              const int y_shift = y == OutputKind::kS8 ? 128 : 0;
              check(QConvCase::linear(5, 11, 19)
                        .types(x, w, y)
                        .x_zero(zx - x_shift)
                        .w_zero(zw - w_shift)
                        .y_zero(zy - y_shift));
            }
          }
        }
      }
    }
  }
}

TEST_P(QConv, ExtremesOfBothTypesTogetherDoNotSaturate) {
  for (CodeType x : kBothTypes) {
    for (CodeType w : kBothTypes) {
      for (Codes xc : {Codes::kLowest, Codes::kHighest}) {
        for (Codes wc : {Codes::kLowest, Codes::kHighest}) {
          const QConvCase c = QConvCase::linear(7, 4099, 65).types(x, w, OutputKind::kS32).codes(xc, wc);
          check(c);
          check(QConvCase(c).x_zero(1).w_zero_per_channel());
        }
      }
    }
  }
}

TEST_P(QConv, WeightsOfSevenBitsAreExact) {
  for (CodeType w : kBothTypes) {
    for (OutputKind y : kOutputs) {
      for (Codes xc : {Codes::kRandom, Codes::kHighest}) {
        for (Codes wc : {Codes::kSevenBits, Codes::kLowestSevenBits, Codes::kHighestSevenBits}) {
          for (int64_t m : {1, 2, 3, 4, 5, 6, 7, 13}) {
            const QConvCase c = QConvCase::linear(m, 37, 27).types(CodeType::kU8, w, y).codes(xc, wc).x_zero(9);
            check(c);
            check(QConvCase(c).w_zero_per_channel().bounds());
          }
          check(QConvCase()
                    .channels(21, 19)
                    .input(5, 6)
                    .kernel(3, 3)
                    .padding(1, 1)
                    .types(CodeType::kS8, w, y)
                    .codes(xc, wc)
                    .x_zero(-7));
          check(QConvCase()
                    .channels(3, 20)
                    .input(9, 9)
                    .kernel(3, 3)
                    .types(CodeType::kU8, w, y)
                    .codes(xc, wc)
                    .guard_before());
        }
      }
    }
  }
}

TEST_P(QConv, TheLargestSumOfInt32IsExact) {
  check(QConvCase::linear(1, 65793, 3)
            .types(CodeType::kU8, CodeType::kS8, OutputKind::kS32)
            .codes(Codes::kHighest, Codes::kLowest));
  // The corrections overflow although the sum fits: 255*255*33025.
  check(QConvCase::linear(2, 33025, 2)
            .types(CodeType::kU8, CodeType::kU8, OutputKind::kS32)
            .x_zero(255)
            .w_zero(255)
            .codes(Codes::kLowest, Codes::kLowest));
}

TEST_P(QConv, MultipliersOfAnySizeAreExact) {
  for (OutputKind y : {OutputKind::kU8, OutputKind::kS8}) {
    for (float m : {0x1p-31f, 0x1p-40f, 0x1p-20f, 0.5f, 0.9f, 1.0f, 4.6f, 256.0f, 1e12f, 1e30f}) {
      check(QConvCase::linear(4, 50, 70).types(CodeType::kU8, CodeType::kS8, y).scale(m).x_zero(100).y_zero(50));
      check(QConvCase()
                .channels(70, 70, 70)
                .input(5, 5)
                .kernel(3, 3)
                .types(CodeType::kU8, CodeType::kS8, y)
                .scale(m)
                .x_zero(90));
    }
  }
}

TEST_P(QConv, SumsAbove24BitsAreRoundedToFloatOnce) {
  for (Codes w : {Codes::kLowest, Codes::kHighest}) {
    check(QConvCase::linear(3, 3001, 40).codes(Codes::kHighest, w).scale(1e-6f).y_zero(128));
    check(QConvCase::linear(3, 3001, 40)
              .types(CodeType::kU8, CodeType::kS8, OutputKind::kF32)
              .codes(Codes::kHighest, w)
              .bias());
  }
}

TEST_P(QConv, LinearWithoutInputsGivesTheBias) {
  for (OutputKind y : kOutputs) check(QConvCase::linear(5, 0, 33).types(CodeType::kU8, CodeType::kS8, y));
}

TEST_P(QConv, PointwiseConvolutionIsExact) {
  for (int64_t c : {1, 3, 4, 31, 64, 65}) check(QConvCase().channels(c, 70).input(5, 9).batch(2).x_zero(9).y_zero(77));
}

TEST_P(QConv, PointwiseConvolutionHonoursStrideAndPadding) {
  check(QConvCase().channels(20, 30).input(7, 9).stride(2, 2).x_zero(9));
  check(QConvCase().channels(20, 30).input(5, 4).padding(2, 1).x_zero(200).y_zero(20));
  check(QConvCase().channels(20, 30).input(9, 9).stride(5, 3).padding(1, 0).x_zero(200));
}

TEST_P(QConv, WindowsAreExactForEachKernelStrideDilationAndPadding) {
  for (int64_t k : {1, 2, 3, 5}) {
    for (int64_t s : {1, 2, 3}) {
      for (int64_t d : {1, 2}) {
        for (int64_t p : {0, 1, 3}) {
          check(QConvCase()
                    .channels(19, 21)
                    .input(9, 11)
                    .kernel(k, 4 - (k & 1))
                    .stride(s, 3 - s / 2)
                    .dilation(d, 3 - d)
                    .padding(p, p / 2)
                    .x_zero(77)
                    .y_zero(30));
        }
      }
    }
  }
}

TEST_P(QConv, EachPaddingAloneIsExact) {
  check(QConvCase().channels(12, 9).input(6, 6).kernel(3, 3).padding(2, 0).padding_after(0, 0).x_zero(50));
  check(QConvCase().channels(12, 9).input(6, 6).kernel(3, 3).padding(0, 2).padding_after(0, 0).x_zero(50));
  check(QConvCase().channels(12, 9).input(6, 6).kernel(3, 3).padding(0, 0).padding_after(2, 0).x_zero(50));
  check(QConvCase().channels(12, 9).input(6, 6).kernel(3, 3).padding(0, 0).padding_after(0, 3).x_zero(50));
}

TEST_P(QConv, WindowsWhollyInPaddingGiveTheBias) {
  for (int64_t c : {3, 12}) check(QConvCase().channels(c, 9).input(2, 3).kernel(2, 2).padding(5, 6).x_zero(255));
  check(QConvCase().channels(12, 12, 12).input(2, 3).kernel(3, 3).padding(5, 6).x_zero(255));
}

TEST_P(QConv, KernelsLargerThanTheInputAreExactWherePaddingAllowsThem) {
  for (int64_t c : {3, 12}) check(QConvCase().channels(c, 9).input(2, 2).kernel(5, 5).padding(2, 2).x_zero(13));
  check(QConvCase().channels(12, 12, 12).input(2, 2).kernel(5, 5).padding(2, 2).x_zero(13));
}

TEST_P(QConv, FewInputChannelsAreExact) {
  for (int64_t c = 1; c <= 9; c++) {
    for (int64_t k : {2, 3, 7}) {
      check(QConvCase()
                .channels(c, 33)
                .input(12, 13)
                .batch(2)
                .kernel(k, k)
                .stride(2, 2)
                .padding(k / 2, k / 2)
                .x_zero(114));
      check(QConvCase()
                .channels(c, 16)
                .input(12, 17)
                .kernel(2, k)
                .dilation(2, 2)
                .padding(1, 2)
                .x_zero(3)
                .w_zero_per_channel());
      check(QConvCase()
                .channels(c, 40)
                .input(8, 8)
                .kernel(k, k)
                .types(CodeType::kS8, CodeType::kU8, OutputKind::kS8)
                .x_zero(-5)
                .padding(0, 1));
    }
  }
}

TEST_P(QConv, GroupsAreExact) {
  check(QConvCase().channels(6, 10, 2).input(6, 7).kernel(3, 3).padding(1, 1).x_zero(31));
  check(QConvCase().channels(130, 260, 2).input(4, 3).kernel(1, 1).x_zero(31));
  check(QConvCase().channels(64, 64, 16).input(6, 5).kernel(3, 3).padding(1, 1).x_zero(31).w_zero_per_channel());
  check(QConvCase()
            .channels(9, 15, 3)
            .input(5, 5)
            .kernel(2, 2)
            .types(CodeType::kS8, CodeType::kS8, OutputKind::kF32)
            .x_zero(-128));
}

TEST_P(QConv, OneAndThreeDimensionsAreExact) {
  check(QConvCase().channels(1, 40).input(1, 301).kernel(1, 25).stride(1, 3).padding(0, 12).x_zero(5));
  check(QConvCase().channels(24, 24).input(1, 50).kernel(1, 3).dilation(1, 4).padding(0, 4).x_zero(5));
  check(QConvCase().channels(24, 24, 24).input(1, 50).kernel(1, 9).padding(0, 4).x_zero(5));
  check(QConvCase().channels(18, 20).input(5, 6, 4).kernel(3, 2, 2).stride(2, 1, 1).padding(1, 0, 1).x_zero(8));
  check(QConvCase().channels(2, 20).input(5, 6, 4).kernel(3, 2, 2).dilation(1, 2, 2).padding(1, 0, 1).x_zero(8));
  check(QConvCase().channels(20, 20, 20).input(5, 6, 4).kernel(3, 3, 3).padding(1, 1, 1).x_zero(8));
  check(QConvCase().channels(20, 20, 20).input(5, 6, 4).kernel(3, 3, 1).padding(1, 1, 1).stride(1, 1, 2).x_zero(8));
}

TEST_P(QConv, ImagesLargerThanABlockOrAStripAreExact) {
  check(QConvCase().channels(9, 5).input(34, 31).kernel(3, 3).padding(1, 1).x_zero(8));
  check(QConvCase().channels(150, 150, 150).input(45, 50).kernel(3, 3).padding(1, 1).x_zero(8));
  check(QConvCase().channels(32, 32, 32).input(90, 101).kernel(3, 3).stride(2, 1).padding(1, 1).x_zero(8));
  check(QConvCase().channels(3, 4).input(280, 330).kernel(3, 3).stride(2, 2).padding(1, 1).x_zero(8));
  check(QConvCase().channels(1, 2).input(1, 300001).kernel(1, 9).padding(0, 4).x_zero(8));
  check(QConvCase().channels(1, 2).input(1, 150001).kernel(1, 5).dilation(1, 3).padding(0, 4).stride(1, 2).x_zero(8));
}

// Where a tap is a whole number of K steps, tiles may read output rows in segments (segments.cc): every length, kernels
// of each kind, and both sides of the width from which on it is done.
TEST_P(QConv, TapsOfWholeStepsAreExactForEachWidth) {
  for (int64_t w = 5; w <= 36; w++) {
    check(QConvCase().channels(64, 33).input(3, w).kernel(3, 3).padding(1, 1).x_zero(8).with_seed(seed() + 1));
  }
  for (int64_t out : {5, 17, 40, 64, 70, 130})
    check(QConvCase().channels(64, out).input(5, 19).kernel(2, 3).padding(1, 1).x_zero(8));
  check(QConvCase().channels(128, 40, 2).input(6, 21).kernel(3, 3).padding(1, 1).x_zero(8));
  check(
      QConvCase().channels(64, 20).input(9, 41).kernel(3, 5).stride(2, 2).padding(0, 3).padding_after(2, 1).x_zero(8));
  check(QConvCase().channels(64, 20).input(9, 41).kernel(3, 2).stride(1, 3).dilation(2, 3).padding(2, 2).x_zero(8));
  check(QConvCase().channels(64, 20).input(4, 17, 3).kernel(2, 2, 2).padding(1, 1, 1).batch(2).x_zero(8));
  check(QConvCase().channels(192, 70).input(60, 40).kernel(3, 3).padding(1, 1).x_zero(8));
  // Equal steps of less than 64, and none.
  for (int64_t in : {72, 80, 96, 100, 112, 144, 160}) {
    for (int64_t w : {5, 9, 19}) check(QConvCase().channels(in, 33).input(4, w).kernel(3, 3).padding(1, 1).x_zero(8));
    check(QConvCase().channels(in, 70).input(7, 9).x_zero(8));
    check(QConvCase().channels(2 * in, 40, 2).input(5, 9).x_zero(8));
    check(QConvCase::linear(37, in, 70).w_zero_per_channel().x_zero(8));
  }
  for (CodeType x : kBothTypes) {
    for (OutputKind y : kOutputs) {
      QConvCase c;
      c.channels(64, 37).input(4, 18).kernel(3, 3).padding(1, 1).types(x, CodeType::kU8, y).w_zero(128);
      check(c.x_zero(-1 + (x == CodeType::kU8 ? 128 : 0)));
      check(c.w_zero_per_channel());
    }
  }
}

TEST_P(QConv, OperandsAreNotReadBeforeTheirStart) {
  check(QConvCase::linear(7, 13, 21).guard_before().x_zero(4));
  for (int64_t c : {3, 13})
    check(QConvCase().channels(c, 21).input(5, 5).kernel(3, 3).padding(1, 1).guard_before().x_zero(4));
  check(QConvCase().channels(13, 13, 13).input(5, 5).kernel(3, 3).padding(1, 1).guard_before().x_zero(4));
}

TEST_P(QConv, RandomConvolutionsAreExact) {
  Random random(seed());
  for (uint64_t i = 0; i < 300; i++) {
    QConvCase c;
    const int64_t groups = random.between(0, 3) == 0 ? random.between(2, 9) : 1;
    const int64_t per_group = random.between(0, 2) == 0 ? random.between(1, 70) : random.between(1, 9);
    c.channels(groups * per_group, groups * random.between(1, random.between(0, 3) == 0 ? 90 : 9), groups);
    c.kernel(random.between(1, 4), random.between(1, 4), random.between(0, 5) == 0 ? 2 : 1);
    c.stride(random.between(1, 3), random.between(1, 3)).dilation(random.between(1, 2), random.between(1, 2));
    c.padding(random.between(0, 3), random.between(0, 3)).padding_after(random.between(0, 3), random.between(0, 3));
    c.input(random.between(7, 12), random.between(7, 12), random.between(2, 3)).batch(random.between(1, 2));
    const auto x = kBothTypes[random.between(0, 1)];
    const auto y = kOutputs[random.between(0, 3)];
    c.types(x, kBothTypes[random.between(0, 1)], y);
    c.x_zero(static_cast<int32_t>(random.between(0, 255)) - (x == CodeType::kS8 ? 128 : 0));
    c.y_zero(static_cast<int32_t>(random.between(0, 255)) - (y == OutputKind::kS8 ? 128 : 0));
    if (random.between(0, 2) == 0) c.w_zero_per_channel();
    if (random.between(0, 2) == 0 && c.y_zero_point < 60) c.bounds();
    if (random.between(0, 1) == 0) c.bias();
    check(c.with_seed(i));
    if (HasFatalFailure()) return;
  }
}

TEST(QConvCalls, AnEmptyBatchIsDoneAtOnce) {
  const std::vector<uint8_t> codes(12);
  const std::vector<int32_t> zeros(3);
  const std::vector<float> multipliers(3, 0.1f);
  const auto packed = pack_quantized({.codes = codes, .zero_points = zeros, .out_channels = 3, .in_per_group = 4});
  const auto bound = bind_quantized(packed, {.bias = zeros, .multipliers = multipliers});
  EXPECT_EQ(qlinear(*bound, {}, {}, 0), Status::kOk);
  EXPECT_EQ(qconv(*bound, {}, {}, {.batch = 0, .in_channels = 4, .out_channels = 3}), Status::kOk);
  EXPECT_EQ(facts(*bound).out_channels, 3);
  EXPECT_GT(facts(*bound).bytes, facts(*packed).bytes);
}

}  // namespace
}  // namespace int8::test

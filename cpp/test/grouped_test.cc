// Grouped convolution, where kernels of groups of 4 and 8 channels take it and where they do not: every kernel of the
// tables gives the exact bytes of numerics.md 4 and 5.
#include "support/qconv_case.h"

namespace int8::test {
namespace {

class Grouped : public testing::TestWithParam<Kernels> {
 protected:
  void check(const QConvCase& c) const { c.check(GetParam()); }
  static QConvCase groups(int64_t count, int64_t size) {
    return QConvCase().channels(count * size, count * size, count).x_zero(77).y_zero(60);
  }
};
INSTANTIATE_TEST_SUITE_P(Kernels, Grouped, testing::ValuesIn(all_kernels()),
                         [](const testing::TestParamInfo<Kernels>& info) { return info.param.name; });

TEST_P(Grouped, GroupsOfAnyNumberAndSizeAreExact) {
  for (const int64_t size : {2, 4, 5, 8, 16}) {
    for (const int64_t count : {2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 33}) {
      check(groups(count, size).input(4, 7).kernel(3, 3).padding(1, 1));
      check(groups(count, size).input(5, 6).kernel(3, 3).stride(2, 2).padding(1, 1).w_zero_per_channel());
    }
  }
}

TEST_P(Grouped, RowsOfAnyWidthAreExact) {
  for (const int64_t size : {4, 8}) {
    for (const int64_t count : {2, 4, 8, 20}) {
      for (int64_t w = 3; w < 13; w++) check(groups(count, size).input(3, w).kernel(3, 3).padding(1, 1).batch(2));
    }
  }
}

TEST_P(Grouped, EachKernelStrideAndDilationIsExact) {
  for (const int64_t size : {4, 8}) {
    for (const int64_t k : {1, 2, 3, 5}) {
      for (const int64_t s : {1, 2}) {
        for (const int64_t d : {1, 2}) {
          const QConvCase c = groups(11, size).input(11, 12).kernel(k, 4 - s).stride(s, 3 - s).dilation(d, 3 - d);
          check(QConvCase(c).padding(2, 1));
          check(QConvCase(c).padding(0, 2).padding_after(1, 0).w_zero_per_channel());
        }
      }
    }
    check(groups(6, size).input(5, 6, 4).kernel(3, 2, 2).padding(1, 1));
  }
}

TEST_P(Grouped, EachPairingOfTypesAndOutputsIsExact) {
  for (const int64_t size : {4, 8}) {
    for (const CodeType x : {CodeType::kU8, CodeType::kS8}) {
      for (const CodeType w : {CodeType::kU8, CodeType::kS8}) {
        for (const OutputKind y : {OutputKind::kU8, OutputKind::kS8, OutputKind::kS32, OutputKind::kF32}) {
          QConvCase c = groups(13, size).input(6, 7).kernel(3, 3).padding(1, 1).types(x, w, y).x_zero(17).y_zero(40);
          check(c);
          check(c.bounds().bias());
          check(c.w_zero(9));
          check(c.w_zero_per_channel());
          check(c.through_image());
        }
      }
    }
  }
}

TEST_P(Grouped, NothingIsReadOrWrittenBesidesTheOperands) {
  for (const int64_t size : {4, 8}) {
    for (const int64_t count : {2, 7, 16}) {
      const QConvCase c = groups(count, size).input(5, 5).kernel(3, 3).padding(1, 1);
      check(QConvCase(c).guard_before());
      check(QConvCase(c).scale(1.5f));
    }
  }
}

TEST_P(Grouped, GroupsWithOtherNumbersOfResultsAreExact) {
  for (const int64_t size : {4, 8}) {
    for (const int64_t results : {1, 2, 6, 12}) {
      check(QConvCase().channels(5 * size, 5 * results, 5).input(5, 6).kernel(3, 3).padding(1, 1).x_zero(9));
    }
  }
}

}  // namespace
}  // namespace int8::test

// Quantized convolution and linear on several threads, and from several threads: the same bytes as on one, which
// qconv_test.cc compares with the definition. Also run under ThreadSanitizer.
#include <thread>

#include "int8/thread_pool.h"
#include "support/qconv_case.h"

namespace int8::test {
namespace {

// Large enough for every driver to share its work out.
std::vector<QConvCase> large_cases() {
  return {
      QConvCase::linear(300, 70, 90).x_zero(7),
      QConvCase::linear(2, 1100, 700).x_zero(7).w_zero_per_channel(),
      QConvCase().channels(40, 70).input(25, 27).kernel(3, 3).padding(1, 1).x_zero(100),
      QConvCase().channels(40, 80, 4).input(30, 27).kernel(3, 3).padding(1, 1).x_zero(3).w_zero_per_channel(),
      QConvCase().channels(3, 40).input(60, 50).kernel(5, 5).padding(2, 2).x_zero(9),
      QConvCase().channels(2, 70).input(1, 4000).kernel(1, 25).padding(0, 12).x_zero(9),
      QConvCase().channels(90, 90, 90).input(40, 41).kernel(3, 3).padding(1, 1).x_zero(33),
      QConvCase()
          .channels(64, 70)
          .input(17, 17)
          .kernel(3, 3)
          .types(CodeType::kS8, CodeType::kU8, OutputKind::kF32)
          .x_zero(-9)
          .w_zero(77)
          .batch(2),
  };
}

// The kernels of the tables and one odd tile.
std::vector<Kernels> some_kernels() {
  std::vector<Kernels> list = all_kernels();
  std::erase_if(list, [](const Kernels& k) { return k.name.starts_with("tile") && k.name != "tile3x5c2"; });
  return list;
}

class QConvThreads : public testing::TestWithParam<Kernels> {
 protected:
  void TearDown() override { set_num_threads(1); }
};
INSTANTIATE_TEST_SUITE_P(Kernels, QConvThreads, testing::ValuesIn(some_kernels()),
                         [](const testing::TestParamInfo<Kernels>& info) { return info.param.name; });

TEST_P(QConvThreads, AnyNumberOfThreadsGivesTheSameBytes) {
  for (const QConvCase& c : large_cases()) {
    set_num_threads(1);
    const std::vector<uint8_t> expected = c.run(GetParam());
    for (int threads : {2, 5}) {
      set_num_threads(threads);
      EXPECT_EQ(c.run(GetParam()), expected) << threads << " threads, " << c.describe();
    }
  }
}

TEST_P(QConvThreads, ManyCallersAtOnceGetTheSameBytes) {
  const std::vector<QConvCase> cases = large_cases();
  std::vector<std::vector<uint8_t>> expected;
  set_num_threads(1);
  for (const QConvCase& c : cases) expected.push_back(c.run(GetParam()));
  set_num_threads(3);
  std::vector<std::thread> callers;
  for (size_t i = 0; i < 4; i++) {
    callers.emplace_back([&, i] {
      for (size_t j = 0; j < cases.size(); j++) {
        const size_t k = (i * 3 + j) % cases.size();
        EXPECT_EQ(cases[k].run(GetParam()), expected[k]) << cases[k].describe();
      }
    });
  }
  for (std::thread& t : callers) t.join();
}

}  // namespace
}  // namespace int8::test

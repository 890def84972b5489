// One quantized convolution or linear as a test case: a chain of settings, an exact reference, and a check that runs
// the library's drivers with kernels of the test's choice between guard pages.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "conv/packed.h"
#include "int8/qconv.h"
#include "support/guarded.h"
#include "support/random.h"

namespace int8::test {

// A pair of rows of the kernel tables.
struct Kernels {
  std::string name;
  GemmRow gemm;
  DepthwiseRow depthwise;
};
// What this CPU can run of the tables, then hidden portable kernels with odd tiles. An instruction set that the CPU
// lacks is named on standard output.
const std::vector<Kernels>& all_kernels();

// Seven-bit codes are those within 64 of the type's middle.
enum class Codes { kRandom, kLowest, kHighest, kSevenBits, kLowestSevenBits, kHighestSevenBits };
enum class ZeroPoints { kZero, kSame, kPerChannel };

struct QConvCase {
  ConvGeometry g{.batch = 1, .groups = 1, .in_channels = 1, .out_channels = 1};
  bool is_linear = false;
  CodeType x_type = CodeType::kU8;
  CodeType w_type = CodeType::kS8;
  OutputKind output = OutputKind::kU8;
  ZeroPoints w_zero_points = ZeroPoints::kZero;
  int32_t w_zero_point = 0;
  int32_t x_zero_point = 0;
  int32_t y_zero_point = 0;
  Codes x_codes = Codes::kRandom;
  Codes w_codes = Codes::kRandom;
  float multiplier = 0;  // 0: chosen so that results spread over the range of y
  bool narrow = false;   // bounds inside the type's range
  bool float_bias = false;
  bool special_bias = false;  // NaN and infinities among the float biases
  bool image = false;         // weights packed, written as an image and read back
  Guarded::Side guard = Guarded::Side::kAfter;
  uint64_t seed = 1;

  QConvCase& channels(int64_t in, int64_t out, int64_t groups = 1) {
    g.in_channels = in;
    g.out_channels = out;
    g.groups = groups;
    return *this;
  }
  QConvCase& batch(int64_t n) { return g.batch = n, *this; }
  QConvCase& input(int64_t h, int64_t w, int64_t d = 1) { return g.input = {d, h, w}, *this; }
  QConvCase& kernel(int64_t h, int64_t w, int64_t d = 1) { return g.kernel = {d, h, w}, *this; }
  QConvCase& stride(int64_t h, int64_t w, int64_t d = 1) { return g.stride = {d, h, w}, *this; }
  QConvCase& dilation(int64_t h, int64_t w, int64_t d = 1) { return g.dilation = {d, h, w}, *this; }
  // Before and after on each axis alike, unless `after` is given.
  QConvCase& padding(int64_t h, int64_t w, int64_t d = 0) { return g.padding = after = {d, h, w}, *this; }
  QConvCase& padding_after(int64_t h, int64_t w, int64_t d = 0) { return after = {d, h, w}, *this; }
  QConvCase& types(CodeType x, CodeType w, OutputKind y) { return x_type = x, w_type = w, output = y, *this; }
  QConvCase& x_zero(int32_t z) { return x_zero_point = z, *this; }
  QConvCase& y_zero(int32_t z) { return y_zero_point = z, *this; }
  QConvCase& w_zero(int32_t z) { return w_zero_points = ZeroPoints::kSame, w_zero_point = z, *this; }
  QConvCase& w_zero_per_channel() { return w_zero_points = ZeroPoints::kPerChannel, *this; }
  QConvCase& codes(Codes x, Codes w) { return x_codes = x, w_codes = w, *this; }
  QConvCase& scale(float m) { return multiplier = m, *this; }
  QConvCase& bounds() { return narrow = true, *this; }
  QConvCase& bias() { return float_bias = true, *this; }
  QConvCase& specials_in_bias() { return special_bias = float_bias = true, *this; }
  QConvCase& through_image() { return image = true, *this; }
  QConvCase& guard_before() { return guard = Guarded::Side::kBefore, *this; }
  QConvCase& with_seed(uint64_t s) { return seed = s, *this; }
  static QConvCase linear(int64_t rows, int64_t k, int64_t n) {
    QConvCase c;
    c.is_linear = true;
    return c.batch(rows).channels(k, n);
  }

  std::string describe() const;
  // Runs it with these kernels; failures are reported to googletest.
  void check(const Kernels& kernels) const;
  // The result's bytes; no check.
  std::vector<uint8_t> run(const Kernels& kernels) const;

 private:
  Dims3 after{0, 0, 0};
  ConvGeometry geometry() const;
};

}  // namespace int8::test

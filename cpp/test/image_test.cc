// Images of packed weights: they give the bytes that packing gives, are refused where they do not fit, and stay as they
// are. Mapped files.
#include "conv/image.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <string>

#include "int8/mapped_file.h"
#include "support/qconv_case.h"

namespace int8::test {
namespace {

class Image : public testing::TestWithParam<Kernels> {};
INSTANTIATE_TEST_SUITE_P(Kernels, Image, testing::ValuesIn(all_kernels()),
                         [](const testing::TestParamInfo<Kernels>& info) { return info.param.name; });

TEST_P(Image, GivesTheBytesOfWhatWasPacked) {
  const auto check = [](QConvCase c) {
    c.x_zero(3).y_zero(90).through_image().check(GetParam());
    c.w_zero_per_channel().check(GetParam());
  };
  check(QConvCase::linear(3, 65, 17));
  check(QConvCase::linear(1, 300, 70).types(CodeType::kS8, CodeType::kU8, OutputKind::kS32));
  check(QConvCase().channels(33, 40).input(5, 6).kernel(3, 3).padding(1, 1));
  check(QConvCase().channels(32, 24, 4).input(5, 6).kernel(2, 3));
  check(QConvCase().channels(3, 20).input(9, 9).kernel(3, 3).stride(2, 2));
  check(QConvCase().channels(24, 24, 24).input(6, 7).kernel(3, 3).padding(1, 1));
  check(QConvCase().channels(70, 140, 70).input(6, 7).kernel(5, 3));
  check(QConvCase::linear(5, 64, 64).codes(Codes::kRandom, Codes::kSevenBits));
}

// 40 output channels, 3x3, 20 input channels.
struct Fixture {
  std::vector<uint8_t> codes = std::vector<uint8_t>(40 * 9 * 20);
  std::vector<int32_t> zero_points = std::vector<int32_t>(40);
  QuantizedWeights weights{.type = CodeType::kS8, .out_channels = 40, .in_per_group = 20, .kernel = {1, 3, 3}};

  Fixture() {
    for (size_t i = 0; i < codes.size(); i++) codes[i] = static_cast<uint8_t>(i * 7 + i / 11);
    weights.codes = codes;
    weights.zero_points = zero_points;
  }
};

struct Stored {
  AlignedBuffer<uint8_t> bytes;
  explicit Stored(const PackedQuantized& packed) : bytes(static_cast<size_t>(image_size(packed))) {
    write_image(packed, bytes.span());
  }
};

TEST_P(Image, IsRefusedWhereItDoesNotFit) {
  const Fixture f;
  const Kernels& k = GetParam();
  const auto packed = pack_quantized_for(f.weights, k.gemm, k.depthwise);
  ASSERT_NE(packed, nullptr);
  Stored image(*packed);
  const auto read = [&](const QuantizedWeights& weights, std::span<const uint8_t> bytes) {
    return read_image_for(weights, k.gemm, k.depthwise, bytes, nullptr);
  };
  const std::span<const uint8_t> bytes = image.bytes.span();
  EXPECT_NE(read(f.weights, bytes), nullptr);
  EXPECT_EQ(read(f.weights, {}), nullptr);
  EXPECT_EQ(read(f.weights, bytes.first(63)), nullptr);
  EXPECT_EQ(read(f.weights, bytes.first(bytes.size() - 1)), nullptr);
  EXPECT_EQ(read(f.weights, bytes.subspan(1)), nullptr);
  QuantizedWeights other = f.weights;
  other.out_channels = 41;
  EXPECT_EQ(read(other, bytes), nullptr);
  other = f.weights;
  other.kernel = {1, 1 << 30, 1 << 30};
  EXPECT_EQ(read(other, bytes), nullptr);
  other = f.weights;
  other.transposed = TransposedSteps{};
  EXPECT_EQ(read(other, bytes), nullptr);
  for (size_t i = 0; i < 64; i++) {
    const uint8_t before = image.bytes[i];
    image.bytes[i] ^= 0x40;
    EXPECT_EQ(read(f.weights, bytes), nullptr) << "byte " << i << " of the header";
    image.bytes[i] = before;
  }
}

TEST(Image, OfTransposedWeightsDoesNotExist) {
  Fixture f;
  f.weights.transposed = TransposedSteps{};
  const Kernels& k = all_kernels().front();
  const auto packed = pack_quantized_for(f.weights, k.gemm, k.depthwise);
  ASSERT_NE(packed, nullptr);
  EXPECT_EQ(image_size(*packed), 0);
}

// A change of the layout must raise kImageVersion, or files written before would be read wrongly.
TEST(Image, OfThisVersionHasTheseBytes) {
  ASSERT_EQ(kImageVersion, 2u);
  uint64_t hash = 14695981039346656037u;
  for (const GemmRow& row : gemm_rows()) {
    const Fixture f;
    for (const DepthwiseRow& depthwise : depthwise_rows()) {
      for (const int64_t groups : {1, 40}) {
        QuantizedWeights weights = f.weights;
        weights.groups = groups;
        if (groups > 1) weights.in_per_group = 1;
        const Stored image(*pack_quantized_for(weights, row, depthwise));
        for (const uint8_t byte : image.bytes.span()) hash = (hash ^ byte) * 1099511628211u;
      }
    }
  }
#if defined(INT8_ARCH_X64) && defined(INT8_WITH_AMX)
  EXPECT_EQ(hash, 2082958080216166987u);
#elif defined(INT8_ARCH_ARM64)
  EXPECT_EQ(hash, 1504396407859349157u);
#endif
}

TEST(MappedFile, HoldsTheBytesOfAFileAndChangesNone) {
  const char* folder = std::getenv("TMPDIR");
  const std::string path = std::string(folder != nullptr ? folder : "/tmp") + "/int8_mapped_file_test";
  std::FILE* file = std::fopen(path.c_str(), "wb");
  ASSERT_NE(file, nullptr);
  std::fputs("mapped", file);
  std::fclose(file);
  const auto mapped = MappedFile::open(path);
#ifndef _WIN32
  ASSERT_NE(mapped, nullptr);
  ASSERT_EQ(mapped->bytes().size(), 6u);
  EXPECT_EQ(std::memcmp(mapped->bytes().data(), "mapped", 6), 0);
  mapped->bytes()[0] = 'M';
  EXPECT_EQ(MappedFile::open(path)->bytes()[0], 'm');
#endif
  std::remove(path.c_str());
  EXPECT_EQ(MappedFile::open(path), nullptr);
  EXPECT_EQ(MappedFile::open("/"), nullptr);
}

}  // namespace
}  // namespace int8::test

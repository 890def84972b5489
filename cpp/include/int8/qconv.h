// Quantized convolution and linear: pack once, bind an epilogue, run. numerics.md 4 and 5; the twin of packQuantized,
// bindQuantized, qconv and qlinear in src/backend/contract.ts.
#pragma once

#include <memory>

#include "int8/types.h"

namespace int8 {

// Weights as packing reads them.
struct QuantizedWeights {
  std::span<const uint8_t> codes;  // [out_channels][kernel.count()][in_per_group]
  CodeType type = CodeType::kS8;
  std::span<const int32_t> zero_points;  // [out_channels]
  int64_t groups = 1;
  int64_t out_channels = 0;
  int64_t in_per_group = 0;
  Dims3 kernel;
  std::optional<TransposedSteps> transposed;  // for qconv_transposed; the codes are in the same order
};

// What becomes of an accumulator.
enum class OutputKind : uint8_t { kU8, kS8, kS32, kF32 };

struct QuantizedEpilogue {
  CodeType x_type = CodeType::kU8;
  int32_t x_zero_point = 0;
  std::span<const int32_t> bias;  // [out_channels], at scale sx*sw
  OutputKind output = OutputKind::kU8;
  // kU8, kS8: multipliers, zero point, inclusive bounds in codes.
  // kF32: multipliers are the scales p = f(sx*sw); float_bias is empty or [out_channels]; bounds are float_lo/hi.
  std::span<const float> multipliers;
  int32_t y_zero_point = 0;
  int32_t y_lo = 0;
  int32_t y_hi = 255;
  std::span<const float> float_bias;
  float float_lo = 0;
  float float_hi = 0;
};

class PackedQuantized;  // immutable; keeps the instruction set that was active when it was packed
class BoundQuantized;   // immutable; shares its PackedQuantized

// Null if memory ran out.
std::shared_ptr<const PackedQuantized> pack_quantized(const QuantizedWeights& weights) noexcept;
std::shared_ptr<const BoundQuantized> bind_quantized(std::shared_ptr<const PackedQuantized> packed,
                                                     const QuantizedEpilogue& epilogue) noexcept;

// Packed weights as bytes, for the instruction set that packed them: image_size is 0 where there is no such form, `out`
// has that many bytes. read_image takes an image, 64-byte aligned, in place of packing the codes, which it does not
// read; it keeps `owner` while it uses the image, and is null where the image is not one of weights of these sizes for
// the instruction set that is active, or memory ran out.
int64_t image_size(const PackedQuantized& packed);
void write_image(const PackedQuantized& packed, std::span<uint8_t> out);
std::shared_ptr<const PackedQuantized> read_image(const QuantizedWeights& weights, std::span<const uint8_t> image,
                                                  std::shared_ptr<const void> owner) noexcept;

// Facts that a caller needs to check a call.
struct PackedFacts {
  int64_t groups = 1;
  int64_t out_channels = 0;
  int64_t in_per_group = 0;
  Dims3 kernel;
  size_t bytes = 0;  // native memory held
  std::optional<TransposedSteps> transposed;
};
PackedFacts facts(const PackedQuantized& packed);
PackedFacts facts(const BoundQuantized& bound);
OutputKind output_kind(const BoundQuantized& bound);
CodeType input_type(const BoundQuantized& bound);

// x: channels-last codes, batch*input.count()*in_channels bytes. y: channels-last, batch*output.count()*out_channels
// elements of output_kind(op), as bytes, aligned to the element. x and y do not overlap.
Status qconv(const BoundQuantized& op, std::span<const uint8_t> x, std::span<uint8_t> y, const ConvGeometry& geometry);

// The same of weights packed with `transposed`, whose stride and dilation the geometry has too. An output pixel that no
// input pixel reaches is what becomes of the bias.
Status qconv_transposed(const BoundQuantized& op, std::span<const uint8_t> x, std::span<uint8_t> y,
                        const ConvGeometry& geometry);

// x: rows * in_per_group codes. y: rows * out_channels elements. The weights have one group and kernel 1x1x1.
Status qlinear(const BoundQuantized& op, std::span<const uint8_t> x, std::span<uint8_t> y, int64_t rows);

// Products of a batch of matrices of codes that are both data: y[i] = (a[i] - za) (rows x inner) * (b[i] - zb) (inner x
// columns), modulo 2^32. Matrices are dense; a_stride and b_stride are the codes from one of the batch to the next, 0
// repeats.
struct QuantizedMatmul {
  int64_t batch = 1;
  int64_t rows = 0;
  int64_t inner = 0;
  int64_t columns = 0;
  int64_t a_stride = 0;
  int64_t b_stride = 0;
  int32_t a_zero_point = 0;
  std::span<const int32_t> b_zero_points;  // one, or [columns]
};
Status qmatmul_s32(const CodesIn& a, const CodesIn& b, std::span<int32_t> y, const QuantizedMatmul& shape) noexcept;

}  // namespace int8

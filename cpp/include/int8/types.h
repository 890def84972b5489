// Small types that every family's header uses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace int8 {

// What a kernel can report. Arguments are checked by the caller (binding/ and src/ops); only memory can still fail, and
// indices that are data.
enum class Status { kOk, kOutOfMemory, kIndexOutside };

// Depth, height, width. 1-D and 2-D data have leading ones.
struct Dims3 {
  int64_t d = 1;
  int64_t h = 1;
  int64_t w = 1;
  constexpr int64_t count() const { return d * h * w; }
  friend constexpr bool operator==(const Dims3&, const Dims3&) = default;
};

// How 8-bit codes are to be read: quint8 or qint8. Codes travel as bytes.
enum class CodeType : uint8_t { kU8, kS8 };

// Bytes of codes with their type.
struct CodesIn {
  std::span<const uint8_t> bytes;
  CodeType type = CodeType::kU8;
};
struct CodesOut {
  std::span<uint8_t> bytes;
  CodeType type = CodeType::kU8;
};

// Geometry of a convolution over channels-last data; the twin of ConvGeometry in src/backend/contract.ts.
struct ConvGeometry {
  int64_t batch = 0;
  int64_t groups = 1;
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  Dims3 input;
  Dims3 output;
  Dims3 kernel;
  Dims3 stride;
  Dims3 dilation;
  Dims3 padding{0, 0, 0};  // before the first element of each axis
};

// What makes weights those of a transposed convolution: input pixel i adds kernel position k to output pixel
// i*stride + k*dilation - padding. `padding` of its geometry is what is cut off before the first output pixel.
struct TransposedSteps {
  Dims3 stride;
  Dims3 dilation;
  friend constexpr bool operator==(const TransposedSteps&, const TransposedSteps&) = default;
};

}  // namespace int8

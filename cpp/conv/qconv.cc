// Quantized convolution and linear: picks the driver. Begin reading here.
//
//   linear, 1x1 with stride 1       rows of x as they lie                gemm_driver.h, DenseRows
//   few input channels              kernel rows as taps, from strips     merged_rows.cc
//   depthwise                       strips, kernels of its own           depthwise.cc
//   groups of 4 or 8 channels       likewise, where there are kernels    depthwise.cc
//   depthwise, 3x3 or 5x5           lines of the image, likewise         depthwise_square.cc
//   tiles that take segments        rows of pixels, from strips          segments.cc
//   anything else, grouped or not   windows through row pointers         gemm_driver.h, WindowRows
//   transposed                      one of the last kind for each phase  transposed.cc
#include "int8/qconv.h"

#include "conv/gemm_driver.h"
#include "conv/qconv_strips.h"
#include "conv/row_sources.h"
#include "conv/strip.h"
#include "conv/transposed.h"

namespace int8 {
namespace {

// s8 codes as u8, in working memory; null if that ran out. u8 codes stay where they are.
const uint8_t* as_u8(const BoundQuantized& op, std::span<const uint8_t> x) {
  if (op.x_flip == 0) return x.data();
  uint8_t* copy = scratch<uint8_t>(Scratch::kInput, static_cast<int64_t>(x.size()));
  if (copy == nullptr) return nullptr;
  auto task = [&](int64_t begin, int64_t end) { copy_flipped(x.data() + begin, copy + begin, end - begin, op.x_flip); };
  parallel_for(static_cast<int64_t>(x.size()), 64 << 10, task);
  return copy;
}

bool is_dense(const ConvGeometry& g) {
  return g.kernel.count() == 1 && g.stride == Dims3{1, 1, 1} && g.padding == Dims3{0, 0, 0} && g.input == g.output;
}

}  // namespace

Status qconv(const BoundQuantized& op, std::span<const uint8_t> x, std::span<uint8_t> y, const ConvGeometry& g) {
  const int64_t pixels = g.batch * g.output.count();
  if (pixels == 0 || g.out_channels == 0) return Status::kOk;
  if (!op.packed->by_blocks() && takes_segments(*op.packed, g)) {
    return run_segments(op, x.data(), y.data(), g);
  }
  switch (op.packed->method) {
    case Method::kDepthwise:
    case Method::kGroups:
      return run_depthwise(op, x, y.data(), g);
    case Method::kMergedRows:
      return run_merged_rows(op, x.data(), y.data(), g);
    case Method::kTaps:
      break;
    case Method::kTransposed:
      return qconv_transposed(op, x, y, g);
  }
  const uint8_t* codes = as_u8(op, x);
  if (codes == nullptr && !x.empty()) return Status::kOutOfMemory;
  if (is_dense(g)) return run_gemm(op, DenseRows{codes, g.in_channels}, pixels, g.in_channels, y.data());
  const WindowRows source{codes, op.padding_row.data(), &g};
  return run_gemm(op, source, pixels, ceil_div(static_cast<int64_t>(x.size()), pixels), y.data());
}

Status qconv_transposed(const BoundQuantized& op, std::span<const uint8_t> x, std::span<uint8_t> y,
                        const ConvGeometry& g) {
  if (g.batch * g.output.count() == 0 || g.out_channels == 0) return Status::kOk;
  const uint8_t* codes = as_u8(op, x);
  if (codes == nullptr && !x.empty()) return Status::kOutOfMemory;
  return run_transposed(op, codes, y.data(), g);
}

Status qlinear(const BoundQuantized& op, std::span<const uint8_t> x, std::span<uint8_t> y, int64_t rows) {
  const PackedFacts& f = op.packed->facts;
  if (rows == 0 || f.out_channels == 0) return Status::kOk;
  const uint8_t* codes = as_u8(op, x);
  if (codes == nullptr && !x.empty()) return Status::kOutOfMemory;
  return run_gemm(op, DenseRows{codes, f.in_per_group}, rows, f.in_per_group, y.data());
}

}  // namespace int8

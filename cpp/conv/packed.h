// What packing and binding make: the two opaque classes of qconv.h. Both are plain data, filled once and then shared
// read-only between threads.
#pragma once

#include <memory>
#include <vector>

#include "conv/depthwise.h"
#include "conv/phases.h"
#include "core/aligned_buffer.h"
#include "gemm/gemm.h"
#include "gemm/pack.h"
#include "int8/qconv.h"

namespace int8 {

// How a convolution is run. The kernel's shape decides it, not the image: weights are packed before any image is seen.
enum class Method : uint8_t {
  kTaps,        // a tap for each kernel position, k = input channels of a group
  kMergedRows,  // a tap for each kernel row, k = kernel width * input channels: few input channels, one group
  kDepthwise,   // one input channel for each output channel
  kGroups,      // groups of 4 or 8 channels, as many out as in, where the depthwise row takes them
  kTransposed,  // a convolution for each phase (phases.h)
};

class PackedQuantized {
 public:
  PackedFacts facts;
  Method method = Method::kTaps;
  const GemmRow* gemm = nullptr;            // kTaps, kMergedRows
  const DepthwiseRow* depthwise = nullptr;  // kDepthwise, kGroups
  PanelLayout panels;                       // kTaps, kMergedRows
  int64_t quads = 0;                        // kDepthwise, kGroups
  AlignedBuffer<int32_t> quad_taps;         // of these: [quads*4] kernel positions, -1 where a place is empty
  AlignedBuffer<uint32_t> quad_ones;        // of these: [quads] a byte 1 for each tap or channel that exists
  AlignedBuffer<int8_t> w;                  // s8
  AlignedBuffer<uint32_t> sums;             // [out_channels] sum(w - zw), both as s8
  AlignedBuffer<uint32_t> raw_sums;         // [out_channels] sum(w); only where the kernel's signed_x asks for it
  AlignedBuffer<int32_t> zero_points;       // [slots()] as s8; empty if all of them are 0
  std::vector<Phase> phases;                // kTransposed
  // kTransposed: one for each phase, then that of pixels without kernel positions if there are any.
  std::vector<std::shared_ptr<const PackedQuantized>> parts;
  std::shared_ptr<const void> image;  // owner of the memory that the buffers borrow, if they do (image.h)

  int64_t slots() const;  // length of parameter arrays
  // Whether the depthwise row's kernels run it.
  bool by_blocks() const { return depthwise != nullptr; }
  // kGroups: quads of input channels of a group.
  int64_t group_quads() const { return method == Method::kGroups ? facts.in_per_group / 4 : 1; }
  // by_blocks(): pixels whose channels fill one block exactly, where there are so few channels. Weights and parameters
  // are then repeated for each, and neighbouring pixels are computed together. Otherwise 1.
  int64_t pixels_per_block() const {
    const int64_t block = depthwise->block;
    return facts.out_channels <= block && block % facts.out_channels == 0 ? block / facts.out_channels : 1;
  }
  // Moves [out_channels] values to their slots; the others become 0.
  template <class T>
  void spread(const T* values, T* out) const {
    if (!by_blocks()) {
      spread_channels(panels, values, out);
      return;
    }
    for (int64_t i = 0; i < slots(); i++) out[i] = T{};
    const int64_t block = depthwise->block;
    for (int64_t c = 0; c < facts.out_channels * pixels_per_block(); c++) {
      out[c / block * block + depthwise->slot(static_cast<int>(c % block))] = values[c % facts.out_channels];
    }
  }
};

class BoundQuantized {
 public:
  std::shared_ptr<const PackedQuantized> packed;
  CodeType x_type = CodeType::kU8;
  uint8_t x_flip = 0;  // 0x80 where x is s8
  uint8_t x_zero = 0;  // the input's zero point, as u8
  EpilogueScalars scalars;
  AlignedBuffer<int32_t> offsets;                            // [slots()]
  AlignedBuffer<float> multipliers;                          // [slots()], or empty
  AlignedBuffer<float> bias;                                 // [slots()], or empty
  AlignedBuffer<uint8_t> padding_row;                        // one pixel of x_zero
  std::vector<std::shared_ptr<const BoundQuantized>> parts;  // kTransposed: of packed->parts
};

// Depthwise kernels whose quads are columns.
constexpr bool is_square(const Dims3& kernel) {
  return kernel == Dims3{1, 3, 3} || kernel == Dims3{1, 5, 5};
}

// Bytes of one result.
constexpr int64_t element_size(OutputKind kind) {
  return kind == OutputKind::kS32 || kind == OutputKind::kF32 ? 4 : 1;
}

// The method that weights are packed for.
Method choose_method(const QuantizedWeights& weights, const DepthwiseRow& depthwise);

// Kernels and layout for a method, without the weights: what is packed is to be filled in. `small_pairs`: the faster
// row for weights that fit it.
void lay_out(const QuantizedWeights& weights, const GemmRow& gemm, const DepthwiseRow& depthwise, bool small_pairs,
             PackedQuantized& packed);

// Places of taps of weights for the depthwise row. False if memory ran out.
bool place_taps(const Dims3& kernel, PackedQuantized& packed);

// Native memory held.
size_t bytes_of(const PackedQuantized& packed);

// Packs for GEMM, a tap for each kernel position. Null if memory ran out.
std::shared_ptr<const PackedQuantized> pack_taps(const QuantizedWeights& weights, const GemmRow& gemm);

// qmatmul_s32 with a kernel of the caller's choice.
Status qmatmul_for(const GemmRow& row, const CodesIn& a, const CodesIn& b, std::span<int32_t> y,
                   const QuantizedMatmul& shape) noexcept;

// pack_quantized with kernels of the caller's choice. Null if memory ran out.
std::shared_ptr<const PackedQuantized> pack_quantized_for(const QuantizedWeights& weights, const GemmRow& gemm,
                                                          const DepthwiseRow& depthwise) noexcept;

}  // namespace int8

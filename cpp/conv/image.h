// Packed weights as bytes: what a file keeps, so that a later process maps them into memory instead of packing again.
//
// An image belongs to the kernel row that packed it. Its bytes are trusted for their values alone: every length follows
// from the weights' sizes and is compared before anything is read. Weights without output channels have no image, nor
// have transposed ones.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "conv/packed.h"

namespace int8 {

// Raised whenever the layout of anything in an image changes (image_test.cc tells).
inline constexpr uint32_t kImageVersion = 2;

// read_image of qconv.h with kernels of the caller's choice.
std::shared_ptr<const PackedQuantized> read_image_for(const QuantizedWeights& weights, const GemmRow& gemm,
                                                      const DepthwiseRow& depthwise, std::span<const uint8_t> image,
                                                      std::shared_ptr<const void> owner) noexcept;

}  // namespace int8

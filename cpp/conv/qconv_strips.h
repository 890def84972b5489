// The drivers that work on strips (strip.h).
#pragma once

#include "conv/packed.h"

namespace int8 {

// Few input channels: a kernel row of a pixel is contiguous in the strip, so it is one tap of kernel.w * channels
// bytes.
Status run_merged_rows(const BoundQuantized& op, const uint8_t* x, uint8_t* y, const ConvGeometry& geometry);

// One input channel for each output channel; a multiplier repeats the channels in the strip.
Status run_depthwise(const BoundQuantized& op, std::span<const uint8_t> x, uint8_t* y, const ConvGeometry& geometry);

// Kernels larger than 1x1 on GEMM rows that take segments of output rows (gemm.h).
bool takes_segments(const PackedQuantized& packed, const ConvGeometry& geometry);
Status run_segments(const BoundQuantized& op, const uint8_t* x, uint8_t* y, const ConvGeometry& geometry);

}  // namespace int8

// Transposed quantized convolution: one packed convolution for each phase (phases.h).
#pragma once

#include "conv/packed.h"

namespace int8 {

// Null if memory ran out.
std::shared_ptr<const PackedQuantized> pack_transposed(const QuantizedWeights& weights, const GemmRow& gemm);

// x: u8 codes.
Status run_transposed(const BoundQuantized& op, const uint8_t* x, uint8_t* y, const ConvGeometry& geometry);

}  // namespace int8

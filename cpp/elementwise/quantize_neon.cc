// Quantize and dequantize on NEON (quantize_simd.h).
#include "simd/lanes_neon.h"
// The text below is written with the lanes above.
#include "elementwise/quantize_simd.h"

namespace int8 {

extern const QuantizeKernels kQuantizeNeon{quantize, quantize_s32, dequantize, dequantize_s32, rescale};

}  // namespace int8

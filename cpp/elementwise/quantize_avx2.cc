// Quantize and dequantize on AVX2 (quantize_simd.h).
#include "simd/lanes_avx2.h"
// The text below is written with the lanes above.
#include "elementwise/quantize_simd.h"

namespace int8 {

extern const QuantizeKernels kQuantizeAvx2{quantize, quantize_s32, dequantize, dequantize_s32, rescale};

}  // namespace int8

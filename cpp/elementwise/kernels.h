// What an instruction set provides for the elementwise family: kernels over one run of elements. The drivers
// (quantize.cc, codes.cc, floats.cc) cut tensors into runs and share them among threads.
//
// Every kernel reads and writes exactly n elements of each operand; y may be x or a (elements of one size).
#pragma once

#include <span>

#include "int8/cpu.h"
#include "int8/elementwise.h"

namespace int8 {

// Parameters of a run. Element i has scales[i] and zero_points[i] if `varying`, else all have entry 0.
struct AffineRun {
  const float* scales;
  const int32_t* zero_points;
  bool varying;
};
struct QuantizeRun {
  AffineRun affine;
  int32_t qmin;
  int32_t qmax;
  bool divide;
};

// An operand of which element i is p[i * step], step 0 or 1.
template <class T>
struct Stepped {
  const T* p;
  int64_t step;
};

// One row of dynamic_rescale.
struct RescaleRun {
  const int32_t* sums;
  const float* scales;
  const float* bias;  // may be null
  int32_t zero_point;
  float scale;
  float lo, hi;
};

struct QuantizeKernels {  // numerics.md 2
  void (*quantize)(const float* x, uint8_t* y, int64_t n, const QuantizeRun& run);
  void (*quantize_s32)(const float* x, int32_t* y, int64_t n, const QuantizeRun& run);
  void (*dequantize)(const uint8_t* x, CodeType type, float* y, int64_t n, const AffineRun& run);
  void (*dequantize_s32)(const int32_t* x, float* y, int64_t n, const AffineRun& run);
  void (*rescale)(const int32_t* x, float* y, int64_t n, const RescaleRun& run);  // numerics.md 5
};

struct CodeKernels {  // numerics.md 5 and 6
  void (*requantize)(const uint8_t* x, CodeType type, uint8_t* y, int64_t n, const RequantizeParams& p);
  void (*qclamp)(const uint8_t* x, CodeType type, uint8_t* y, int64_t n, int32_t lo, int32_t hi);
  void (*lookup)(const uint8_t* x, uint8_t* y, int64_t n, const uint8_t* table);
  void (*qadd)(Stepped<uint8_t> a, Stepped<uint8_t> b, CodeType type, uint8_t* y, int64_t n, const QAddParams& p);
  void (*qmul)(Stepped<uint8_t> a, Stepped<uint8_t> b, CodeType type, uint8_t* y, int64_t n, const QMulParams& p);
};

struct FloatKernels {  // numerics.md 7
  void (*fbinary)(Binary op, Stepped<float> a, Stepped<float> b, float* y, int64_t n);
  void (*fclamp)(const float* x, float* y, int64_t n, float lo, float hi);
  void (*funary)(Unary op, const float* x, float* y, int64_t n, float alpha, float beta);
  // y = f(f(x*scale) + shift), element i with scales[i*step] and shifts[i*step].
  void (*faffine)(const float* x, float* y, int64_t n, Stepped<float> scales, Stepped<float> shifts);
};

struct ElementwiseRow {
  Isa isa;
  const QuantizeKernels* quantize;
  const CodeKernels* codes;
  const FloatKernels* floats;
};

// All rows, best first; portable is last.
std::span<const ElementwiseRow> elementwise_rows();
// The row for the active instruction set.
const ElementwiseRow& elementwise_kernels();

// Each defined by the file of its name: <quantize|codes|floats>_<isa>.cc.
extern const QuantizeKernels kQuantizePortable, kQuantizeAvx2, kQuantizeAvx512Vnni, kQuantizeNeon;
extern const CodeKernels kCodesPortable, kCodesAvx2, kCodesAvx512Vnni, kCodesNeon;
extern const FloatKernels kFloatsPortable, kFloatsAvx2, kFloatsAvx512Vnni, kFloatsNeon;

}  // namespace int8

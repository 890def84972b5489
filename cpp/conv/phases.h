// A transposed convolution as ordinary ones. Output pixel o takes kernel position k from input pixel
// (o + padding - k*dilation) / stride where that divides: which positions those are depends on o only through the
// remainder of o + padding by the stride. The outputs of one remainder are a phase: a convolution of stride 1 with
// those kernel positions alone, in reverse order, whose outputs lie `stride` apart.
#pragma once

#include <vector>

#include "int8/types.h"

namespace int8 {

struct Phase {
  Dims3 remainder;
  // Kernel positions first + n*step, 0 <= n < count; none of the counts is 0.
  Dims3 first;
  Dims3 step;
  Dims3 count;
  Dims3 dilation;  // input pixels from one of these positions to the next
  Dims3 reach;     // input pixels that the last of them lies before quotient (o + padding) / stride
};

// All phases that have kernel positions, at most kernel.count() of them.
std::vector<Phase> phases_of(const Dims3& kernel, const TransposedSteps& steps);

// Whether some output pixels have no kernel position: there are fewer phases than remainders.
bool leaves_gaps(const std::vector<Phase>& phases, const Dims3& stride);

// A phase within the transposed convolution of this geometry.
struct PlacedPhase {
  ConvGeometry geometry;  // the ordinary convolution; padding may be negative, output empty
  Dims3 first;            // its first output pixel
};
PlacedPhase place_phase(const Phase& phase, const ConvGeometry& geometry);

// Calls visit(pixel) for the index of every output pixel of one image that has no kernel position.
template <class Visit>
void each_gap(const ConvGeometry& g, const Visit& visit) {
  const auto reached = [](int64_t at, int64_t kernel, int64_t stride, int64_t dilation) {
    for (int64_t k = 0; k < kernel; k++) {
      if ((at - k * dilation) % stride == 0) return true;
    }
    return false;
  };
  int64_t pixel = 0;
  for (int64_t d = 0; d < g.output.d; d++) {
    const bool slice = reached(d + g.padding.d, g.kernel.d, g.stride.d, g.dilation.d);
    for (int64_t h = 0; h < g.output.h; h++) {
      const bool row = slice && reached(h + g.padding.h, g.kernel.h, g.stride.h, g.dilation.h);
      for (int64_t w = 0; w < g.output.w; w++, pixel++) {
        if (!row || !reached(w + g.padding.w, g.kernel.w, g.stride.w, g.dilation.w)) visit(pixel);
      }
    }
  }
}

// A phase's weights as its convolution reads them, [rows][phase.count][in], from [rows][kernel][in].
template <class T>
void gather_phase(const Phase& p, const Dims3& kernel, int64_t in, int64_t rows, const T* from, T* out) {
  for (int64_t r = 0; r < rows; r++, from += kernel.count() * in) {
    for (int64_t d = p.count.d; d-- > 0;) {
      for (int64_t h = p.count.h; h-- > 0;) {
        for (int64_t w = p.count.w; w-- > 0; out += in) {
          const int64_t tap =
              ((p.first.d + d * p.step.d) * kernel.h + p.first.h + h * p.step.h) * kernel.w + p.first.w + w * p.step.w;
          for (int64_t i = 0; i < in; i++) out[i] = from[tap * in + i];
        }
      }
    }
  }
}

}  // namespace int8

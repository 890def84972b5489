#include "conv/phases.h"

#include <algorithm>
#include <numeric>

namespace int8 {
namespace {

// One axis of a phase.
struct PhaseAxis {
  int64_t remainder, first, step, count, dilation, reach;
};

// The remainders that have kernel positions, ascending.
std::vector<PhaseAxis> axis_phases(int64_t kernel, int64_t stride, int64_t dilation) {
  const int64_t common = std::gcd(stride, dilation);
  const int64_t step = stride / common;
  std::vector<PhaseAxis> axes;
  // Positions 0 to step - 1 have different remainders; from there on they repeat.
  for (int64_t k = 0; k < std::min(kernel, step); k++) {
    PhaseAxis a;
    a.remainder = k * dilation % stride;
    a.first = k;
    a.step = step;
    a.count = (kernel - 1 - k) / step + 1;
    a.dilation = dilation / common;
    a.reach = k * dilation / stride + (a.count - 1) * a.dilation;
    axes.push_back(a);
  }
  std::ranges::sort(axes, {}, &PhaseAxis::remainder);
  return axes;
}

struct PlacedAxis {
  int64_t first, count, padding;
};
PlacedAxis place_axis(int64_t remainder, int64_t reach, int64_t stride, int64_t padding, int64_t output) {
  const int64_t quotient = remainder >= padding ? 0 : (padding - remainder + stride - 1) / stride;
  const int64_t first = remainder + quotient * stride - padding;
  return {first, first < output ? (output - 1 - first) / stride + 1 : 0, reach - quotient};
}

}  // namespace

std::vector<Phase> phases_of(const Dims3& kernel, const TransposedSteps& steps) {
  std::vector<Phase> phases;
  for (const PhaseAxis& d : axis_phases(kernel.d, steps.stride.d, steps.dilation.d)) {
    for (const PhaseAxis& h : axis_phases(kernel.h, steps.stride.h, steps.dilation.h)) {
      for (const PhaseAxis& w : axis_phases(kernel.w, steps.stride.w, steps.dilation.w)) {
        phases.push_back({.remainder = {d.remainder, h.remainder, w.remainder},
                          .first = {d.first, h.first, w.first},
                          .step = {d.step, h.step, w.step},
                          .count = {d.count, h.count, w.count},
                          .dilation = {d.dilation, h.dilation, w.dilation},
                          .reach = {d.reach, h.reach, w.reach}});
      }
    }
  }
  return phases;
}

bool leaves_gaps(const std::vector<Phase>& phases, const Dims3& stride) {
  // The product of three strides need not fit; there are at most as many phases as kernel positions.
  const auto count = static_cast<int64_t>(phases.size());
  return stride.d > count || stride.h > count / stride.d || stride.w > count / stride.d / stride.h;
}

PlacedPhase place_phase(const Phase& phase, const ConvGeometry& g) {
  const PlacedAxis d = place_axis(phase.remainder.d, phase.reach.d, g.stride.d, g.padding.d, g.output.d);
  const PlacedAxis h = place_axis(phase.remainder.h, phase.reach.h, g.stride.h, g.padding.h, g.output.h);
  const PlacedAxis w = place_axis(phase.remainder.w, phase.reach.w, g.stride.w, g.padding.w, g.output.w);
  PlacedPhase placed;
  placed.geometry = g;
  placed.geometry.output = {d.count, h.count, w.count};
  placed.geometry.kernel = phase.count;
  placed.geometry.stride = {1, 1, 1};
  placed.geometry.dilation = phase.dilation;
  placed.geometry.padding = {d.padding, h.padding, w.padding};
  placed.first = {d.first, h.first, w.first};
  return placed;
}

}  // namespace int8

// Packing of weights for the GEMM kernels.
#pragma once

#include <algorithm>

#include "core/aligned_buffer.h"
#include "gemm/gemm.h"

namespace int8 {

constexpr int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}
constexpr int64_t round_up(int64_t a, int64_t b) {
  return ceil_div(a, b) * b;
}

// The length of the fewest equal steps, each of up to `quantum` bytes and a multiple of kr, that make up k; 0 if there
// are none, or if they are more than four for each three steps of k padded to a multiple of `quantum`.
constexpr int64_t even_step(int64_t k, int64_t kr, int64_t quantum) {
  const int64_t padded = std::max<int64_t>(1, ceil_div(k, quantum));
  for (int64_t steps = padded; 3 * steps <= 4 * padded; steps++) {
    if (k % (kr * steps) == 0) return k / steps;
  }
  return 0;
}

// Where things stand in packed weights. Every group has ceil(channels/nr) panels, one after the other; a panel is
// [taps][ceil(k/kr)][width][kr] bytes, width nr but for a group's last panel, which is cut to a multiple of `quantum`.
// A panel may be split into parts of `split` channels, each laid out like a panel of its own.
// Where taps are joined (depth_quantum is not 0), it is [depth/kr][width][kr]: taps*k, padded to a multiple of
// depth_quantum, or of kr where it is less, unless equal steps make up k.
// Parameters of channels (offsets, multipliers, …) are arrays of groups * panels * nr.
struct PanelLayout {
  int64_t groups = 1;
  int64_t channels = 0;  // of one group
  int64_t taps = 0;
  int64_t k = 0;
  int64_t nr = 1;
  int64_t quantum = 1;
  int64_t kr = 1;
  int64_t depth_quantum = 0;
  int64_t split = 0;

  int64_t panels() const { return ceil_div(channels, nr); }
  int64_t panel_channels(int64_t panel) const { return panel + 1 < panels() ? nr : channels - panel * nr; }
  int64_t panel_width(int64_t panel) const { return round_up(panel_channels(panel), quantum); }
  bool joined() const { return depth_quantum != 0; }
  int64_t depth() const {
    if (!joined()) return taps * round_up(k, kr);
    if (even_step(k, kr, depth_quantum) != 0) return taps * k;
    return round_up(taps * k, taps * k < depth_quantum ? kr : depth_quantum);
  }
  int64_t group_bytes() const { return ((panels() - 1) * nr + panel_width(panels() - 1)) * depth(); }
  int64_t bytes() const { return groups * group_bytes(); }
  int64_t panel_offset(int64_t group, int64_t panel) const { return group * group_bytes() + panel * nr * depth(); }
  // Of the first channel of a panel, in the parameter arrays.
  int64_t slot(int64_t group, int64_t panel) const { return (group * panels() + panel) * nr; }
  int64_t slots() const { return groups * panels() * nr; }
};

PanelLayout panel_layout(const GemmRow& row, int64_t groups, int64_t channels, int64_t taps, int64_t k);

// Whether 255*(|w[2i]| + |w[2i+1]|) <= 32767 for all pairs of neighbours in each row of [rows][k] codes, as s8: then no
// sum of two products can leave int16.
bool pairs_fit(const uint8_t* w, int64_t rows, int64_t k, uint8_t flip);

// w: [groups*channels][taps][k] codes; `flip` is 0x80 for u8 weights, which become s8. Padding is 0.
void pack_panels(const PanelLayout& layout, const uint8_t* w, uint8_t flip, int8_t* packed);

// values: [groups*channels]; out: [slots()], padding is 0.
template <class T>
void spread_channels(const PanelLayout& layout, const T* values, T* out) {
  for (int64_t i = 0; i < layout.slots(); i++) out[i] = T{};
  for (int64_t g = 0; g < layout.groups; g++) {
    for (int64_t c = 0; c < layout.channels; c++) out[layout.slot(g, 0) + c] = values[g * layout.channels + c];
  }
}

}  // namespace int8

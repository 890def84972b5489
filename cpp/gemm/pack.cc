#include "gemm/pack.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace int8 {

namespace {

// Taps that tiles read in segments where they lie (SegmentBlock) stay apart; rows that are gathered have them joined.
bool joins_taps(const GemmRow& row, int64_t taps, int64_t k) {
  if (row.gather == nullptr) return false;
  return row.run_segments == nullptr || taps == 1 || k > row.depth_quantum;
}

}  // namespace

PanelLayout panel_layout(const GemmRow& row, int64_t groups, int64_t channels, int64_t taps, int64_t k) {
  return {.groups = groups,
          .channels = channels,
          .taps = taps,
          .k = k,
          .nr = row.nr,
          .quantum = row.quantum,
          .kr = row.kr,
          .depth_quantum = joins_taps(row, taps, k) ? row.depth_quantum : 0,
          .split = row.split};
}

bool pairs_fit(const uint8_t* w, int64_t rows, int64_t k, uint8_t flip) {
  const auto magnitude = [flip](uint8_t code) { return std::abs(int32_t{static_cast<int8_t>(code ^ flip)}); };
  for (int64_t r = 0; r < rows; r++, w += k) {
    for (int64_t i = 0; i + 1 < k; i += 2) {
      if (255 * (magnitude(w[i]) + magnitude(w[i + 1])) > 32767) return false;
    }
  }
  return true;
}

void pack_panels(const PanelLayout& layout, const uint8_t* w, uint8_t flip, int8_t* packed) {
  std::memset(packed, 0, static_cast<size_t>(layout.bytes()));
  const int64_t row = layout.taps * layout.k;
  const int64_t taps = layout.joined() ? 1 : layout.taps;
  const int64_t length = layout.joined() ? row : layout.k;
  const int64_t most = layout.split > 0 ? layout.split : layout.nr;
  for (int64_t g = 0; g < layout.groups; g++) {
    for (int64_t c = 0; c < layout.channels; c++) {
      const int64_t panel = c / layout.nr;
      const int64_t part = c % layout.nr / most * most;  // first channel of the part, in the panel
      const int64_t width = std::min(most, layout.panel_width(panel) - part);
      const uint8_t* from = w + (g * layout.channels + c) * row;
      int8_t* to = packed + layout.panel_offset(g, panel) + part * layout.depth() + (c % layout.nr - part) * layout.kr;
      for (int64_t t = 0; t < taps; t++) {
        for (int64_t k = 0; k < length; k += layout.kr, to += width * layout.kr) {
          for (int64_t i = 0; i < std::min(layout.kr, length - k); i++) to[i] = static_cast<int8_t>(*from++ ^ flip);
        }
      }
    }
  }
}

}  // namespace int8

#include "gemm/pack.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "movement/transpose_block.h"

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

namespace {

// One tap of `channels` channels, `row` codes apart, as [ceil(length/kr)][width][kr].
struct Part {
  int64_t channels;
  int64_t width;
  int64_t length;
  int64_t row;
};

void pack_codes(const Part& p, int64_t kr, const uint8_t* w, uint8_t flip, int8_t* packed) {
  for (int64_t c = 0; c < p.channels; c++) {
    const uint8_t* from = w + c * p.row;
    int8_t* to = packed + c * kr;
    for (int64_t k = 0; k < p.length; k += kr, to += p.width * kr) {
      for (int64_t i = 0; i < std::min(kr, p.length - k); i++) to[i] = static_cast<int8_t>(*from++ ^ flip);
    }
  }
}

// The same for kr of 4: whole quads are words, and those of a part the transposition of its channels' words.
void pack_quads(const Part& p, const uint8_t* w, uint8_t flip, int8_t* packed) {
  constexpr int64_t kSide = kBlock<uint32_t>;
  const int64_t quads = p.length / 4;
  const int64_t block_quads = p.row % 4 == 0 ? quads / kSide * kSide : 0, block_channels = p.channels / kSide * kSide;
  const auto at = [&](int64_t c, int64_t q) { return packed + (q * p.width + c) * 4; };
  for (int64_t q = 0; q < block_quads; q += kSide) {
    for (int64_t c = 0; c < block_channels; c += kSide) {
      transpose_block(reinterpret_cast<const uint32_t*>(w + c * p.row + q * 4), p.row / 4,
                      reinterpret_cast<uint32_t*>(at(c, q)), p.width);
    }
  }
  for (int64_t c = 0; c < p.channels; c++) {
    const uint8_t* from = w + c * p.row;
    for (int64_t q = c < block_channels ? block_quads : 0; q < quads; q++) std::memcpy(at(c, q), from + q * 4, 4);
    for (int64_t i = quads * 4; i < p.length; i++) at(c, quads)[i - quads * 4] = static_cast<int8_t>(from[i]);
  }
  if (flip == 0) return;
  for (int64_t q = 0; q < quads; q++) {
    int8_t* codes = at(0, q);
    for (int64_t i = 0; i < p.channels * 4; i++) codes[i] = static_cast<int8_t>(codes[i] ^ flip);
  }
  for (int64_t c = 0; c < p.channels; c++) {
    for (int64_t i = 0; i < p.length % 4; i++) at(c, quads)[i] = static_cast<int8_t>(at(c, quads)[i] ^ flip);
  }
}

}  // namespace

void pack_panels(const PanelLayout& layout, const uint8_t* w, uint8_t flip, int8_t* packed) {
  std::memset(packed, 0, static_cast<size_t>(layout.bytes()));
  const int64_t row = layout.taps * layout.k;
  const int64_t taps = layout.joined() ? 1 : layout.taps;
  const int64_t length = layout.joined() ? row : layout.k;
  const int64_t most = layout.split > 0 ? layout.split : layout.nr;
  for (int64_t g = 0; g < layout.groups; g++) {
    for (int64_t first = 0; first < layout.channels;) {
      const int64_t panel = first / layout.nr, part = first % layout.nr;
      const int64_t channels = std::min(most, layout.panel_channels(panel) - part);
      const int64_t width = std::min(most, layout.panel_width(panel) - part);
      const uint8_t* from = w + (g * layout.channels + first) * row;
      int8_t* to = packed + layout.panel_offset(g, panel) + part * layout.depth();
      for (int64_t t = 0; t < taps; t++, from += length, to += round_up(length, layout.kr) * width) {
        const Part p{channels, width, length, row};
        layout.kr == 4 ? pack_quads(p, from, flip, to) : pack_codes(p, layout.kr, from, flip, to);
      }
      first += channels;
    }
  }
}

}  // namespace int8

// Packing of quantized weights: the method, the layout, and the sums that zero points cost.
#include <cstring>
#include <new>

#include "conv/image.h"
#include "conv/packed.h"
#include "conv/transposed.h"

namespace int8 {

// With so few channels a tap of its own would be mostly padding of K, and its row pointers dearer than its work.
constexpr int64_t kFewChannels = 8;

Method choose_method(const QuantizedWeights& w, const DepthwiseRow& depthwise) {
  if (w.transposed) return Method::kTransposed;
  if (w.groups > 1 && w.in_per_group == 1) return Method::kDepthwise;
  const bool quads = w.in_per_group == 4 || w.in_per_group == 8;
  if (depthwise.run_groups != nullptr && w.groups > 1 && quads && w.out_channels == w.groups * w.in_per_group) {
    return Method::kGroups;
  }
  if (w.groups == 1 && w.in_per_group <= kFewChannels && w.kernel.w > 1) return Method::kMergedRows;
  return Method::kTaps;
}

namespace {

// Writes places of quads: square kernels by columns, else in order. Returns the number of quads; `taps` may be null.
int64_t list_quads(const Dims3& kernel, int32_t* taps) {
  const bool square = is_square(kernel);
  const int64_t columns = square ? kernel.w : 1;
  const int64_t size = square ? kernel.h : kernel.count();  // taps of a column
  const int64_t quads = ceil_div(size, 4);
  if (taps != nullptr) {
    for (int64_t x = 0; x < columns; x++) {
      for (int64_t t = 0; t < quads * 4; t++) *taps++ = t < size ? static_cast<int32_t>(t * columns + x) : -1;
    }
  }
  return columns * quads;
}

// The codes of a tap's quad for one output channel: four taps, or four channels of one.
struct QuadSource {
  const PackedQuantized& packed;
  const QuantizedWeights& weights;
  // Null where a place is empty.
  const uint8_t* code(int64_t quad, int64_t i, int64_t channel) const {
    const int32_t tap = packed.quad_taps[4 * quad + i];
    if (tap < 0) return nullptr;
    const int64_t row = channel * weights.kernel.count() + tap;
    if (packed.method == Method::kDepthwise) return weights.codes.data() + row;
    const int64_t quads = packed.group_quads();
    const int64_t from = channel / 4 % quads ^ quad % quads;
    return weights.codes.data() + row * weights.in_per_group + 4 * from + i;
  }
};

// False if memory ran out.
bool pack_depthwise(const QuantizedWeights& weights, uint8_t flip, PackedQuantized& p) {
  const int64_t block = p.depthwise->block;
  if (!place_taps(weights.kernel, p)) return false;
  p.w = AlignedBuffer<int8_t>(static_cast<size_t>(p.slots() * p.quads * 4));
  if (p.w.data() == nullptr) return false;
  std::memset(p.w.data(), 0, p.w.size());
  const QuadSource source{p, weights};
  for (int64_t q = 0; q < p.quads; q++) {
    for (int64_t c = 0; c < weights.out_channels * p.pixels_per_block(); c++) {
      const int in_block = static_cast<int>(c % block);
      const int64_t slot = p.method == Method::kGroups ? group_slot(in_block, block) : p.depthwise->slot(in_block);
      int8_t* quad = p.w.data() + ((c / block * p.quads + q) * block + slot) * 4;
      for (int64_t i = 0; i < 4; i++) {
        const uint8_t* code = source.code(q, i, c % weights.out_channels);
        if (code != nullptr) quad[i] = static_cast<int8_t>(*code ^ flip);
      }
    }
  }
  return true;
}

bool pack_gemm(const QuantizedWeights& weights, uint8_t flip, PackedQuantized& p) {
  p.w = AlignedBuffer<int8_t>(static_cast<size_t>(p.panels.bytes()) + 1);
  if (p.w.data() == nullptr) return false;
  pack_panels(p.panels, weights.codes.data(), flip, p.w.data());
  p.w[p.w.size() - 1] = 0;
  return true;
}

// Sums and zero points, as s8.
bool pack_corrections(const QuantizedWeights& weights, uint8_t flip, PackedQuantized& p) {
  const int64_t channels = weights.out_channels;
  const int64_t depth = weights.kernel.count() * weights.in_per_group;
  AlignedBuffer<int32_t> zero_points(static_cast<size_t>(channels));
  p.sums = AlignedBuffer<uint32_t>(static_cast<size_t>(channels));
  if (zero_points.data() == nullptr || p.sums.data() == nullptr) return false;
  if (p.gemm != nullptr && p.gemm->signed_x) {
    p.raw_sums = AlignedBuffer<uint32_t>(static_cast<size_t>(channels));
    if (p.raw_sums.data() == nullptr) return false;
  }
  bool any = false;
  for (int64_t c = 0; c < channels; c++) {
    zero_points[c] = weights.zero_points[c] - flip;
    any = any || zero_points[c] != 0;
    uint32_t sum = 0;
    for (int64_t k = 0; k < depth; k++) {
      sum += static_cast<uint32_t>(int32_t{static_cast<int8_t>(weights.codes[c * depth + k] ^ flip)});
    }
    if (p.raw_sums.data() != nullptr) p.raw_sums[c] = sum;
    p.sums[c] = sum - static_cast<uint32_t>(zero_points[c]) * static_cast<uint32_t>(depth);
  }
  if (!any) return true;
  p.zero_points = AlignedBuffer<int32_t>(static_cast<size_t>(p.slots()));
  if (p.zero_points.data() == nullptr) return false;
  p.spread(zero_points.data(), p.zero_points.data());
  return true;
}

}  // namespace

int64_t PackedQuantized::slots() const {
  return by_blocks() ? round_up(facts.out_channels, depthwise->block) : panels.slots();
}

bool place_taps(const Dims3& kernel, PackedQuantized& p) {
  const bool groups = p.method == Method::kGroups;
  p.quads = groups ? kernel.count() * p.group_quads() : list_quads(kernel, nullptr);
  p.quad_taps = AlignedBuffer<int32_t>(static_cast<size_t>(p.quads * 4));
  p.quad_ones = AlignedBuffer<uint32_t>(static_cast<size_t>(p.quads));
  if (p.quad_taps.data() == nullptr || p.quad_ones.data() == nullptr) return false;
  if (groups) {
    for (int64_t i = 0; i < p.quads * 4; i++) p.quad_taps[i] = static_cast<int32_t>(i / 4 / p.group_quads());
  } else {
    list_quads(kernel, p.quad_taps.data());
  }
  for (int64_t q = 0; q < p.quads; q++) {
    p.quad_ones[q] = 0;
    for (int64_t i = 0; i < 4; i++) {
      if (p.quad_taps[4 * q + i] >= 0) p.quad_ones[q] |= 1u << (8 * i);
    }
  }
  return true;
}

size_t bytes_of(const PackedQuantized& p) {
  return sizeof(PackedQuantized) + p.w.size_bytes() + p.sums.size_bytes() + p.raw_sums.size_bytes() +
         p.zero_points.size_bytes() + p.quad_taps.size_bytes() + p.quad_ones.size_bytes();
}

namespace {

// Of GEMM weights as they are packed: rows of k codes, `taps` of them for each channel.
struct TapShape {
  int64_t taps;
  int64_t k;
};
TapShape tap_shape(Method method, const QuantizedWeights& weights) {
  const Dims3& kernel = weights.kernel;
  if (method == Method::kMergedRows) return {kernel.d * kernel.h, kernel.w * weights.in_per_group};
  return {kernel.count(), weights.in_per_group};
}

void lay_out_as(Method method, const QuantizedWeights& weights, const GemmRow& gemm, const DepthwiseRow* depthwise,
                bool small_pairs, PackedQuantized& p) {
  p.facts = {.groups = weights.groups,
             .out_channels = weights.out_channels,
             .in_per_group = weights.in_per_group,
             .kernel = weights.kernel};
  p.method = weights.out_channels == 0 ? Method::kTaps : method;
  if (p.method == Method::kDepthwise || p.method == Method::kGroups) {
    p.depthwise = depthwise;
    return;
  }
  p.gemm = small_pairs ? gemm.small_pairs : &gemm;
  if (weights.out_channels == 0) return;
  const auto [taps, k] = tap_shape(method, weights);
  p.panels = panel_layout(*p.gemm, weights.groups, weights.out_channels / weights.groups, taps, k);
}

std::shared_ptr<const PackedQuantized> pack_as(Method method, const QuantizedWeights& weights, const GemmRow& gemm,
                                               const DepthwiseRow* depthwise) {
  auto p = std::make_shared<PackedQuantized>();
  const uint8_t flip = weights.type == CodeType::kU8 ? 0x80 : 0;
  const auto [taps, k] = tap_shape(method, weights);
  const bool blocks = method == Method::kDepthwise || method == Method::kGroups;
  const bool small_pairs = !blocks && weights.out_channels > 0 && gemm.small_pairs != nullptr &&
                           pairs_fit(weights.codes.data(), weights.out_channels * taps, k, flip);
  lay_out_as(method, weights, gemm, depthwise, small_pairs, *p);
  if (weights.out_channels == 0) return p;
  const bool packed = p->by_blocks() ? pack_depthwise(weights, flip, *p) : pack_gemm(weights, flip, *p);
  if (!packed || !pack_corrections(weights, flip, *p)) return nullptr;
  p->facts.bytes = bytes_of(*p);
  return p;
}

}  // namespace

void lay_out(const QuantizedWeights& weights, const GemmRow& gemm, const DepthwiseRow& depthwise, bool small_pairs,
             PackedQuantized& packed) {
  lay_out_as(choose_method(weights, depthwise), weights, gemm, &depthwise, small_pairs, packed);
}

std::shared_ptr<const PackedQuantized> pack_taps(const QuantizedWeights& weights, const GemmRow& gemm) {
  return pack_as(Method::kTaps, weights, gemm, nullptr);
}

std::shared_ptr<const PackedQuantized> pack_quantized_for(const QuantizedWeights& weights, const GemmRow& gemm,
                                                          const DepthwiseRow& depthwise) noexcept {
  try {
    if (weights.transposed) return pack_transposed(weights, gemm);
    return pack_as(choose_method(weights, depthwise), weights, gemm, &depthwise);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

namespace {

const GemmRow& gemm_row_for(const QuantizedWeights& weights, const DepthwiseRow& depthwise, Isa isa) {
  const auto [taps, k] = tap_shape(choose_method(weights, depthwise), weights);
  return select_gemm_row(isa, taps, k);
}

}  // namespace

std::shared_ptr<const PackedQuantized> pack_quantized(const QuantizedWeights& weights) noexcept {
  const Isa isa = active_isa();
  const DepthwiseRow& depthwise = select_row(depthwise_rows(), isa);
  return pack_quantized_for(weights, gemm_row_for(weights, depthwise, isa), depthwise);
}

std::shared_ptr<const PackedQuantized> read_image(const QuantizedWeights& weights, std::span<const uint8_t> image,
                                                  std::shared_ptr<const void> owner) noexcept {
  const Isa isa = active_isa();
  const DepthwiseRow& depthwise = select_row(depthwise_rows(), isa);
  return read_image_for(weights, gemm_row_for(weights, depthwise, isa), depthwise, image, std::move(owner));
}

PackedFacts facts(const PackedQuantized& packed) {
  return packed.facts;
}

}  // namespace int8

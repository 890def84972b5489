// Packing of float weights, and the table of the float family. A new instruction set is one more row.
#include <algorithm>
#include <bit>
#include <new>

#include "core/cpu_features.h"
#include "float/kernels.h"

namespace int8 {
namespace {

#ifdef INT8_ARCH_X64
constexpr FloatRow kWideAvx512{Isa::kAvx512Vnni,           6,       64, 16, float_wide_tile_avx512vnni,
                               float_depthwise_avx512vnni, nullptr, 8};
#endif
constexpr FloatRow kRows[] = {
#ifdef INT8_ARCH_X64
    {Isa::kAvx512Vnni, 12, 32, 16, float_tile_avx512vnni, float_depthwise_avx512vnni, &kWideAvx512, 8},
    {Isa::kAvx2, 6, 16, 8, float_tile_avx2, float_depthwise_avx2, nullptr, 4},
#endif
#ifdef INT8_ARCH_ARM64
    {Isa::kNeon, 6, 16, 4, float_tile_neon, float_depthwise_neon},
#endif
    {Isa::kPortable, 4, 16, 4, float_tile_portable, float_depthwise_portable},
};

void pack_panels(PackedFloat& packed, const FloatWeights& source) {
  const int64_t k = packed.k, out = packed.out_per_group;
  for (int64_t g = 0; g < source.groups; ++g) {
    for (int64_t p = 0; p < packed.panels(); ++p) {
      const int64_t first = p * packed.row->nr;
      const int64_t width = std::min<int64_t>(packed.row->nr, packed.padded - first);
      float* panel = packed.weights.data() + (g * packed.padded + first) * k;
      for (int64_t n = 0; n < width; ++n) {
        const bool real = first + n < out;
        const float* from = real ? source.values.data() + (g * out + first + n) * k : nullptr;
        for (int64_t i = 0; i < k; ++i) panel[i * width + n] = real ? from[i] : 0.0f;
      }
    }
    for (int64_t n = 0; n < packed.padded; ++n) {
      packed.bias[static_cast<size_t>(g * packed.padded + n)] =
          n < out && !source.bias.empty() ? source.bias[static_cast<size_t>(g * out + n)] : 0.0f;
    }
  }
}

void pack_depthwise(PackedFloat& packed, const FloatWeights& source) {
  const int64_t channels = source.out_channels;
  for (int64_t t = 0; t < packed.k; ++t) {
    for (int64_t c = 0; c < channels; ++c)
      packed.weights.data()[t * channels + c] = source.values.data()[c * packed.k + t];
  }
  for (size_t c = 0; c < static_cast<size_t>(channels); ++c)
    packed.bias[c] = source.bias.empty() ? 0.0f : source.bias[c];
}

// A buffer of at least one element, so that null means that memory ran out.
bool allocate(AlignedBuffer<float>& buffer, int64_t size) {
  buffer = AlignedBuffer<float>(static_cast<size_t>(std::max<int64_t>(size, 1)));
  return buffer.data() != nullptr;
}

}  // namespace

std::span<const FloatRow> float_rows() {
  return kRows;
}

namespace {

std::shared_ptr<const PackedFloat> pack_as(bool depthwise, const FloatRow& row, const FloatWeights& source) {
  auto packed = std::make_shared<PackedFloat>();
  packed->row = &row;
  packed->k = source.kernel.count() * source.in_per_group;
  packed->out_per_group = source.out_channels / source.groups;
  packed->padded = (packed->out_per_group + row.lanes - 1) / row.lanes * row.lanes;
  packed->depthwise = depthwise;
  const int64_t columns = depthwise ? source.out_channels : source.groups * packed->padded;
  const int64_t zeros = depthwise ? source.out_channels : source.kernel.w * source.in_per_group;
  if (!allocate(packed->weights, columns * packed->k) || !allocate(packed->bias, columns) ||
      !allocate(packed->zeros, zeros)) {
    return nullptr;
  }
  std::fill(packed->zeros.span().begin(), packed->zeros.span().end(), 0.0f);
  depthwise ? pack_depthwise(*packed, source) : pack_panels(*packed, source);
  packed->shape = {source.groups,
                   source.out_channels,
                   source.in_per_group,
                   source.kernel,
                   packed->weights.size_bytes() + packed->bias.size_bytes() + packed->zeros.size_bytes(),
                   std::nullopt};
  return packed;
}

}  // namespace

std::shared_ptr<const PackedFloat> pack_float_tiles(const FloatRow& row, const FloatWeights& source) {
  return pack_as(false, row, source);
}

std::shared_ptr<const PackedFloat> pack_float_for(const FloatRow& row, const FloatWeights& source) noexcept {
  try {
    if (source.transposed) return pack_transposed_float(row, source);
    const int64_t group = source.in_per_group;
    const bool few = group > 0 && group <= row.group && std::has_single_bit(static_cast<uint64_t>(group));
    const bool depthwise = few && source.groups > 1 && source.out_channels == source.groups * group;
    return pack_as(depthwise, row, source);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

std::shared_ptr<const PackedFloat> pack_float(const FloatWeights& weights) noexcept {
  const int64_t k = weights.kernel.count() * weights.in_per_group;
  const int64_t channels = weights.out_channels / std::max<int64_t>(weights.groups, 1);
  return pack_float_for(row_for(select_row(kRows, active_isa()), k, channels), weights);
}

PackedFacts facts(const PackedFloat& packed) {
  return packed.shape;
}

}  // namespace int8

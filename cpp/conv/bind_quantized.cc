// Binding an epilogue: offsets that hold the bias and the input's zero point, parameters in the kernels' order.
#include <algorithm>
#include <cstring>
#include <new>

#include "conv/packed.h"

namespace int8 {
namespace {

// [out_channels] values to a buffer of slots. False if memory ran out.
bool place(const PackedQuantized& packed, std::span<const float> values, AlignedBuffer<float>& out) {
  out = AlignedBuffer<float>(static_cast<size_t>(packed.slots()));
  if (out.data() == nullptr) return false;
  packed.spread(values.data(), out.data());
  return true;
}

EpilogueScalars scalars_of(const QuantizedEpilogue& e) {
  EpilogueScalars s;
  s.kind = e.output;
  s.zero_point = e.y_zero_point;
  s.lo = e.y_lo;
  s.hi = e.y_hi;
  // -0 as a bound would make the sign of a zero depend on the order of the comparison.
  s.float_lo = e.float_lo == 0 ? 0.0f : e.float_lo;
  s.float_hi = e.float_hi == 0 ? 0.0f : e.float_hi;
  // |f(acc)| <= 2^31, so that a product with M below 1 stays below 2^31.
  s.unbounded = std::ranges::any_of(e.multipliers, [](float m) { return !(m < 1.0f); });
  return s;
}

// offset = bias - zx * sum(w - zw), modulo 2^32; with 128*sum(w) where the kernel multiplies x - 128.
bool place_offsets(const PackedQuantized& packed, const QuantizedEpilogue& e, int32_t x_zero,
                   AlignedBuffer<int32_t>& out) {
  const auto channels = static_cast<size_t>(packed.facts.out_channels);
  AlignedBuffer<int32_t> offsets(channels);
  out = AlignedBuffer<int32_t>(static_cast<size_t>(packed.slots()));
  if (offsets.data() == nullptr || out.data() == nullptr) return false;
  const bool signed_x = packed.gemm != nullptr && packed.gemm->signed_x;
  for (size_t c = 0; c < channels; c++) {
    uint32_t offset = static_cast<uint32_t>(e.bias[c]) - static_cast<uint32_t>(x_zero) * packed.sums[c];
    if (signed_x) offset += 128 * packed.raw_sums[c];
    offsets[c] = static_cast<int32_t>(offset);
  }
  packed.spread(offsets.data(), out.data());
  return true;
}

}  // namespace

std::shared_ptr<const BoundQuantized> bind_quantized(std::shared_ptr<const PackedQuantized> packed,
                                                     const QuantizedEpilogue& epilogue) noexcept {
  try {
    auto bound = std::make_shared<BoundQuantized>();
    bound->packed = std::move(packed);
    const PackedQuantized& p = *bound->packed;
    bound->x_type = epilogue.x_type;
    bound->x_flip = epilogue.x_type == CodeType::kS8 ? 0x80 : 0;
    const int32_t x_zero = epilogue.x_zero_point + bound->x_flip;
    bound->x_zero = static_cast<uint8_t>(x_zero);
    bound->scalars = scalars_of(epilogue);
    if (p.facts.out_channels == 0) return bound;
    for (const auto& part : p.parts) {
      bound->parts.push_back(bind_quantized(part, epilogue));
      if (bound->parts.back() == nullptr) return nullptr;
    }
    if (p.method == Method::kTransposed) return bound;
    if (!place_offsets(p, epilogue, x_zero, bound->offsets)) return nullptr;
    if (epilogue.output != OutputKind::kS32 && !place(p, epilogue.multipliers, bound->multipliers)) return nullptr;
    if (epilogue.output == OutputKind::kF32 && !epilogue.float_bias.empty() &&
        !place(p, epilogue.float_bias, bound->bias)) {
      return nullptr;
    }
    bound->padding_row = AlignedBuffer<uint8_t>(static_cast<size_t>(p.facts.groups * p.facts.in_per_group) + 1);
    if (bound->padding_row.data() == nullptr) return nullptr;
    std::memset(bound->padding_row.data(), bound->x_zero, bound->padding_row.size());
    return bound;
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

PackedFacts facts(const BoundQuantized& bound) {
  PackedFacts f = bound.packed->facts;
  f.bytes += sizeof(BoundQuantized) + bound.offsets.size_bytes() + bound.multipliers.size_bytes() +
             bound.bias.size_bytes() + bound.padding_row.size_bytes();
  for (const auto& part : bound.parts) f.bytes += facts(*part).bytes - part->packed->facts.bytes;
  return f;
}

OutputKind output_kind(const BoundQuantized& bound) {
  return bound.scalars.kind;
}

CodeType input_type(const BoundQuantized& bound) {
  return bound.x_type;
}

}  // namespace int8

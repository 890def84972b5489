// Packed weights as bytes: a header, then the arrays one after the other, each at a multiple of 64 bytes.
#include "conv/image.h"

#include <cstring>
#include <new>

namespace int8 {
namespace {

struct Header {
  uint32_t magic;
  uint32_t version;
  uint32_t isa;  // of the row
  uint32_t method;
  uint32_t small_pairs;
  uint32_t has_raw_sums;
  uint32_t has_zero_points;
  uint32_t layout;  // of panels
  int64_t out_channels;
  int64_t slots;
  int64_t w_bytes;
  int64_t bytes;  // of the image
};
static_assert(sizeof(Header) == kAlignment);
constexpr uint32_t kMagic = 0x50387869;

constexpr int64_t aligned(int64_t bytes) {
  return round_up(bytes, static_cast<int64_t>(kAlignment));
}

// Where the arrays lie.
struct Places {
  int64_t w = sizeof(Header);
  int64_t sums;
  int64_t raw_sums;
  int64_t zero_points;
  int64_t end;
};
Places places_of(const Header& h) {
  Places p;
  p.sums = p.w + aligned(h.w_bytes);
  p.raw_sums = p.sums + aligned(4 * h.out_channels);
  p.zero_points = p.raw_sums + (h.has_raw_sums != 0 ? aligned(4 * h.out_channels) : 0);
  p.end = p.zero_points + (h.has_zero_points != 0 ? aligned(4 * h.slots) : 0);
  return p;
}

Header header_of(const PackedQuantized& p, bool small_pairs, bool has_zero_points) {
  const bool depthwise = p.by_blocks();
  Header h{.magic = kMagic,
           .version = kImageVersion,
           .isa = static_cast<uint32_t>(depthwise ? p.depthwise->isa : p.gemm->isa),
           .method = static_cast<uint32_t>(p.method),
           .small_pairs = small_pairs,
           .has_raw_sums = !depthwise && p.gemm->signed_x,
           .has_zero_points = has_zero_points,
           .layout = depthwise ? 0 : static_cast<uint32_t>(p.panels.nr | p.panels.kr << 12 | p.panels.split << 20),
           .out_channels = p.facts.out_channels,
           .slots = p.slots(),
           .w_bytes = depthwise ? p.slots() * p.quads * 4 : p.panels.bytes() + 1,
           .bytes = 0};
  h.bytes = places_of(h).end;
  return h;
}

// Whether a row is the faster one of some other row.
bool is_small_pairs(const PackedQuantized& p) {
  if (p.gemm == nullptr) return false;
  for (const GemmRow& row : gemm_rows()) {
    if (row.small_pairs == p.gemm) return true;
  }
  return false;
}

// Whether memory of this size may be an image of such weights: it has a byte for each at least. Larger sizes are not
// reckoned with, which keeps everything below from overflowing.
bool holds_weights(size_t size, const QuantizedWeights& weights) {
  int64_t left = static_cast<int64_t>(size);
  for (const int64_t factor :
       {weights.out_channels, weights.kernel.d, weights.kernel.h, weights.kernel.w, weights.in_per_group}) {
    if (factor <= 0) return false;
    left /= factor;
  }
  return left > 0;
}

template <class T>
void put(std::span<uint8_t> out, int64_t at, const AlignedBuffer<T>& from) {
  if (from.size() > 0) std::memcpy(out.data() + at, from.data(), from.size_bytes());
}

template <class T>
AlignedBuffer<T> view(std::span<const uint8_t> image, int64_t at, int64_t count) {
  return AlignedBuffer<T>::borrow(reinterpret_cast<const T*>(image.data() + at), static_cast<size_t>(count));
}

}  // namespace

int64_t image_size(const PackedQuantized& packed) {
  if (packed.method == Method::kTransposed || packed.facts.out_channels == 0) return 0;
  return header_of(packed, is_small_pairs(packed), packed.zero_points.size() > 0).bytes;
}

void write_image(const PackedQuantized& packed, std::span<uint8_t> out) {
  const Header h = header_of(packed, is_small_pairs(packed), packed.zero_points.size() > 0);
  const Places at = places_of(h);
  std::memset(out.data(), 0, out.size());
  std::memcpy(out.data(), &h, sizeof(h));
  put(out, at.w, packed.w);
  put(out, at.sums, packed.sums);
  put(out, at.raw_sums, packed.raw_sums);
  put(out, at.zero_points, packed.zero_points);
}

std::shared_ptr<const PackedQuantized> read_image_for(const QuantizedWeights& weights, const GemmRow& gemm,
                                                      const DepthwiseRow& depthwise, std::span<const uint8_t> image,
                                                      std::shared_ptr<const void> owner) noexcept {
  if (weights.transposed || weights.out_channels == 0) return nullptr;
  if (!holds_weights(image.size(), weights)) return nullptr;
  Header given;
  if (image.size() < sizeof(given) || reinterpret_cast<uintptr_t>(image.data()) % kAlignment != 0) return nullptr;
  std::memcpy(&given, image.data(), sizeof(given));
  if (given.small_pairs > 1 || (given.small_pairs == 1 && gemm.small_pairs == nullptr) || given.has_zero_points > 1) {
    return nullptr;
  }
  try {
    auto p = std::make_shared<PackedQuantized>();
    lay_out(weights, gemm, depthwise, given.small_pairs == 1, *p);
    if (p->by_blocks() && !place_taps(weights.kernel, *p)) return nullptr;
    const Header wanted = header_of(*p, !p->by_blocks() && given.small_pairs == 1, given.has_zero_points == 1);
    if (std::memcmp(&given, &wanted, sizeof(given)) != 0) return nullptr;
    if (static_cast<uint64_t>(wanted.bytes) != image.size()) return nullptr;
    const Places at = places_of(wanted);
    p->w = view<int8_t>(image, at.w, wanted.w_bytes);
    p->sums = view<uint32_t>(image, at.sums, wanted.out_channels);
    if (wanted.has_raw_sums != 0) p->raw_sums = view<uint32_t>(image, at.raw_sums, wanted.out_channels);
    if (wanted.has_zero_points != 0) p->zero_points = view<int32_t>(image, at.zero_points, wanted.slots);
    p->image = std::move(owner);
    p->facts.bytes = sizeof(PackedQuantized) + p->quad_taps.size_bytes() + p->quad_ones.size_bytes();
    return p;
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

}  // namespace int8

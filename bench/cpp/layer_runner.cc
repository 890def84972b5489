#include "layer_runner.h"

#include <stdexcept>

namespace int8::bench {
namespace {

std::vector<uint8_t> random_bytes(int64_t count) {
  std::vector<uint8_t> bytes(static_cast<size_t>(count));
  uint32_t state = 12345;
  for (uint8_t& b : bytes) {
    state = state * 1664525 + 1013904223;
    b = static_cast<uint8_t>(state >> 24);
  }
  return bytes;
}

}  // namespace

LayerRunner::LayerRunner(const Layer& l) : is_gemm_(l.is_gemm) {
  const int64_t out = is_gemm_ ? 1 : (l.hw + 2 * ((l.k - 1) / 2) - l.k) / l.s + 1;
  geometry_ = {.batch = is_gemm_ ? l.m : 1,
               .groups = is_gemm_ ? 1 : l.g,
               .in_channels = is_gemm_ ? l.depth : l.ci,
               .out_channels = is_gemm_ ? l.n : l.co};
  if (!is_gemm_) {
    geometry_.input = {1, l.hw, l.hw};
    geometry_.output = {1, out, out};
    geometry_.kernel = {1, l.k, l.k};
    geometry_.stride = {1, l.s, l.s};
    geometry_.padding = {0, (l.k - 1) / 2, (l.k - 1) / 2};
  }
  const ConvGeometry& g = geometry_;
  const int64_t depth = g.in_channels / g.groups * g.kernel.count();
  std::vector<uint8_t> codes = random_bytes(g.out_channels * depth);
  if (l.weight_bits == 7) {
    for (uint8_t& c : codes) c = static_cast<uint8_t>(c % 129 - 64);
  }
  const std::vector<int32_t> zeros(static_cast<size_t>(g.out_channels));
  const std::vector<float> multipliers(static_cast<size_t>(g.out_channels), 1e-3f);
  const auto packed = pack_quantized({.codes = codes,
                                      .type = CodeType::kS8,
                                      .zero_points = zeros,
                                      .groups = g.groups,
                                      .out_channels = g.out_channels,
                                      .in_per_group = g.in_channels / g.groups,
                                      .kernel = g.kernel});
  if (packed == nullptr) throw std::runtime_error("out of memory");
  bound_ = bind_quantized(packed, {.x_zero_point = 3, .bias = zeros, .multipliers = multipliers, .y_zero_point = 100});
  if (bound_ == nullptr) throw std::runtime_error("out of memory");
  x_ = random_bytes(g.batch * g.input.count() * g.in_channels);
  y_.resize(static_cast<size_t>(g.batch * g.output.count() * g.out_channels));
}

void LayerRunner::operator()() {
  const Status status = is_gemm_ ? qlinear(*bound_, x_, y_, geometry_.batch) : qconv(*bound_, x_, y_, geometry_);
  if (status != Status::kOk) throw std::runtime_error("out of memory");
}

}  // namespace int8::bench

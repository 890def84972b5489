// One layer, packed and bound with random data, ready to run: u8 activations, s8 weights, multipliers per channel, u8
// out.
#pragma once

#include <memory>
#include <vector>

#include "int8/qconv.h"
#include "layers.h"

namespace int8::bench {

class LayerRunner {
 public:
  explicit LayerRunner(const Layer& layer);
  void operator()();

 private:
  bool is_gemm_;
  ConvGeometry geometry_;
  std::vector<uint8_t> x_;
  std::vector<uint8_t> y_;
  std::shared_ptr<const BoundQuantized> bound_;
};

}  // namespace int8::bench

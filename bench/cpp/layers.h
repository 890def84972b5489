// The layers to time: an array of flat JSON objects, each a conv {ci, co, k, s, hw, g} with padding (k-1)/2 or a gemm
// {M, K, N}.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace int8::bench {

struct Layer {
  std::string name;
  bool is_gemm = false;
  int64_t ci = 0, co = 0, k = 0, s = 0, hw = 0, g = 0;
  int64_t m = 0, depth = 0, n = 0;
  int64_t macs() const;
};

// Throws std::runtime_error with the path and what is wrong.
std::vector<Layer> read_layers(const std::string& path);

}  // namespace int8::bench

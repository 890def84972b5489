// Kernels bound by memory: one of them, ready to run on random data, and the traffic that it cannot avoid.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace int8::bench {

struct StreamRunner {
  int64_t read = 0;  // bytes of its operands, each counted once
  int64_t written = 0;
  std::function<void()> run;
  std::function<void()> roof;  // reads and writes as many bytes, and does nothing else
};

// From the words of the command line (main.cc); throws std::runtime_error where they name none.
StreamRunner make_stream_runner(const std::vector<std::string>& words);

}  // namespace int8::bench

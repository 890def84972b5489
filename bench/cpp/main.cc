// Times one kernel and prints JSON: median and least milliseconds of a call. Of a layer also the roof of one core
// (billions of operations per second, two per multiply-add), measured in turns with the calls. Of a kernel that memory
// bounds also the bytes of its operands over that time (GB/s), the same of a loop that only reads and writes as many,
// in turns with the calls, and their ratio.
//
//   int8_bench [--isa name] [--threads n] [--seconds s] conv CI CO K STRIDE SIZE GROUPS
//   int8_bench [--isa name] [--threads n] [--seconds s] gemm M K N
//   (with --weight-bits 7 before either: weights of seven bits, which avx2 multiplies faster)
//   int8_bench [...] elementwise quantize|dequantize|requantize|qclamp|lookup|qadd|qmul|fadd|fclamp|exp|... N
//   int8_bench [...] reduce softmax|qsoftmax|mean|min-max N LENGTH
//   int8_bench [...] pool qmax|qavg|fmax|favg BATCH CHANNELS SIZE K STRIDE
//   int8_bench [...] layout u8|f32 channels-last|contiguous BATCH CHANNELS PIXELS
//   int8_bench [...] copy N
//   int8_bench [--isa name] roof
//   int8_bench bandwidth [MIB]
//
// `bandwidth` prints what one core reads (GB/s) of a buffer of 64 MiB, or of MIB. A gemm of up to 8 rows is bound by
// reading its weights: it is timed in turns with reading as many bytes, and "readGbps" and "weightsGbps" tell how fast
// either was.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "int8/cpu.h"
#include "int8/thread_pool.h"
#include "layer_runner.h"
#include "roof.h"
#include "stream.h"

namespace int8::bench {
namespace {

struct Options {
  std::vector<std::string> layer;
  int threads = 1;
  double seconds = 0.3;
  int weight_bits = 8;
};

Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; i++) {
    const std::string name = argv[i];
    if (name.rfind("--", 0) != 0) {
      o.layer.push_back(name);
      continue;
    }
    if (i + 1 == argc) throw std::runtime_error(name + " needs a value");
    const std::string value = argv[++i];
    if (name == "--isa") {
      const auto isa = isa_from_name(value);
      if (!isa || !set_active_isa(*isa)) throw std::runtime_error("this CPU cannot run " + value);
    } else if (name == "--threads") {
      o.threads = std::stoi(value);
    } else if (name == "--weight-bits") {
      o.weight_bits = std::stoi(value);
      if (o.weight_bits != 7 && o.weight_bits != 8) throw std::runtime_error("--weight-bits is 7 or 8");
    } else if (name == "--seconds") {
      o.seconds = std::stod(value);
    } else {
      throw std::runtime_error("unknown option " + name);
    }
  }
  return o;
}

Layer layer_of(const std::vector<std::string>& words) {
  std::vector<int64_t> n;
  for (size_t i = 1; i < words.size(); i++) n.push_back(std::stoll(words[i]));
  if (n.size() == 6 && words[0] == "conv") return {.ci = n[0], .co = n[1], .k = n[2], .s = n[3], .hw = n[4], .g = n[5]};
  if (n.size() == 3 && words[0] == "gemm") return {.is_gemm = true, .m = n[0], .depth = n[1], .n = n[2]};
  throw std::runtime_error("needs `conv CI CO K STRIDE SIZE GROUPS` or `gemm M K N`");
}

struct Times {
  std::vector<double> calls;  // seconds of each call
  std::vector<double> roofs;  // multiply-adds per second, measured between groups of calls
  std::vector<double> reads;  // bytes per second, likewise
};

double median(std::vector<double>& values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// The clock changes within milliseconds, with load, temperature and the instructions that run: calls and the roof take
// turns, so that both see the same clock.
Times time_calls(LayerRunner& run, std::span<const uint8_t> reads, double seconds) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::duration<double> kTurn{1e-3};
  for (int i = 0; i < 3; i++) run();
  Times times;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (times.calls.size() < 10 || Clock::now() < end) {
    times.roofs.push_back(roof_macs_per_second());
    if (!reads.empty()) times.reads.push_back(read_bytes_per_second(reads));
    const auto turn = Clock::now();
    do {
      const auto start = Clock::now();
      run();
      times.calls.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    } while (Clock::now() - turn < kTurn);
  }
  return times;
}

template <class Run>
double seconds_of(Run& run) {
  const auto start = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void print_stream(const StreamRunner& runner, double seconds) {
  for (int i = 0; i < 2; i++) {
    runner.run();
    runner.roof();
  }
  std::vector<double> times, roofs;
  for (double spent = 0; times.size() < 11 || spent < seconds; spent += times.back() + roofs.back()) {
    roofs.push_back(seconds_of(runner.roof));
    times.push_back(seconds_of(runner.run));
  }
  const double call = median(times), roof = median(roofs);
  const double gigabytes = static_cast<double>(runner.read + runner.written) / 1e9;
  std::printf(
      "{ \"isa\": \"%s\", \"threads\": %d, \"medianMs\": %.5f, \"leastMs\": %.5f, \"gbps\": %.2f, "
      "\"roofGbps\": %.2f, \"ofRoof\": %.3f }\n",
      std::string(isa_name(active_isa())).c_str(), num_threads(), call * 1e3, times[0] * 1e3, gigabytes / call,
      gigabytes / roof, roof / call);
}

void print_bandwidth(int64_t mebibytes) {
  const std::vector<uint8_t> bytes(static_cast<size_t>(mebibytes << 20), 1);
  std::vector<double> reads;
  for (int i = 0; i < 30; i++) reads.push_back(read_bytes_per_second(bytes));
  std::printf("%.1f\n", median(reads) / 1e9);
}

int main(int argc, char** argv) {
  const Options o = parse(argc, argv);
  if (o.layer.size() == 1 && o.layer[0] == "roof") {
    double best = 0;
    for (int i = 0; i < 80; i++) best = std::max(best, roof_macs_per_second());
    std::printf("%.1f\n", 2 * best / 1e9);
    return 0;
  }
  if (!o.layer.empty() && o.layer[0] == "bandwidth") {
    print_bandwidth(o.layer.size() > 1 ? std::stoll(o.layer[1]) : 64);
    return 0;
  }
  set_num_threads(o.threads);
  if (!o.layer.empty() && o.layer[0] != "conv" && o.layer[0] != "gemm") {
    print_stream(make_stream_runner(o.layer), o.seconds);
    return 0;
  }
  Layer layer = layer_of(o.layer);
  layer.weight_bits = o.weight_bits;
  LayerRunner run(layer);
  const std::vector<uint8_t> bytes(layer.is_gemm && layer.m <= 8 ? static_cast<size_t>(layer.depth * layer.n) : 0, 1);
  Times times = time_calls(run, bytes, o.seconds);
  const double median_call = median(times.calls);
  const double roof = median(times.roofs);
  std::printf("{ \"isa\": \"%s\", \"threads\": %d, \"medianMs\": %.5f, \"leastMs\": %.5f, \"roofGops\": %.1f",
              std::string(isa_name(active_isa())).c_str(), num_threads(), median_call * 1e3, times.calls[0] * 1e3,
              2 * roof / 1e9);
  if (!bytes.empty()) {
    std::printf(", \"readGbps\": %.2f, \"weightsGbps\": %.2f", median(times.reads) / 1e9,
                static_cast<double>(bytes.size()) / median_call / 1e9);
  }
  std::printf(" }\n");
  return 0;
}

}  // namespace
}  // namespace int8::bench

int main(int argc, char** argv) {
  try {
    return int8::bench::main(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "int8_bench: %s\n", e.what());
    return 1;
  }
}

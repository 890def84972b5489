// Times the quantized kernels on a list of layers and prints JSON: median and least milliseconds of a call, billions of
// operations per second (two per multiply-add), and the share of the measured roof of one core.
//
//   int8_bench --roof                       billions of operations per second of one core, nothing else
//   int8_bench layers.json [--isa name] [--threads n] [--seconds s] [--filter text]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "int8/cpu.h"
#include "int8/thread_pool.h"
#include "layer_runner.h"
#include "roof.h"

namespace int8::bench {
namespace {

struct Options {
  std::string layers;
  std::string filter;
  int threads = 1;
  double seconds = 0.3;
};

Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; i++) {
    const std::string name = argv[i];
    if (name.rfind("--", 0) != 0) {
      o.layers = name;
      continue;
    }
    if (i + 1 == argc) throw std::runtime_error(name + " needs a value");
    const std::string value = argv[++i];
    if (name == "--isa") {
      const auto isa = isa_from_name(value);
      if (!isa || !set_active_isa(*isa)) throw std::runtime_error("this CPU cannot run " + value);
    } else if (name == "--threads") {
      o.threads = std::stoi(value);
    } else if (name == "--seconds") {
      o.seconds = std::stod(value);
    } else if (name == "--filter") {
      o.filter = value;
    } else {
      throw std::runtime_error("unknown option " + name);
    }
  }
  if (o.layers.empty())
    throw std::runtime_error("usage: int8_bench layers.json [--isa|--threads|--seconds|--filter …]");
  return o;
}

// Seconds of each call, ascending.
std::vector<double> time_calls(LayerRunner& run, double seconds) {
  using Clock = std::chrono::steady_clock;
  for (int i = 0; i < 3; i++) run();
  std::vector<double> times;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (times.size() < 10 || Clock::now() < end) {
    const auto start = Clock::now();
    run();
    times.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  std::ranges::sort(times);
  return times;
}

int main(int argc, char** argv) {
  if (argc == 2 && std::string(argv[1]) == "--roof") {
    std::printf("%.1f\n", 2 * roof_macs_per_second() / 1e9);
    return 0;
  }
  const Options o = parse(argc, argv);
  set_num_threads(o.threads);
  std::printf("{\n  \"isa\": \"%s\",\n  \"threads\": %d,\n  \"layers\": [", std::string(isa_name(active_isa())).c_str(),
              num_threads());
  const char* separator = "\n";
  for (const Layer& layer : read_layers(o.layers)) {
    if (layer.name.find(o.filter) == std::string::npos) continue;
    LayerRunner run(layer);
    // The clock changes with load and temperature: the roof is measured on both sides of the layer.
    const double before = roof_macs_per_second();
    const std::vector<double> times = time_calls(run, o.seconds);
    const double roof = std::max(before, roof_macs_per_second());
    const double median = times[times.size() / 2];
    const auto macs = static_cast<double>(layer.macs());
    std::printf(
        "%s    { \"name\": \"%s\", \"medianMs\": %.4f, \"leastMs\": %.4f, \"gops\": %.1f, \"roofGops\": %.1f, "
        "\"roofShare\": %.3f }",
        separator, layer.name.c_str(), median * 1e3, times[0] * 1e3, 2 * macs / median / 1e9, 2 * roof / 1e9,
        roof > 0 ? macs / median / roof / num_threads() : 0.0);
    std::fflush(stdout);
    separator = ",\n";
  }
  std::printf("\n  ]\n}\n");
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

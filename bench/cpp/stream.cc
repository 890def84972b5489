#include "stream.h"

#include <array>
#include <cmath>
#include <cstring>
#include <memory>
#include <new>
#include <numeric>
#include <stdexcept>

#include "int8/cpu.h"
#include "int8/elementwise.h"
#include "int8/movement.h"
#include "int8/pool.h"
#include "int8/reduce.h"
#include "stream_loop.h"

namespace int8::bench {
namespace {

using Words = std::vector<std::string>;

// Memory as plans have it: 64-byte aligned.
template <class T>
struct Aligned {
  using value_type = T;
  Aligned() = default;
  template <class U>
  Aligned(const Aligned<U>&) {}
  T* allocate(size_t n) { return static_cast<T*>(::operator new (n * sizeof(T), std::align_val_t{64})); }
  void deallocate(T* p, size_t) { ::operator delete (p, std::align_val_t{64}); }
  bool operator==(const Aligned&) const { return true; }
};
template <class T>
using Buffer = std::vector<T, Aligned<T>>;

// Operands, which live as long as the runner. Codes and floats of one random state.
struct Operands {
  Buffer<uint8_t> codes, codes2, y_codes;
  Buffer<float> floats, floats2, y_floats;
};

Buffer<uint8_t> random_codes(int64_t n) {
  Buffer<uint8_t> codes(static_cast<size_t>(n));
  uint32_t state = 12345;
  for (uint8_t& c : codes) {
    state = state * 1664525 + 1013904223;
    c = static_cast<uint8_t>(state >> 24);
  }
  return codes;
}

Buffer<float> random_floats(int64_t n) {
  Buffer<float> floats(static_cast<size_t>(n));
  uint32_t state = 54321;
  for (float& f : floats) {
    state = state * 1664525 + 1013904223;
    f = static_cast<float>(static_cast<int32_t>(state)) * 0x1p-28f;
  }
  return floats;
}

StreamRunner elementwise(const std::string& op, int64_t n) {
  auto o = std::make_shared<Operands>();
  static const std::array<float, 1> scale{0.0748f};
  static const std::array<int32_t, 1> zero_point{3};
  static const Buffer<uint8_t> table = random_codes(256);
  const std::array<int64_t, 1> shape{n}, dense{1};
  const ChannelSplit split{1, 1, n};
  const auto codes_to_codes = [&](auto run) {
    o->codes = random_codes(n);
    o->y_codes.resize(static_cast<size_t>(n));
    return StreamRunner{n, n, [o, run] { run(*o); }, {}};
  };
  const auto two_codes = [&](auto run) {
    o->codes2 = random_codes(n);
    StreamRunner r = codes_to_codes([run, shape, dense](Operands& a) { run(a, Broadcast{shape, dense, dense}); });
    r.read = 2 * n;
    return r;
  };
  const auto floats_to_floats = [&](auto run) {
    o->floats = random_floats(n);
    o->y_floats.resize(static_cast<size_t>(n));
    return StreamRunner{4 * n, 4 * n, [o, run] { run(*o); }, {}};
  };
  const auto unary = [&](Unary u) {
    return floats_to_floats([u](Operands& a) { funary(u, a.floats, a.y_floats, 0.01f, 1); });
  };
  if (op == "quantize") {
    o->floats = random_floats(n);
    o->y_codes.resize(static_cast<size_t>(n));
    return {4 * n, n, [o, split] { quantize(o->floats, {o->y_codes}, {split, scale, zero_point}); }, {}};
  }
  if (op == "dequantize") {
    o->codes = random_codes(n);
    o->y_floats.resize(static_cast<size_t>(n));
    return {n, 4 * n, [o, split] { dequantize({o->codes}, o->y_floats, {split, scale, zero_point}); }, {}};
  }
  if (op == "requantize") {
    return codes_to_codes([](Operands& a) {
      requantize({a.codes}, {a.y_codes}, {.x_zero_point = 3, .y_zero_point = 7, .multiplier = 0.77f});
    });
  }
  if (op == "qclamp") return codes_to_codes([](Operands& a) { qclamp({a.codes}, {a.y_codes}, 10, 200); });
  if (op == "lookup") {
    return codes_to_codes([](Operands& a) { lookup(a.codes, a.y_codes, std::span(table).first<256>()); });
  }
  if (op == "qadd") {
    return two_codes([](Operands& a, const Broadcast& b) {
      qadd({a.codes}, {a.codes2}, {a.y_codes}, b, {3, 5, 7, 0.7f, 0.6f, 0, 255});
    });
  }
  if (op == "qmul") {
    return two_codes([](Operands& a, const Broadcast& b) {
      qmul({a.codes}, {a.codes2}, {a.y_codes}, b, {3, 5, 7, 0.01f, 0, 255});
    });
  }
  if (op == "fadd") {
    o->floats2 = random_floats(n);
    StreamRunner r = floats_to_floats([shape, dense](Operands& a) {
      fbinary(Binary::kAdd, a.floats, a.floats2, a.y_floats, {shape, dense, dense});
    });
    r.read *= 2;
    return r;
  }
  if (op == "fclamp") return floats_to_floats([](Operands& a) { fclamp(a.floats, a.y_floats, 0, 6); });
  if (op == "exp") return unary(Unary::kExp);
  if (op == "sigmoid") return unary(Unary::kSigmoid);
  if (op == "tanh") return unary(Unary::kTanh);
  if (op == "hardswish") return unary(Unary::kHardswish);
  if (op == "leaky-relu") return unary(Unary::kLeakyRelu);
  if (op == "log") return unary(Unary::kLog);
  if (op == "erf") return unary(Unary::kErf);
  if (op == "gelu") return unary(Unary::kGelu);
  if (op == "silu") return unary(Unary::kSilu);
  throw std::runtime_error("no elementwise kernel is called " + op);
}

// Rows of `length` elements.
StreamRunner reduce(const std::string& op, int64_t n, int64_t length) {
  n = n / length * length;
  auto o = std::make_shared<Operands>();
  o->floats = random_floats(n);
  o->y_floats.resize(static_cast<size_t>(n));
  if (op == "softmax") {
    return {4 * n, 4 * n, [o, n, length] { softmax(o->floats, o->y_floats, n / length, length); }, {}};
  }
  if (op == "qsoftmax") {
    static std::array<int32_t, 256> table;
    for (size_t d = 0; d < table.size(); d++) {
      table[d] = static_cast<int32_t>(std::nearbyint(8388608 * std::exp(-0.05 * static_cast<double>(d))));
    }
    o->codes = random_codes(n);
    o->y_codes.resize(static_cast<size_t>(n));
    const SoftmaxCodes parameters{table, 1.0f / 256, 0, 0, 255};
    return {n,
            n,
            [o, n, length, parameters] { softmax_codes({o->codes}, {o->y_codes}, n / length, length, parameters); },
            {}};
  }
  if (op == "mean") {
    return {4 * n,
            0,
            [o, n, length] {
              freduce(Reduce::kMean, o->floats, std::span(o->y_floats).first(static_cast<size_t>(n / length)),
                      n / length, length);
            },
            {}};
  }
  if (op == "min-max") {
    return {4 * n,
            0,
            [o] {
              const MinMax found = min_max(o->floats);
              if (found.min > found.max) throw std::runtime_error("no range");
            },
            {}};
  }
  throw std::runtime_error("no reduction is called " + op);
}

// N images of SIZE x SIZE pixels of C channels, windows of K x K, padding (K-1)/2.
StreamRunner pool(const std::string& op, int64_t batch, int64_t channels, int64_t size, int64_t k, int64_t stride) {
  struct State : Operands {
    std::vector<int32_t> one_start{0}, one{1}, starts, counts;
    std::vector<float> factors;
    PoolWindows windows;
  };
  auto o = std::make_shared<State>();
  const int64_t padding = k == size ? 0 : (k - 1) / 2;  // a global pool has none
  const int64_t out = (size + 2 * padding - k) / stride + 1;
  for (int64_t i = 0; i < out; i++) {
    const int64_t first = i * stride - padding, begin = std::max<int64_t>(first, 0);
    o->starts.push_back(static_cast<int32_t>(begin));
    o->counts.push_back(static_cast<int32_t>(std::min(first + k, size) - begin));
  }
  const PoolAxis axis{o->starts, o->counts, 1};
  o->windows = {batch, channels, {1, size, size}, {1, out, out}, {o->one_start, o->one, 1}, axis, axis};
  o->factors.assign(static_cast<size_t>(out * out),
                    op[0] == 'q' ? 1.0f / static_cast<float>(k * k) : static_cast<float>(k * k));
  const int64_t read = batch * size * size * channels, written = batch * out * out * channels;
  if (op[0] == 'q') {
    o->codes = random_codes(read);
    o->y_codes.resize(static_cast<size_t>(written));
  } else {
    o->floats = random_floats(read);
    o->y_floats.resize(static_cast<size_t>(written));
  }
  const auto codes = [&](auto run) { return StreamRunner{read, written, [o, run] { run(*o); }, {}}; };
  const auto floats = [&](auto run) { return StreamRunner{4 * read, 4 * written, [o, run] { run(*o); }, {}}; };
  if (op == "qmax") return codes([](State& s) { qmax_pool({s.codes}, {s.y_codes}, s.windows); });
  if (op == "qavg") return codes([](State& s) { qavg_pool({s.codes}, {s.y_codes}, s.windows, {3, 5, s.factors}); });
  if (op == "fmax") return floats([](State& s) { fmax_pool(s.floats, s.y_floats, s.windows); });
  if (op == "favg") return floats([](State& s) { favg_pool(s.floats, s.y_floats, s.windows, s.factors); });
  throw std::runtime_error("no pool is called " + op);
}

// [N][C][PIXELS] to [N][PIXELS][C], or back.
StreamRunner layout(const std::string& type, const std::string& to, int64_t batch, int64_t channels, int64_t pixels) {
  const int64_t item = type == "u8" ? 1 : 4, n = batch * channels * pixels * item;
  if ((type != "u8" && type != "f32") || (to != "channels-last" && to != "contiguous"))
    throw std::runtime_error("needs `layout u8|f32 channels-last|contiguous N C PIXELS`");
  auto o = std::make_shared<Operands>();
  o->codes = random_codes(n);
  o->y_codes.resize(static_cast<size_t>(n));
  const int64_t inner = to == "contiguous" ? pixels : channels, outer = channels * pixels / inner;
  const std::array<int64_t, 3> shape{batch, outer, inner}, x_strides{inner * outer, 1, outer},
      y_strides{inner * outer, inner, 1};
  return {n,
          n,
          [=] {
            strided_copy(o->codes, o->y_codes,
                         {.shape = shape, .x_strides = x_strides, .y_strides = y_strides, .item_size = item});
          },
          {}};
}

// The roof of a mix, and memcpy against it.
StreamRunner copy(int64_t n) {
  auto o = std::make_shared<Operands>();
  o->codes = random_codes(n);
  o->y_codes.resize(static_cast<size_t>(n));
  return {n, n, [o] { std::memcpy(o->y_codes.data(), o->codes.data(), o->codes.size()); }, {}};
}

StreamRunner kernel_of(const Words& words) {
  if (words.size() > 1) {
    std::vector<int64_t> n;
    for (size_t i = words[0] == "layout" ? 3 : words[0] == "copy" ? 1 : 2; i < words.size(); i++)
      n.push_back(std::stoll(words[i]));
    if (words[0] == "elementwise" && n.size() == 1) return elementwise(words[1], n[0]);
    if (words[0] == "reduce" && n.size() == 2) return reduce(words[1], n[0], n[1]);
    if (words[0] == "pool" && n.size() == 5) return pool(words[1], n[0], n[1], n[2], n[3], n[4]);
    if (words[0] == "layout" && n.size() == 3) return layout(words[1], words[2], n[0], n[1], n[2]);
    if (words[0] == "copy" && n.size() == 1) return copy(n[0]);
  }
  throw std::runtime_error("cannot run these words: see the head of main.cc");
}

}  // namespace

StreamRunner make_stream_runner(const Words& words) {
  StreamRunner runner = kernel_of(words);
  struct Lines {
    Buffer<uint8_t> x, y;
  };
  auto lines = std::make_shared<Lines>();
  lines->x.resize(static_cast<size_t>(runner.read), 1);
  lines->y.resize(static_cast<size_t>(runner.written), 1);
  auto loop = stream_lines;
#ifdef INT8_BENCH_AVX512
  if (isa_supported(Isa::kAvx512Vnni)) loop = stream_avx512vnni;
#endif
  runner.roof = [lines, loop] { loop(lines->x.data(), lines->x.size(), lines->y.data(), lines->y.size()); };
  return runner;
}

}  // namespace int8::bench

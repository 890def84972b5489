// Pools. All take x, y, the windows' two arguments (geometry.h), then their own.
#include "int8/pool.h"

#include "addon.h"
#include "codes.h"
#include "geometry.h"

namespace binding {
namespace {

using int8::CodesIn;
using int8::CodesOut;
using int8::PoolWindows;

int64_t input_count(const Args& args, const PoolWindows& w) {
  return count_of(args, "windows", {w.batch, w.input.d, w.input.h, w.input.w, w.channels});
}
int64_t output_count(const Args& args, const PoolWindows& w) {
  return count_of(args, "windows", {w.batch, w.output.d, w.output.h, w.output.w, w.channels});
}
int64_t positions(const Args& args, const PoolWindows& w) {
  return count_of(args, "windows", {w.output.d, w.output.h, w.output.w});
}

// qmaxPool(x, y, windows x 2)
auto qmax_pool(Args& args) {
  const PoolWindows w = read_windows(args, 2);
  const CodesIn x = args.codes(0, "x", input_count(args, w));
  const CodesOut y = args.codes_out(1, "y", output_count(args, w), Overlap::kNone, x.type);
  return [=] { return int8::qmax_pool(x, y, w); };
}

// qavgPool(x, y, windows x 2, multipliers, xZeroPoint, yZeroPoint, lo, hi)
auto qavg_pool(Args& args) {
  const PoolWindows w = read_windows(args, 2);
  const CodesIn x = args.codes(0, "x", input_count(args, w));
  const CodesOut y = args.codes_out(1, "y", output_count(args, w), Overlap::kNone);
  int8::QAvgPoolParams p;
  p.multipliers = args.in<float>(4, "multipliers", positions(args, w));
  p.x_zero_point = read_zero_point(args, 5, "xZeroPoint", x.type);
  p.y_zero_point = read_zero_point(args, 6, "yZeroPoint", y.type);
  const CodeRange bounds = read_bounds(args, 7, range_of(y.type));
  p.lo = bounds.lo;
  p.hi = bounds.hi;
  return [=] { return int8::qavg_pool(x, y, w, p); };
}

// fmaxPool(x, y, windows x 2)
auto fmax_pool(Args& args) {
  const PoolWindows w = read_windows(args, 2);
  const auto x = args.in<float>(0, "x", input_count(args, w));
  const auto y = args.out<float>(1, "y", output_count(args, w), Overlap::kNone);
  return [=] { return int8::fmax_pool(x, y, w); };
}

// favgPool(x, y, windows x 2, divisors)
auto favg_pool(Args& args) {
  const PoolWindows w = read_windows(args, 2);
  const auto x = args.in<float>(0, "x", input_count(args, w));
  const auto y = args.out<float>(1, "y", output_count(args, w), Overlap::kNone);
  const auto divisors = args.in<float>(4, "divisors", positions(args, w));
  return [=] { return int8::favg_pool(x, y, w, divisors); };
}

}  // namespace

void add_pool(Registry& registry) {
  registry.kernel<qmax_pool>("qmaxPool", "qmaxPoolAsync");
  registry.kernel<qavg_pool>("qavgPool", "qavgPoolAsync");
  registry.kernel<fmax_pool>("fmaxPool", "fmaxPoolAsync");
  registry.kernel<favg_pool>("favgPool", "favgPoolAsync");
}

}  // namespace binding

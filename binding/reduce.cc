// Reductions over rows.
#include "int8/reduce.h"

#include "addon.h"
#include "geometry.h"

namespace binding {
namespace {

// softmax(x, y, rows, length)
auto softmax(Args& args) {
  const int64_t rows = args.integer(2, "rows", 0, kMaxInteger);
  const int64_t length = args.integer(3, "length", 1, kMaxInteger);
  const int64_t count = count_of(args, "rows", {rows, length});
  const auto x = args.in<float>(0, "x", count);
  const auto y = args.out<float>(1, "y", count, Overlap::kNone);
  return [=] { int8::softmax(x, y, rows, length); };
}

// fmean(x, y, rows, length)
auto fmean(Args& args) {
  const int64_t rows = args.integer(2, "rows", 0, kMaxInteger);
  const int64_t length = args.integer(3, "length", 1, kMaxInteger);
  const auto x = args.in<float>(0, "x", count_of(args, "rows", {rows, length}));
  const auto y = args.out<float>(1, "y", rows, Overlap::kNone);
  return [=] { int8::fmean(x, y, rows, length); };
}

// minMax(x, y)
auto min_max(Args& args) {
  const auto x = args.in<float>(0, "x");
  const auto y = args.out<float>(1, "y", 2, Overlap::kNone);
  return [=] {
    const int8::MinMax found = int8::min_max(x);
    y[0] = found.min;
    y[1] = found.max;
  };
}

}  // namespace

void add_reduce(Registry& registry) {
  registry.kernel<softmax>("softmax", "softmaxAsync");
  registry.kernel<fmean>("fmean", "fmeanAsync");
  registry.kernel<min_max>("minMax", "minMaxAsync");
}

}  // namespace binding

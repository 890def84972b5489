// The driver of square depthwise kernels: they read the lines of the image where they lie. Padding is a line of the
// input zero point, which edges of lines are read from too. Lines are copied only where their bytes are not the
// kernel's: codes of the other sign, repeated channels, and the last line, behind which a whole block is read.
#include <algorithm>
#include <cstring>

#include "conv/depthwise_driver.h"
#include "conv/gemm_driver.h"
#include "conv/strip.h"

namespace int8 {
namespace {

// How the columns under `outputs` output pixels from `from` on are read. They are columns of the padded image. A vector
// holds `together` of them: the last ones have fewer vectors, and more vectors have padding in them.
struct Columns {
  int64_t first;
  int64_t left, body, right;

  Columns(const ConvGeometry& g, int64_t from, int64_t outputs, int64_t together) {
    first = from * g.stride.w;
    const int64_t count = (outputs - 1) * g.stride.w + g.kernel.w - (together - 1);
    left = std::clamp<int64_t>(g.padding.w - first, 0, count);
    body = std::clamp<int64_t>(g.padding.w + g.input.w - (together - 1) - first, left, count) - left;
    right = count - left - body;
  }
};

// Padded columns behind the image.
int64_t padding_behind(const ConvGeometry& g) {
  return (g.output.w - 1) * g.stride.w + g.kernel.w - g.padding.w - g.input.w;
}

// The lines under a strip, for one thread.
class Lines {
 public:
  Lines(const BoundQuantized& op, const ConvGeometry& g, std::span<const uint8_t> x, const StripPlan& plan)
      : op_(op), g_(g), x_(x), pixel_(g.out_channels), block_(op.packed->depthwise->block) {
    const Strip largest = strip_at(g, plan, 0, pixel_);
    const int64_t line = g.input.w * g.in_channels;
    copies_all_ = op.x_flip != 0 || g.out_channels != g.in_channels;
    copy_bytes_ = largest.width * pixel_ + block_;
    const int64_t copies = copies_all_ ? largest.height : std::min(largest.height, ceil_div(block_, line));
    edge_bytes_ = 2 * (g.kernel.w + 1) * pixel_;
    const int64_t edges = pixels_together(*op.packed, g) > 1 ? largest.height : 0;
    lines_ = scratch<DepthwiseLine>(Scratch::kPointers, largest.height);
    starts_ = scratch<const uint8_t*>(Scratch::kGather, largest.height);
    padding_ = scratch<uint8_t>(Scratch::kStrip, copy_bytes_ * (1 + copies) + edge_bytes_ * edges);
    if (!allocated()) return;
    std::memset(padding_, op.x_zero, static_cast<size_t>(copy_bytes_));
    copies_ = padding_ + copy_bytes_;
    edges_ = copies_ + copy_bytes_ * copies;
  }

  bool allocated() const { return lines_ != nullptr && starts_ != nullptr && padding_ != nullptr; }

  // Finds the strip's lines, and copies those that cannot stay where they are.
  void find(const Strip& s) {
    begin_ = std::clamp<int64_t>(s.ow * g_.stride.w - g_.padding.w, 0, g_.input.w);
    const int64_t end = std::clamp<int64_t>(s.ow * g_.stride.w - g_.padding.w + s.width, begin_, g_.input.w);
    const int64_t id = s.od * g_.stride.d - g_.padding.d;
    const bool outside = id < 0 || id >= g_.input.d;
    uint8_t* copy = copies_;
    for (int64_t h = 0; h < s.height; h++) {
      const int64_t ih = s.oh * g_.stride.h - g_.padding.h + h;
      if (outside || ih < 0 || ih >= g_.input.h) {
        starts_[h] = nullptr;
        continue;
      }
      const int64_t line = (s.image * g_.input.d + id) * g_.input.h + ih;
      starts_[h] = x_.data() + (line * g_.input.w + begin_) * g_.in_channels;
      if (copies_all_ || !readable_behind(line)) {
        copy_line(starts_[h], end - begin_, g_.in_channels,
                  {.repeat = g_.out_channels / g_.in_channels, .flip = op_.x_flip, .zero = op_.x_zero}, copy);
        starts_[h] = copy;
        copy += copy_bytes_;
      }
    }
  }

  // All channels of output columns [from, from + outputs) of the strip.
  void run(const Strip& s, int64_t from, int64_t outputs, int64_t together, uint8_t* y) {
    const Columns c(g_, s.ow + from, outputs, together);
    for (int64_t h = 0; h < s.height; h++) lines_[h] = line(h, c, together);
    DepthwiseSquare b;
    b.size = g_.kernel.w;
    b.step = g_.stride.w * together;
    b.lines = lines_;
    b.line_step = g_.stride.h;
    b.tap_step = g_.dilation.h;
    b.column = pixel_;
    b.left = c.left;
    b.body = c.body;
    b.rows = s.rows;
    b.columns = outputs / together;
    b.y_pixel = pixel_ * together;
    b.y_row = g_.output.w * pixel_;
    const int64_t channels = pixel_ * together;
    for (int64_t i = 0; i < channels; i += block_) {
      b.first = i;
      b.y = y + (s.output_pixel(g_) + from) * pixel_;
      point_at_channels(op_, i, std::min(block_, channels - i), b);
      op_.packed->depthwise->run_square(b, op_.scalars);
    }
  }

 private:
  // Whether the block that holds the line's last channel may be read whole.
  bool readable_behind(int64_t line) const {
    const int64_t end = (line + 1) * g_.input.w * g_.in_channels;
    return pixel_ % block_ == 0 || static_cast<int64_t>(x_.size()) - end >= block_;
  }

  DepthwiseLine line(int64_t h, const Columns& c, int64_t together) {
    if (starts_[h] == nullptr) return {padding_, padding_, padding_};
    const int64_t column = c.first + c.left;
    const uint8_t* body = starts_[h] + (c.body == 0 ? 0 : (column - g_.padding.w - begin_) * pixel_);
    if (together == 1) return {padding_, body, padding_};
    uint8_t* left = edges_ + h * edge_bytes_;
    uint8_t* right = left + edge_bytes_ / 2;
    if (c.left > 0) write_edge(starts_[h], c.first, c.left + together - 1, left);
    if (c.right > 0) write_edge(starts_[h], column + c.body, c.right + together - 1, right);
    return {left, body, right};
  }

  void write_edge(const uint8_t* start, int64_t first, int64_t count, uint8_t* out) const {
    for (int64_t i = 0; i < count; i++, out += pixel_) {
      const int64_t column = first + i - g_.padding.w;
      if (column < 0 || column >= g_.input.w) {
        std::memset(out, op_.x_zero, static_cast<size_t>(pixel_));
      } else {
        std::memcpy(out, start + (column - begin_) * pixel_, static_cast<size_t>(pixel_));
      }
    }
  }

  const BoundQuantized& op_;
  const ConvGeometry& g_;
  const std::span<const uint8_t> x_;
  const int64_t pixel_;  // bytes
  const int64_t block_;
  bool copies_all_;
  int64_t copy_bytes_;
  int64_t edge_bytes_;      // both edges of a line
  DepthwiseLine* lines_;    // [height]
  const uint8_t** starts_;  // [height] the first column of the image that the strip reads; null in padding
  int64_t begin_ = 0;       // that column
  uint8_t* padding_;        // [copy_bytes]
  uint8_t* copies_ = nullptr;
  uint8_t* edges_ = nullptr;  // [height][edge_bytes]
};

}  // namespace

bool takes_lines(const BoundQuantized& op, const ConvGeometry& g) {
  const PackedQuantized& p = *op.packed;
  const bool codes = op.scalars.kind == OutputKind::kU8 || op.scalars.kind == OutputKind::kS8;
  if (p.method != Method::kDepthwise || p.depthwise->run_square == nullptr || !codes || p.zero_points.data() != nullptr)
    return false;
  if (!is_square(g.kernel) || g.dilation.w != 1 || g.stride.w * pixels_together(p, g) > 2) return false;
  return g.padding.w < g.kernel.w && padding_behind(g) < g.kernel.w && g.input.w * g.in_channels > 0;
}

Status run_square_depthwise(const BoundQuantized& op, std::span<const uint8_t> x, uint8_t* y, const ConvGeometry& g) {
  const int64_t results = g.batch * g.output.count() * g.out_channels;
  const bool threads = worth_threads({results * g.kernel.count(), results}, op.packed->depthwise->macs_per_ns);
  const StripPlan plan = plan_strips(g, g.out_channels, threads);
  return for_strips(plan, threads, [&](int64_t begin, int64_t end) {
    Lines lines(op, g, x, plan);
    if (!lines.allocated()) {
      return false;
    }
    for (int64_t i = begin; i < end; i++) {
      const Strip s = strip_at(g, plan, i, g.out_channels);
      const int64_t together = pixels_together(*op.packed, g);
      const int64_t whole = s.columns / together * together;
      lines.find(s);
      if (whole > 0) lines.run(s, 0, whole, together, y);
      if (whole < s.columns) lines.run(s, whole, s.columns - whole, 1, y);
    }
    return true;
  });
}

}  // namespace int8

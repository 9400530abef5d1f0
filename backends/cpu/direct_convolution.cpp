#include "fovea/backends/cpu/direct_convolution.h"

#include <algorithm>
#include <numeric>

#include "fovea/backends/cpu/convolution_products.h"
#include "fovea/backends/cpu/direct_convolution_kernels.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/threads.h"
#include "fovea/backends/cpu/tile_product.h"
#include "fovea/backends/round_up.h"

namespace fovea::cpu {
namespace {

constexpr int64_t cached = int64_t{1} << 16;  // floats of a picture at a time

// [images, channels, height, width], as one picture of all their rows where a kernel is one row high: rows are short then,
// mostly (texts), and a tile takes several.
struct Pictures {
  float* data;
  int64_t channels, height, width;
  int64_t count, rows;  // pictures, and the rows of each

  float* row(int64_t image, int64_t channel, int64_t r) const {
    if (r >= height) {
      image += r / height;
      r %= height;
    }
    return data + ((image * channels + channel) * height + r) * width;
  }
  /// How many rows from r on lie evenly apart, and how far.
  int64_t run(int64_t r) const { return height == 1 ? rows - r : height - (r < height ? r : r % height); }
  int64_t distance() const { return height == 1 ? channels * width : width; }
};

// How a picture is laid out for a convolution: rows `pitch` apart. By steps of one a row has zeros behind it, which are also
// those before the next. By others the picture, with zeros around it, falls into phases, each of the rows and columns that are
// a step apart; then what a tap reads at neighbouring positions are neighbours in one of them.
struct Layout {
  int64_t kernel[2], dilation[2], padding[2], stride[2];
  int64_t width, positions, pitch;
  // Taps read phases in turn, `period` of them: tap k phase k % period, which begins at (k * dilation) % stride.
  int64_t period[2];
  // What a phase's rows hold: zeros, then columns of the picture from `first` on.
  struct PhaseColumns {
    int64_t zeros, first, count;
  };
  Scratch<int64_t> tops;  // the picture's row that a phase begins with, for the first row of results
  Scratch<PhaseColumns> columns;

  Layout(const int64_t (&kernel_size)[2], const WindowSteps& steps, int64_t source_width, int64_t result_width)
      : kernel{kernel_size[0], kernel_size[1]},
        dilation{steps.dilation[0], steps.dilation[1]},
        padding{steps.padding[0], steps.padding[1]},
        stride{steps.stride[0], steps.stride[1]},
        width(source_width),
        positions(result_width),
        period{stride[0] / std::gcd(stride[0], dilation[0]), stride[1] / std::gcd(stride[1], dilation[1])},
        tops(phases(0)),
        columns(phases(1)) {
    if (strided()) {
      pitch = std::max(divide_up(padding[1] + width, stride[1]), positions + (kernel[1] - 1) * dilation[1] / stride[1]);
    } else {
      const int64_t behind = positions + (kernel[1] - 1) * dilation[1] - padding[1] - width;
      pitch = std::max(width + std::max({padding[1], behind, int64_t{0}}), positions);
    }
    for (int64_t i = 0; i < phases(0); ++i) tops[i] = i * dilation[0] % stride[0] - padding[0];
    for (int64_t j = 0; j < phases(1); ++j) columns[j] = columns_of(j);
  }

  bool strided() const { return stride[0] != 1 || stride[1] != 1; }
  int64_t before() const { return strided() ? 0 : std::max<int64_t>(padding[1], 0); }
  int64_t taps() const { return kernel[0] * kernel[1]; }
  int64_t rows_read(int64_t rows) const { return rows + (kernel[0] - 1) * dilation[0] / stride[0]; }
  /// Of a phase of a channel.
  int64_t plane(int64_t rows) const { return rows_read(rows) * pitch; }
  int64_t phases(int axis) const { return std::min(kernel[axis], period[axis]); }
  int64_t phases() const { return phases(0) * phases(1); }

 private:
  PhaseColumns columns_of(int64_t phase) const {
    if (!strided()) return {0, 0, width};
    const int64_t step = stride[1], begins = phase * dilation[1] % step;
    const int64_t zeros = divide_up(std::max<int64_t>(padding[1] - begins, 0), step);
    const int64_t first = begins + zeros * step - padding[1];
    return {zeros, first, divide_up(std::max<int64_t>(width - first, 0), step)};
  }
};

// Where each tap of each channel reads from the first position on, in a picture that is laid out for so many rows of results.
Scratch<int64_t> tap_shifts(const Layout& layout, int64_t channels, int64_t rows) {
  const int64_t taps = layout.taps(), plane = layout.plane(rows);
  Scratch<int64_t> shifts(channels * taps);
  int64_t* shift = shifts.data();
  for (int64_t p = 0; p < layout.kernel[0]; ++p) {
    for (int64_t q = 0; q < layout.kernel[1]; ++q) {
      const int64_t phase = p % layout.period[0] * layout.phases(1) + q % layout.period[1];
      const int64_t row = p * layout.dilation[0] / layout.stride[0];
      const int64_t column = q * layout.dilation[1] / layout.stride[1] - (layout.strided() ? 0 : layout.padding[1]);
      *shift++ = phase * plane + row * layout.pitch + column;
    }
  }
  for (int64_t i = taps; i < channels * taps; ++i) shifts[i] = shifts[i - taps] + layout.phases() * plane;
  return shifts;
}

// What some rows of results read of some channels of a picture, laid out.
class LaidOut {
 public:
  LaidOut(const Layout& layout, int64_t most_channels, int64_t most_rows)
      : layout_(layout), plane_(layout.plane(most_rows)) {
    const int64_t size = layout.before() + most_channels * layout.phases() * plane_ + shifted_slack;
    room_ = Scratch<float>(size);
    std::fill_n(room_.data(), size, 0.0f);  // the zeros between rows stay where they are from one picture to the next
  }

  // For `rows` rows of results from `first` on.
  void take(const Pictures& from, int64_t image, int64_t channel, int64_t channels, int64_t first, int64_t rows) {
    float* to = room_.data() + layout_.before();
    for (int64_t c = channel; c < channel + channels; ++c) {
      for (int64_t i = 0; i < layout_.phases(0); ++i) {
        for (int64_t j = 0; j < layout_.phases(1); ++j, to += plane_)
          take_phase(from, image, c, first * layout_.stride[0] + layout_.tops[i], layout_.rows_read(rows),
                     layout_.columns[j], to);
      }
    }
  }

  const float* start() const { return room_.data() + layout_.before(); }

 private:
  // `count` rows of the picture from row `top` on, as far apart as the steps are.
  void take_phase(const Pictures& from, int64_t image, int64_t c, int64_t top, int64_t count,
                  const Layout::PhaseColumns& columns, float* to) const {
    const int64_t step = layout_.stride[0], end = top + count * step;
    to += columns.zeros;
    for (int64_t r = top; r < end;) {
      if (r < 0 || r >= from.rows) {
        std::fill_n(to, columns.count, 0.0f);
        r += step;
        to += layout_.pitch;
        continue;
      }
      const int64_t rows = divide_up(std::min(from.run(r), end - r), step);
      copy_spaced_rows(
          {from.row(image, c, r) + columns.first, step * from.distance(), rows, columns.count, layout_.stride[1]}, to,
          layout_.pitch);
      r += rows * step;
      to += rows * layout_.pitch;
    }
  }

  const Layout& layout_;
  int64_t plane_;
  Scratch<float> room_;
};

class DirectConvolution {
 public:
  explicit DirectConvolution(const ConvolutionCall& call)
      : steps_(call.steps),
        groups_(call.groups),
        in_(call.weight.shape[1]),
        out_(call.weight.shape[0] / call.groups),
        kernel_{call.weight.shape[2], call.weight.shape[3]},
        is_flat_(kernel_[0] == 1 && steps_.stride[0] == 1 && steps_.padding[0] == 0 &&
                 call.x.shape[2] == call.y.shape[2]),
        x_(pictures(call.x)),
        y_(pictures(call.y)),
        weight_(call.weight.data<float>()),
        bias_(call.bias ? call.bias->data<float>() : nullptr) {}

  void output() const {
    const Layout layout(kernel_, steps_, x_.width, y_.width);
    const int64_t depth = in_ * layout.taps(), stride = weight_row(depth);
    if (stride == depth) return correlate(layout, x_, in_, y_, out_, weight_, stride, bias_);
    const Scratch<float> weight(groups_ * out_ * stride);
    for (int64_t o = 0; o < groups_ * out_; ++o) std::copy_n(weight_ + o * depth, depth, weight.data() + o * stride);
    correlate(layout, x_, in_, y_, out_, weight.data(), stride, bias_);
  }

  // The same of y, with the kernel turned around.
  void input() const {
    WindowSteps turned_steps = steps_;
    for (int axis = 0; axis < 2; ++axis) {
      turned_steps.padding[axis] = (kernel_[axis] - 1) * steps_.dilation[axis] - steps_.padding[axis];
    }
    const Layout layout(kernel_, turned_steps, y_.width, x_.width);
    const int64_t taps = layout.taps(), depth = out_ * taps, stride = weight_row(depth);
    const Scratch<float> turned(groups_ * in_ * stride);
    parallel_for(groups_ * in_, items_per_chunk(depth), [&](int64_t begin, int64_t end) {
      for (int64_t item = begin; item < end; ++item) {
        float* to = turned.data() + item * stride;
        const float* from = weight_ + (item / in_ * out_ * in_ + item % in_) * taps;
        for (int64_t o = 0; o < out_; ++o) {
          for (int64_t tap = 0; tap < taps; ++tap) to[o * taps + tap] = from[o * in_ * taps + taps - 1 - tap];
        }
      }
    });
    correlate(layout, y_, out_, x_, in_, turned.data(), stride, nullptr);
  }

  void weight() const {
    const Layout layout(kernel_, steps_, x_.width, y_.width);
    // Channels in blocks and, where these are few, rows of results in segments, whose sums are added in order.
    const int64_t channels = std::clamp<int64_t>(288 / layout.taps(), 1, in_), blocks = divide_up(in_, channels);
    const int64_t width = round_up(out_, vector_lanes()), depth = in_ * layout.taps();
    const int64_t rows =
        rows_of_block(std::max(channels * layout.phases(), width) * layout.pitch, layout.pitch, y_.rows);
    const int64_t row_blocks = divide_up(y_.rows, rows), all_rows = x_.count * row_blocks;
    const int64_t wanted = std::clamp<int64_t>(divide_up(16, groups_ * blocks), 1, all_rows);
    const int64_t per_segment = divide_up(all_rows, wanted), segments = divide_up(all_rows, per_segment);
    const int64_t size = groups_ * depth * width;
    const Scratch<float> sums(segments * size);
    const Scratch<int64_t> shifts = tap_shifts(layout, channels, rows);
    const int64_t work = out_ * channels * layout.taps() * rows * y_.width * per_segment;
    parallel_for(groups_ * blocks * segments, items_per_chunk(work), [&](int64_t begin, int64_t end) {
      LaidOut picture(layout, channels, rows);
      const Scratch<float> panels(width * rows * y_.width);
      const Scratch<float*> y_rows(rows);
      for (int64_t item = begin; item < end; ++item) {
        const int64_t group = item % groups_, channel = item / groups_ % blocks * channels;
        const int64_t segment = item / (groups_ * blocks), count = std::min(channels, in_ - channel);
        float* sum = sums.data() + segment * size + (group * depth + channel * layout.taps()) * width;
        for (int64_t i = segment * per_segment; i < std::min(all_rows, (segment + 1) * per_segment); ++i) {
          const int64_t image = i / row_blocks, first = i % row_blocks * rows, here = std::min(rows, y_.rows - first);
          picture.take(x_, image, group * in_ + channel, count, first, here);
          pack_picture(rows_of(y_, image, group * out_, first, here, layout.pitch, y_rows), out_, panels.data());
          add_shifted_products({.picture = picture.start(),
                                .shifts = shifts.data(),
                                .m = count * layout.taps(),
                                .panels = panels.data(),
                                .channels = out_,
                                .positions = here * y_.width,
                                .width = y_.width,
                                .pitch = layout.pitch,
                                .sums = sum,
                                .sums_row = width,
                                .adds = i > segment * per_segment});
        }
      }
    });
    add_and_turn(sums.data(), segments, depth, width);
  }

 private:
  // How far apart rows of weights are to lie: a multiple of a page apart they would share a few places of the first-level cache.
  static int64_t weight_row(int64_t depth) { return depth % 1024 == 0 ? depth + 16 : depth; }

  Pictures pictures(const View& view) const {
    const int64_t images = view.shape[0], height = view.shape[2];
    return {view.data<float>(), view.shape[1],         height,
            view.shape[3],      is_flat_ ? 1 : images, is_flat_ ? images * height : height};
  }

  // Of rows that take so many floats each: what a cache holds, and enough blocks for several threads as long as each has
  // positions for several tiles.
  int64_t rows_of_block(int64_t row, int64_t pitch, int64_t height) const {
    const int64_t for_threads = std::max(divide_up(height * x_.count * groups_, 16), divide_up(int64_t{384}, pitch));
    return std::clamp<int64_t>(std::min(cached / std::max<int64_t>(row, 1), for_threads), 1, height);
  }

  static PictureRows rows_of(const Pictures& pictures, int64_t image, int64_t channel, int64_t first, int64_t count,
                             int64_t pitch, const Scratch<float*>& rows) {
    for (int64_t r = 0; r < count; ++r) rows[r] = pictures.row(image, channel, first + r);
    return {rows.data(), pictures.height * pictures.width, count, pictures.width, pitch};
  }

  // `to` with m channels a group from `from` with n, by weight [m, n taps] of each group, rows `weight_row` apart.
  void correlate(const Layout& layout, const Pictures& from, int64_t n, const Pictures& to, int64_t m,
                 const float* weight, int64_t weight_row, const float* bias) const {
    const int64_t rows = rows_of_block(n * layout.phases() * layout.pitch, layout.pitch, to.rows),
                  blocks = divide_up(to.rows, rows);
    const int64_t depth = n * layout.taps(), pictures = x_.count * groups_ * blocks;
    // Where pictures are few, threads share their channels; each lays the picture out for itself.
    const int64_t wanted = std::clamp<int64_t>(divide_up(16, pictures), 1, divide_up(m, 16));
    const int64_t channels = divide_up(m, wanted * 8) * 8, parts = divide_up(m, channels);
    const Scratch<int64_t> shifts = tap_shifts(layout, n, rows);
    const int64_t work = channels * depth * rows * to.width;
    parallel_for(pictures * parts, items_per_chunk(work), [&](int64_t begin, int64_t end) {
      LaidOut picture(layout, n, rows);
      const Scratch<float*> to_rows(rows);
      for (int64_t item = begin; item < end; ++item) {
        const int64_t first = item / parts % blocks * rows, group = item / parts / blocks % groups_;
        const int64_t image = item / parts / blocks / groups_, channel = group * m + item % parts * channels;
        const int64_t here = std::min(rows, to.rows - first);
        if (item == begin || item % parts == 0) picture.take(from, image, group * n, n, first, here);
        multiply_shifted({.picture = picture.start(),
                          .shifts = shifts.data(),
                          .depth = depth,
                          .m = std::min(channels, (group + 1) * m - channel),
                          .weight = weight + channel * weight_row,
                          .weight_row = weight_row,
                          .bias = bias ? bias + channel : nullptr,
                          .y = rows_of(to, image, channel, first, here, layout.pitch, to_rows)});
      }
    });
  }

  // weight [out, depth] from sums [segments, depth, width] of each group.
  void add_and_turn(float* sums, int64_t segments, int64_t depth, int64_t width) const {
    constexpr int64_t chunk = 64;
    const int64_t size = groups_ * depth * width, chunks = divide_up(depth, chunk);
    parallel_for(groups_ * chunks, items_per_chunk(segments * chunk * width * 4), [&](int64_t begin, int64_t end) {
      for (int64_t item = begin; item < end; ++item) {
        const int64_t group = item / chunks, first = item % chunks * chunk, last = std::min(depth, first + chunk);
        float* sum = sums + (group * depth + first) * width;
        for (int64_t segment = 1; segment < segments; ++segment) {
          for (int64_t i = 0; i < (last - first) * width; ++i) sum[i] += sum[segment * size + i];
        }
        for (int64_t o = 0; o < out_; ++o) {
          float* to = weight_ + (group * out_ + o) * depth;
          for (int64_t k = first; k < last; ++k) to[k] = sum[(k - first) * width + o];
        }
      }
    });
  }

  WindowSteps steps_;
  int64_t groups_, in_, out_, kernel_[2];
  bool is_flat_;
  Pictures x_, y_;
  float* weight_;
  const float* bias_;
};

}  // namespace

bool takes_direct_convolution(const ConvolutionCall& call) {
  using Product = ConvolutionCall::Product;
  const WindowSteps& s = call.steps;
  const Shape &x = call.x.shape, &weight = call.weight.shape, &y = call.y.shape;
  const int64_t in = weight[1], out = weight[0] / call.groups, taps = weight[2] * weight[3];
  const bool strided = s.stride[0] != 1 || s.stride[1] != 1;
  if (call.x.dtype != DType::f32 || call.bf16_operands) return false;
  if (x.numel() == 0 || y.numel() == 0 || weight.numel() == 0 || !has_tile_product()) return false;
  // Where every element is read once at the most, a kernel of one tap or patches, columns cost no more than a layout.
  if (taps <= s.stride[0] * s.stride[1] || is_depthwise(call)) return false;
  // A single channel of results keeps too few sums in flight.
  if (call.product == Product::x) return !strided && (in > 1 || out == 1);
  // With few outputs most of a vector of them would be zeros, and turning the sums takes as long as a few hundred positions.
  return call.product == Product::y || (out >= 8 && y[0] * y[2] * y[3] >= 256);
}

void direct_convolution(const ConvolutionCall& call) { compute_product(call, DirectConvolution(call)); }

}  // namespace fovea::cpu

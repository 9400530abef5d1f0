#include "fovea/backends/cpu/direct_convolution.h"

#include <algorithm>
#include <type_traits>

#include "fovea/backends/cpu/convolution_products.h"
#include "fovea/backends/cpu/direct_convolution_kernels.h"
#include "fovea/backends/cpu/picture_layout.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/threads.h"
#include "fovea/backends/cpu/tile_product.h"
#include "fovea/backends/round_up.h"

namespace fovea::cpu {
namespace {

constexpr int64_t cached = int64_t{1} << 16;  // floats of a picture at a time

// With `bf16` operands are rounded to bf16, two of which make a word: two channels where results are sums over channels, two
// positions where they are sums over positions.
template <bool bf16>
class DirectConvolution : PictureConvolution {
  using Word = std::conditional_t<bf16, Bf16Pair, float>;
  using Element = std::conditional_t<bf16, BFloat16, float>;

 public:
  explicit DirectConvolution(const ConvolutionCall& call) : PictureConvolution(call) {}

  void output() const {
    const PictureLayout layout(kernel_, steps_, x_.width, y_.width);
    const int64_t taps = layout.taps(), depth = planes(in_) * taps, stride = weight_row(depth);
    if constexpr (!bf16) {
      if (stride == depth) return correlate(layout, x_, in_, y_, out_, weight_, stride, bias_);
    }
    const Scratch<Word> weight = packed_weight(
        out_, in_, taps, stride,
        [&](int64_t item, int64_t channel, int64_t tap) { return weight_[(item * in_ + channel) * taps + tap]; });
    correlate(layout, x_, in_, y_, out_, weight.data(), stride, bias_);
  }

  // The same of y, with the kernel turned around.
  void input() const {
    const PictureLayout layout(kernel_, turned_steps(), y_.width, x_.width);
    const int64_t taps = layout.taps(), stride = weight_row(planes(out_) * taps);
    const Scratch<Word> turned = packed_weight(in_, out_, taps, stride, [&](int64_t item, int64_t o, int64_t tap) {
      return weight_[((item / in_ * out_ + o) * in_ + item % in_) * taps + taps - 1 - tap];
    });
    correlate(layout, y_, out_, x_, in_, turned.data(), stride, nullptr);
  }

  void weight() const {
    const PictureLayout layout(kernel_, steps_, x_.width, y_.width);
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
      LaidOut<Element> picture(layout, channels, rows);
      const Scratch<Word> panels(width * rows * y_.width);
      const Scratch<float*> y_rows(rows);
      for (int64_t item = begin; item < end; ++item) {
        const int64_t group = item % groups_, channel = item / groups_ % blocks * channels;
        const int64_t segment = item / (groups_ * blocks), count = std::min(channels, in_ - channel);
        float* sum = sums.data() + segment * size + (group * depth + channel * layout.taps()) * width;
        for (int64_t i = segment * per_segment; i < std::min(all_rows, (segment + 1) * per_segment); ++i) {
          const int64_t image = i / row_blocks, first = i % row_blocks * rows, here = std::min(rows, y_.rows - first);
          picture.take(x_, image, group * in_ + channel, count, first, here);
          pack_picture(rows_of(y_, image, group * out_, first, here, layout.pitch, y_rows), out_, panels.data());
          add_shifted_products(ShiftedSums<Element, Word>{.picture = picture.start(),
                                                          .shifts = shifts.data(),
                                                          .m = count * layout.taps(),
                                                          .panels = panels.data(),
                                                          .channels = out_,
                                                          .rows = here,
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
  // How far apart rows of weights are to lie: a multiple of a page apart they would share a few places of the first-level
  // cache.
  static int64_t weight_row(int64_t depth) { return depth % 1024 == 0 ? depth + 16 : depth; }

  static int64_t planes(int64_t channels) { return divide_up(channels, channels_per_word<Word>); }

  // Rows of m channels of results of each group, `stride` apart: for each plane of the n channels that they read the words of
  // all taps. at(item, channel, tap) tells the weights.
  template <class At>
  Scratch<Word> packed_weight(int64_t m, int64_t n, int64_t taps, int64_t stride, At at) const {
    Scratch<Word> packed(groups_ * m * stride);
    parallel_for(groups_ * m, items_per_chunk(n * taps), [&](int64_t begin, int64_t end) {
      for (int64_t item = begin; item < end; ++item) {
        Word* to = packed.data() + item * stride;
        for (int64_t channel = 0; channel < n; channel += channels_per_word<Word>) {
          for (int64_t tap = 0; tap < taps; ++tap) {
            const float first = at(item, channel, tap);
            if constexpr (bf16) {
              *to++ = bf16_pair(first, channel + 1 < n ? at(item, channel + 1, tap) : 0);
            } else {
              *to++ = first;
            }
          }
        }
      }
    });
    return packed;
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
  void correlate(const PictureLayout& layout, const Pictures& from, int64_t n, const Pictures& to, int64_t m,
                 const Word* weight, int64_t weight_row, const float* bias) const {
    const int64_t rows = rows_of_block(planes(n) * layout.phases() * layout.pitch, layout.pitch, to.rows),
                  blocks = divide_up(to.rows, rows);
    const int64_t depth = planes(n) * layout.taps(), pictures = x_.count * groups_ * blocks;
    // Where pictures are few, threads share their channels; each lays the picture out for itself.
    const int64_t wanted = std::clamp<int64_t>(divide_up(16, pictures), 1, divide_up(m, 16));
    const int64_t channels = divide_up(m, wanted * 8) * 8, parts = divide_up(m, channels);
    const Scratch<int64_t> shifts = tap_shifts(layout, planes(n), rows);
    const int64_t work = channels * depth * rows * to.width;
    parallel_for(pictures * parts, items_per_chunk(work), [&](int64_t begin, int64_t end) {
      LaidOut<Word> picture(layout, planes(n), rows);
      const Scratch<float*> to_rows(rows);
      for (int64_t item = begin; item < end; ++item) {
        const int64_t first = item / parts % blocks * rows, group = item / parts / blocks % groups_;
        const int64_t image = item / parts / blocks / groups_, channel = group * m + item % parts * channels;
        const int64_t here = std::min(rows, to.rows - first);
        if (item == begin || item % parts == 0) picture.take(from, image, group * n, n, first, here);
        multiply_shifted(ShiftedProduct<Word>{.picture = picture.start(),
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
};

}  // namespace

bool takes_direct_convolution(const ConvolutionCall& call) {
  using Product = ConvolutionCall::Product;
  const WindowSteps& s = call.steps;
  const Shape &x = call.x.shape, &weight = call.weight.shape, &y = call.y.shape;
  const int64_t in = weight[1], out = weight[0] / call.groups, taps = weight[2] * weight[3];
  const bool strided = s.stride[0] != 1 || s.stride[1] != 1;
  if (call.x.dtype != DType::f32 || (call.bf16_operands && !multiplies_bf16_pairs())) return false;
  if (x.numel() == 0 || y.numel() == 0 || weight.numel() == 0 || !has_tile_product()) return false;
  // Where every element is read once at the most, a kernel of one tap or patches, columns cost no more than a layout.
  if (taps <= s.stride[0] * s.stride[1] || is_depthwise(call)) return false;
  // A single channel of results keeps too few sums in flight.
  if (call.product == Product::x) return !strided && (in > 1 || out == 1);
  // With few outputs most of a vector of them would be zeros, and turning the sums takes as long as a few hundred positions.
  return call.product == Product::y || (out >= 8 && y[0] * y[2] * y[3] >= 256);
}

void direct_convolution(const ConvolutionCall& call) {
  if (call.bf16_operands) return compute_product(call, DirectConvolution<true>(call));
  compute_product(call, DirectConvolution<false>(call));
}

}  // namespace fovea::cpu

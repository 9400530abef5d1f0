#pragma once

#include <algorithm>
#include <numeric>
#include <type_traits>

#include "fovea/backends/cpu/convolution_products.h"
#include "fovea/backends/cpu/direct_convolution_kernels.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/spaced_rows.h"
#include "fovea/backends/cpu/threads.h"
#include "fovea/backends/kernel_calls.h"
#include "fovea/backends/round_up.h"

namespace fovea::cpu {

/// [images, channels, height, width], as one picture of all their rows where a kernel is one row high: rows are short then,
/// mostly (texts), and a tile takes several.
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

/// How a picture is laid out for a convolution: rows `pitch` apart. By steps of one a row has zeros behind it, which are also
/// those before the next. By others the picture, with zeros around it, falls into phases, each of the rows and columns that are
/// a step apart; then what a tap reads at neighbouring positions are neighbours in one of them.
struct PictureLayout {
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

  PictureLayout(const int64_t (&kernel_size)[2], const WindowSteps& steps, int64_t source_width, int64_t result_width)
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

/// Where each tap of each plane reads from the first position on, in a picture that is laid out for so many rows of results.
inline Scratch<int64_t> tap_shifts(const PictureLayout& layout, int64_t planes, int64_t rows) {
  const int64_t taps = layout.taps(), plane = layout.plane(rows);
  Scratch<int64_t> shifts(planes * taps);
  int64_t* shift = shifts.data();
  for (int64_t p = 0; p < layout.kernel[0]; ++p) {
    for (int64_t q = 0; q < layout.kernel[1]; ++q) {
      const int64_t phase = p % layout.period[0] * layout.phases(1) + q % layout.period[1];
      const int64_t row = p * layout.dilation[0] / layout.stride[0];
      const int64_t column = q * layout.dilation[1] / layout.stride[1] - (layout.strided() ? 0 : layout.padding[1]);
      *shift++ = phase * plane + row * layout.pitch + column;
    }
  }
  for (int64_t i = taps; i < planes * taps; ++i) shifts[i] = shifts[i - taps] + layout.phases() * plane;
  return shifts;
}

/// How many channels a word of a picture holds: each two are a plane of Bf16Pair.
template <class Word>
inline constexpr int64_t channels_per_word = std::is_same_v<Word, Bf16Pair> ? 2 : 1;

/// What some rows of results read of some channels of a picture, laid out in planes of float, BFloat16 or Bf16Pair.
template <class Word>
class LaidOut {
 public:
  LaidOut(const PictureLayout& layout, int64_t most_planes, int64_t most_rows)
      : layout_(layout), plane_(layout.plane(most_rows)) {
    const int64_t size = layout.before() + most_planes * layout.phases() * plane_ + shifted_slack;
    room_ = Scratch<Word>(size);
    std::fill_n(room_.data(), size, Word{});  // the zeros between rows stay where they are from one picture to the next
  }

  /// For `rows` rows of results from `first` on.
  void take(const Pictures& from, int64_t image, int64_t channel, int64_t channels, int64_t first, int64_t rows) {
    Word* to = room_.data() + layout_.before();
    for (int64_t c = channel; c < channel + channels; c += channels_per_word<Word>) {
      const bool alone = c + 1 == channel + channels;
      for (int64_t i = 0; i < layout_.phases(0); ++i) {
        for (int64_t j = 0; j < layout_.phases(1); ++j, to += plane_)
          take_phase(from, image, c, alone, first * layout_.stride[0] + layout_.tops[i], layout_.rows_read(rows),
                     layout_.columns[j], to);
      }
    }
  }

  const Word* start() const { return room_.data() + layout_.before(); }

 private:
  // `count` rows of the picture from row `top` on, as far apart as the steps are; `alone`: without the channel behind c.
  void take_phase(const Pictures& from, int64_t image, int64_t c, bool alone, int64_t top, int64_t count,
                  const PictureLayout::PhaseColumns& columns, Word* to) const {
    const int64_t step = layout_.stride[0], end = top + count * step;
    to += columns.zeros;
    for (int64_t r = top; r < end;) {
      if (r < 0 || r >= from.rows) {
        std::fill_n(to, columns.count, Word{});
        r += step;
        to += layout_.pitch;
        continue;
      }
      const int64_t rows = divide_up(std::min(from.run(r), end - r), step);
      const SpacedRows read{from.row(image, c, r) + columns.first, step * from.distance(), rows, columns.count,
                            layout_.stride[1]};
      if constexpr (channels_per_word<Word> == 2) {
        copy_spaced_rows(read, alone ? nullptr : read.data + from.height * from.width, to, layout_.pitch);
      } else {
        copy_spaced_rows(read, to, layout_.pitch);
      }
      r += rows * step;
      to += rows * layout_.pitch;
    }
  }

  const PictureLayout& layout_;
  int64_t plane_;
  Scratch<Word> room_;
};

/// What a convolution reads and writes as pictures; in_ and out_ are channels of a group.
struct PictureConvolution {
  explicit PictureConvolution(const ConvolutionCall& call)
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

  /// By which the gradient of x is a convolution of y with the kernel turned around.
  WindowSteps turned_steps() const {
    WindowSteps turned = steps_;
    for (int axis = 0; axis < 2; ++axis)
      turned.padding[axis] = (kernel_[axis] - 1) * steps_.dilation[axis] - steps_.padding[axis];
    return turned;
  }

  /// weight from sums [segments][groups][rows][width], of whose rows the first belong to the channels' taps.
  void add_and_turn(float* sums, int64_t segments, int64_t rows, int64_t width) const {
    constexpr int64_t chunk = 64;
    const int64_t depth = in_ * kernel_[0] * kernel_[1], chunks = divide_up(depth, chunk);
    parallel_for(groups_ * chunks, items_per_chunk(segments * chunk * width * 4), [&](int64_t begin, int64_t end) {
      for (int64_t item = begin; item < end; ++item) {
        const int64_t group = item / chunks, first = item % chunks * chunk, last = std::min(depth, first + chunk);
        float* sum = sums + (group * rows + first) * width;
        for (int64_t segment = 1; segment < segments; ++segment) {
          for (int64_t i = 0; i < (last - first) * width; ++i) sum[i] += sum[segment * groups_ * rows * width + i];
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

 private:
  Pictures pictures(const View& view) const {
    const int64_t images = view.shape[0], height = view.shape[2];
    return {view.data<float>(), view.shape[1],         height,
            view.shape[3],      is_flat_ ? 1 : images, is_flat_ ? images * height : height};
  }
};

}  // namespace fovea::cpu

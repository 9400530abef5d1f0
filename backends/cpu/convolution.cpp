#include <algorithm>

#include "fovea/backends/cpu/bf16_product.h"
#include "fovea/backends/cpu/convolution_products.h"
#include "fovea/backends/cpu/depthwise_convolution.h"
#include "fovea/backends/cpu/direct_convolution.h"
#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/short_row.h"
#include "fovea/backends/cpu/threads.h"
#include "fovea/backends/cpu/tile_convolution.h"
#include "fovea/backends/round_up.h"

namespace fovea::cpu {
namespace {

// Convolution by columns: what each tap of the kernel reads at each output position, so that the rest is a matrix
// product. Columns are made for a few rows of one image at a time, small enough to stay in the cache.
template <class T>
class Convolution : ConvolutionArrays<T> {
 public:
  explicit Convolution(const ConvolutionCall& call) : ConvolutionArrays<T>(call), bf16_operands_(call.bf16_operands) {}

  void output() const {
    const int64_t rows = rows_per_block(depth()), blocks = divide_up(out_height_, rows);
    parallel_for(batch_ * groups_ * blocks, items_per_chunk(out_ * depth() * rows * out_width_),
                 [&](int64_t begin, int64_t end) {
                   const Scratch<T> scratch(is_plain() ? 0 : depth() * rows * out_width_);
                   for (int64_t item = begin; item < end; ++item) {
                     const int64_t image = item / blocks, group = image % groups_;
                     const int64_t first = item % blocks * rows, last = std::min(out_height_, first + rows);
                     const int64_t columns = (last - first) * out_width_;
                     T* y = y_plane(image * out_) + first * out_width_;
                     for (int64_t o = 0; o < out_ && bias_; ++o) {
                       std::fill_n(y + o * positions(), columns, bias_[group * out_ + o]);
                     }
                     multiply(out_, columns, depth(), weight_of(group),
                              columns_of(image * in_, in_, first, last, scratch.data()), y, positions(),
                              bias_ != nullptr);
                   }
                 });
  }

  void input() const {
    if (out_ * depth() == 0) {
      std::fill_n(x_, batch_ * groups_ * in_ * height_ * width_, T(0));
      return;
    }
    // Channels in blocks, so that a single image has work for several threads too.
    const int64_t channels = channels_per_block(), blocks = divide_up(in_, channels);
    const int64_t rows = rows_per_block(channels * taps());
    const int64_t work = out_ * channels * taps() * positions();
    parallel_for(batch_ * groups_ * blocks, items_per_chunk(work), [&](int64_t begin, int64_t end) {
      const Scratch<T> scratch(is_plain() ? 0 : channels * taps() * rows * out_width_);
      for (int64_t item = begin; item < end; ++item) {
        const int64_t image = item / blocks, group = image % groups_, channel = item % blocks * channels;
        const int64_t count = std::min(channels, in_ - channel);
        const Matrix<T> weight = weight_of(group).at(0, channel * taps()).transposed();
        T* x = x_plane(image * in_ + channel);
        if (is_plain()) {
          multiply(count, positions(), out_, weight, {y_plane(image * out_), positions(), 1}, x, positions(), false);
          continue;
        }
        std::fill_n(x, count * height_ * width_, T(0));
        for (int64_t first = 0; first < out_height_; first += rows) {
          const int64_t last = std::min(out_height_, first + rows), columns = (last - first) * out_width_;
          const Matrix<T> y{y_plane(image * out_) + first * out_width_, positions(), 1};
          multiply(count * taps(), columns, out_, weight, y, scratch.data(), columns, false);
          add_columns(scratch.data(), count, first, last, x);
        }
      }
    });
  }

  void weight() const {
    if (out_ * depth() == 0) return;
    // Channels in blocks and, where these are few, images in segments, whose sums are added in order.
    const int64_t channels = channels_per_block(), blocks = divide_up(in_, channels);
    const int64_t wanted = std::clamp<int64_t>(16 / (groups_ * blocks), 1, std::max<int64_t>(batch_, 1));
    const int64_t images = std::max<int64_t>(divide_up(batch_, wanted), 1);
    const int64_t segments = std::max<int64_t>(divide_up(batch_, images), 1);
    const int64_t size = groups_ * out_ * depth(), rows = rows_per_block(channels * taps());
    const Scratch<T> partial(segments > 1 ? segments * size : 0);
    const int64_t work = out_ * channels * taps() * positions() * images;
    parallel_for(groups_ * blocks * segments, items_per_chunk(work), [&](int64_t begin, int64_t end) {
      const Scratch<T> scratch(is_plain() ? 0 : channels * taps() * rows * out_width_);
      for (int64_t item = begin; item < end; ++item) {
        const int64_t group = item % groups_, channel = item / groups_ % blocks * channels;
        const int64_t segment = item / (groups_ * blocks), count = std::min(channels, in_ - channel);
        T* sum = (segments > 1 ? partial.data() + segment * size : weight_) + group * out_ * depth() + channel * taps();
        bool started = false;
        for (int64_t b = segment * images; b < std::min(batch_, (segment + 1) * images); ++b) {
          const int64_t image = b * groups_ + group;
          for (int64_t first = 0; first < out_height_; first += rows) {
            const int64_t last = std::min(out_height_, first + rows), columns = (last - first) * out_width_;
            const Matrix<T> y{y_plane(image * out_) + first * out_width_, positions(), 1};
            const Matrix<T> read = columns_of(image * in_ + channel, count, first, last, scratch.data());
            multiply(out_, count * taps(), columns, y, read.transposed(), sum, depth(), started);
            started = true;
          }
        }
        for (int64_t o = 0; o < out_ && !started; ++o) std::fill_n(sum + o * depth(), count * taps(), T(0));
      }
    });
    if (segments == 1) return;
    parallel_for(size, 4096, [&](int64_t begin, int64_t end) {
      std::copy(partial.data() + begin, partial.data() + end, weight_ + begin);
      for (int64_t segment = 1; segment < segments; ++segment) {
        for (int64_t i = begin; i < end; ++i) weight_[i] += partial[segment * size + i];
      }
    });
  }

 private:
  static constexpr int64_t cached = int64_t{1} << 16;  // elements of columns at a time

  int64_t depth() const { return in_ * taps(); }
  Matrix<T> weight_of(int64_t group) const { return {weight_ + group * out_ * depth(), depth(), 1}; }

  int64_t rows_per_block(int64_t rows_of_columns) const {
    return std::clamp<int64_t>(cached / std::max<int64_t>(rows_of_columns * out_width_, 1), 1, out_height_);
  }
  int64_t channels_per_block() const { return std::clamp<int64_t>(288 / taps(), 1, in_); }

  void multiply(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, T* c, int64_t stride,
                bool accumulate) const {
    gemm_or_bf16(bf16_operands_, m, n, k, a, b, c, stride, accumulate);
  }

  // A 1 x 1 kernel reads the image as it is.
  bool is_plain() const {
    return taps() == 1 && steps_.stride[0] == 1 && steps_.stride[1] == 1 && steps_.padding[0] == 0 &&
           steps_.padding[1] == 0;
  }

  // The output positions j, within [0, out_width), whose tap q reads inside the image.
  std::pair<int64_t, int64_t> inside(int64_t q) const {
    const int64_t stride = steps_.stride[1], shift = q * steps_.dilation[1] - steps_.padding[1];
    const int64_t first = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    const int64_t last = width_ - shift <= 0 ? 0 : (width_ - shift + stride - 1) / stride;
    return {std::min(first, out_width_), std::clamp(last, std::min(first, out_width_), out_width_)};
  }
  int64_t source_row(int64_t i, int64_t p) const {
    return i * steps_.stride[0] + p * steps_.dilation[0] - steps_.padding[0];
  }
  int64_t source_column(int64_t j, int64_t q) const {
    return j * steps_.stride[1] + q * steps_.dilation[1] - steps_.padding[1];
  }

  // What the taps of `count` channels from x's plane `plane` on read for output rows [first, last).
  Matrix<T> columns_of(int64_t plane, int64_t count, int64_t first, int64_t last, T* scratch) const {
    if (is_plain()) return {x_plane(plane) + first * width_, height_ * width_, 1};
    const int64_t columns = (last - first) * out_width_, stride = steps_.stride[1];
    T* to = scratch;
    for (int64_t c = 0; c < count; ++c) {
      const T* image = x_plane(plane + c);
      for (int64_t p = 0; p < kernel_height_; ++p) {
        for (int64_t q = 0; q < kernel_width_; ++q) {
          const auto [begin, end] = inside(q);
          for (int64_t i = first; i < last; ++i, to += out_width_) {
            const int64_t row = source_row(i, p);
            if (row < 0 || row >= height_) {
              std::fill_n(to, out_width_, T(0));
              continue;
            }
            std::fill_n(to, begin, T(0));
            std::fill_n(to + end, out_width_ - end, T(0));
            const T* from = image + row * width_ + source_column(0, q);
            copy_short_row(from + begin * stride, stride, end - begin, to + begin);
          }
        }
      }
    }
    return {scratch, columns, 1};
  }

  // The adjoint of columns_of.
  void add_columns(const T* __restrict from, int64_t count, int64_t first, int64_t last, T* __restrict x) const {
    const int64_t stride = steps_.stride[1];
    for (int64_t c = 0; c < count; ++c) {
      for (int64_t p = 0; p < kernel_height_; ++p) {
        for (int64_t q = 0; q < kernel_width_; ++q) {
          const auto [begin, end] = inside(q);
          for (int64_t i = first; i < last; ++i, from += out_width_) {
            const int64_t row = source_row(i, p);
            if (row < 0 || row >= height_) continue;
            T* to = x + (c * height_ + row) * width_ + source_column(0, q);
            if (stride == 1) {
              for (int64_t j = begin; j < end; ++j) to[j] += from[j];
            } else {
              for (int64_t j = begin; j < end; ++j) to[j * stride] += from[j];
            }
          }
        }
      }
    }
  }

  using Arrays = ConvolutionArrays<T>;
  using Arrays::batch_;
  using Arrays::bias_;
  using Arrays::groups_;
  using Arrays::height_;
  using Arrays::in_;
  using Arrays::kernel_height_;
  using Arrays::kernel_width_;
  using Arrays::out_;
  using Arrays::out_height_;
  using Arrays::out_width_;
  using Arrays::positions;
  using Arrays::steps_;
  using Arrays::taps;
  using Arrays::weight_;
  using Arrays::width_;
  using Arrays::x_;
  using Arrays::x_plane;
  using Arrays::y_plane;
  bool bf16_operands_;
};

}  // namespace

void convolution(const ConvolutionCall& call) {
  if (takes_tile_convolution(call) && tile_convolution(call)) return;
  if (takes_direct_convolution(call)) return direct_convolution(call);
  if (call.x.dtype != DType::f32 && call.x.dtype != DType::f64) {
    raise<DTypeError>({}, "convolution: runs in f32 or f64, not {}", call.x.dtype);
  }
  if (is_depthwise(call)) return depthwise_convolution(call);
  if (call.x.dtype == DType::f64) {
    compute_product(call, Convolution<double>(call));
  } else {
    compute_product(call, Convolution<float>(call));
  }
}

}  // namespace fovea::cpu

#include "fovea/backends/cpu/depthwise_convolution.h"

#include <algorithm>

#include "fovea/backends/cpu/convolution_products.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/short_row.h"
#include "fovea/backends/cpu/simd_targets.h"
#include "fovea/backends/cpu/threads.h"
#include "fovea/backends/round_up.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backends/cpu/depthwise_convolution.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "fovea/backends/cpu/math_lanes-inl.h"

#ifndef FOVEA_BACKENDS_CPU_DEPTHWISE_CALLS
#define FOVEA_BACKENDS_CPU_DEPTHWISE_CALLS
namespace fovea::cpu {

/// What taps read of a plane that is laid out with its zeros: the one of tap k at position j of row i stands at from[i * row
/// + offsets[k] + j]. Whole vectors are read.
template <class T>
struct Taps {
  const T* from;
  int64_t row;
  const int64_t* offsets;
  int64_t count;
};

}  // namespace fovea::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// `count` rows from row i on, side by side: their sums do not wait for one another.
template <int count, class T>
HWY_INLINE void CorrelateRows(const Taps<T>& taps, const T* weight, T start, int64_t i, int64_t n, T* to,
                              int64_t stride) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const T* from = taps.from + i * taps.row;
  for (int64_t j = 0; j < n; j += lanes) {
    hn::Vec<decltype(d)> sum[count];
    for (int r = 0; r < count; ++r) sum[r] = hn::Set(d, start);
    for (int64_t k = 0; k < taps.count; ++k) {
      const auto w = hn::Set(d, weight[k]);
      const T* at = from + taps.offsets[k] + j;
      for (int r = 0; r < count; ++r) sum[r] = hn::MulAdd(w, hn::LoadU(d, at + r * taps.row), sum[r]);
    }
    for (int r = 0; r < count; ++r) {
      if (j + lanes <= n) {
        hn::StoreU(sum[r], d, to + r * stride + j);
      } else {
        StoreFirst(d, sum[r], to + r * stride + j, n - j);
      }
    }
  }
}

/// to[i * stride + j] = start + sum over taps of weight * what it reads there, for rows i and j < n.
template <class T>
HWY_INLINE void CorrelateOf(const Taps<T>& taps, const T* weight, T start, int64_t rows, int64_t n, T* to,
                            int64_t stride) {
  constexpr int block = 4;
  int64_t i = 0;
  for (; i + block <= rows; i += block) CorrelateRows<block>(taps, weight, start, i, n, to + i * stride, stride);
  for (; i < rows; ++i) CorrelateRows<1>(taps, weight, start, i, n, to + i * stride, stride);
}

/// sums[k * lanes ...] += vectors of dy * what tap k reads, for `count` taps from k on.
template <int count, class T>
HWY_INLINE void AddProducts(const Taps<T>& taps, int64_t k, const T* dy, int64_t rows, int64_t n, T* sums) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  hn::Vec<decltype(d)> sum[count];
  for (int t = 0; t < count; ++t) sum[t] = hn::LoadU(d, sums + (k + t) * lanes);
  for (int64_t i = 0; i < rows; ++i) {
    const T* from = taps.from + i * taps.row;
    int64_t j = 0;
    for (; j + lanes <= n; j += lanes) {
      const auto g = hn::LoadU(d, dy + i * n + j);
      for (int t = 0; t < count; ++t) sum[t] = hn::MulAdd(g, hn::LoadU(d, from + taps.offsets[k + t] + j), sum[t]);
    }
    if (j == n) continue;
    // What lies behind a row is no zero, and 0 times infinity is none.
    const auto g = LoadFirst(d, dy + i * n + j, n - j);
    for (int t = 0; t < count; ++t) {
      sum[t] = hn::MulAdd(g, LoadFirst(d, from + taps.offsets[k + t] + j, n - j), sum[t]);
    }
  }
  for (int t = 0; t < count; ++t) hn::StoreU(sum[t], d, sums + (k + t) * lanes);
}

/// Products of a plane dy [rows, n] with what every tap reads, added to one vector of sums a tap.
template <class T>
HWY_INLINE void AddProductsOf(const Taps<T>& taps, const T* dy, int64_t rows, int64_t n, T* sums) {
  constexpr int block = 9;
  int64_t k = 0;
  for (; k + block <= taps.count; k += block) AddProducts<block>(taps, k, dy, rows, n, sums);
  for (; k + 3 <= taps.count; k += 3) AddProducts<3>(taps, k, dy, rows, n, sums);
  for (; k < taps.count; ++k) AddProducts<1>(taps, k, dy, rows, n, sums);
}

/// One number of each vector of sums.
template <class T>
HWY_INLINE void AddLanesOf(const T* sums, int64_t count, T* to) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t k = 0; k < count; ++k) to[k] = hn::GetLane(hn::SumOfLanes(d, hn::LoadU(d, sums + k * lanes)));
}

void Correlate32(const Taps<float>& taps, const float* weight, float start, int64_t rows, int64_t n, float* to,
                 int64_t stride) {
  CorrelateOf(taps, weight, start, rows, n, to, stride);
}
void Correlate64(const Taps<double>& taps, const double* weight, double start, int64_t rows, int64_t n, double* to,
                 int64_t stride) {
  CorrelateOf(taps, weight, start, rows, n, to, stride);
}
void AddProducts32(const Taps<float>& taps, const float* dy, int64_t rows, int64_t n, float* sums) {
  AddProductsOf(taps, dy, rows, n, sums);
}
void AddProducts64(const Taps<double>& taps, const double* dy, int64_t rows, int64_t n, double* sums) {
  AddProductsOf(taps, dy, rows, n, sums);
}
void AddLanes32(const float* sums, int64_t count, float* to) { AddLanesOf(sums, count, to); }
void AddLanes64(const double* sums, int64_t count, double* to) { AddLanesOf(sums, count, to); }

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "fovea/backends/cpu/simd.h"

namespace fovea::cpu {
namespace {

FOVEA_VERSIONS(Correlate32);
FOVEA_VERSIONS(Correlate64);
FOVEA_VERSIONS(AddProducts32);
FOVEA_VERSIONS(AddProducts64);
FOVEA_VERSIONS(AddLanes32);
FOVEA_VERSIONS(AddLanes64);

template <class T>
void correlate(const Taps<T>& taps, const T* weight, T start, int64_t rows, int64_t n, T* to, int64_t stride) {
  if constexpr (std::is_same_v<T, float>) {
    FOVEA_DISPATCH(Correlate32)(taps, weight, start, rows, n, to, stride);
  } else {
    FOVEA_DISPATCH(Correlate64)(taps, weight, start, rows, n, to, stride);
  }
}
template <class T>
void add_products(const Taps<T>& taps, const T* dy, int64_t rows, int64_t n, T* sums) {
  if constexpr (std::is_same_v<T, float>) {
    FOVEA_DISPATCH(AddProducts32)(taps, dy, rows, n, sums);
  } else {
    FOVEA_DISPATCH(AddProducts64)(taps, dy, rows, n, sums);
  }
}
template <class T>
void add_lanes(const T* sums, int64_t count, T* to) {
  if constexpr (std::is_same_v<T, float>) {
    FOVEA_DISPATCH(AddLanes32)(sums, count, to);
  } else {
    FOVEA_DISPATCH(AddLanes64)(sums, count, to);
  }
}

/// The most lanes that a vector of T has anywhere.
template <class T>
constexpr int64_t most_lanes = 64 / sizeof(T);

// A plane with the zeros around it falls into stride x stride phases, each of the rows and columns that are a stride apart:
// within a phase a tap reads neighbours at neighbouring positions, whatever the stride.
template <class T>
class Depthwise : ConvolutionArrays<T> {
 public:
  explicit Depthwise(const ConvolutionCall& call) : ConvolutionArrays<T>(call) {
    const int64_t reach[] = {(out_height_ - 1) * steps_.stride[0] + (kernel_height_ - 1) * steps_.dilation[0] + 1,
                             (out_width_ - 1) * steps_.stride[1] + (kernel_width_ - 1) * steps_.dilation[1] + 1};
    rows_ = divide_up(std::max(reach[0], height_ + steps_.padding[0]), steps_.stride[0]);
    pitch_ = divide_up(std::max(reach[1], width_ + steps_.padding[1]), steps_.stride[1]);
  }

  void output() const {
    const Scratch<int64_t> offsets(taps());
    place_taps(offsets.data());
    parallel_for(batch_ * groups_, planes_per_chunk(), [&](int64_t begin, int64_t end) {
      const Scratch<T> room = empty_planes();
      for (int64_t plane = begin; plane < end; ++plane) {
        lay_out(plane, room.data());
        for (int64_t o = plane % groups_ * out_; o < (plane % groups_ + 1) * out_; ++o) {
          correlate<T>({room.data(), pitch_, offsets.data(), taps()}, weight_ + o * taps(), bias_ ? bias_[o] : T(0),
                       out_height_, out_width_, result(plane, o), out_width_);
        }
      }
    });
  }

  // Each phase of x is a correlation of y, with zeros around it, by the taps that read that phase, in turned order.
  void input() const {
    const int64_t above = (kernel_height_ - 1) * steps_.dilation[0] / steps_.stride[0];
    const int64_t before = (kernel_width_ - 1) * steps_.dilation[1] / steps_.stride[1];
    const int64_t row = before + pitch_, plane_size = (above + rows_) * row, all_taps = out_ * taps();
    parallel_for(batch_ * groups_, planes_per_chunk(), [&](int64_t begin, int64_t end) {
      const Scratch<T> room(out_ * plane_size + most_lanes<T>), weights(all_taps), rows(rows_ * pitch_);
      const Scratch<int64_t> offsets(all_taps);
      std::fill_n(room.data(), out_ * plane_size + most_lanes<T>, T(0));
      for (int64_t plane = begin; plane < end; ++plane) {
        for (int64_t o = 0; o < out_; ++o) {
          const T* from = result(plane, plane % groups_ * out_ + o);
          for (int64_t i = 0; i < std::min(out_height_, rows_); ++i) {
            copy_short_row(from + i * out_width_, std::min(out_width_, pitch_),
                           room.data() + o * plane_size + (above + i) * row + before);
          }
        }
        for (int64_t a = 0; a < steps_.stride[0]; ++a) {
          for (int64_t b = 0; b < steps_.stride[1]; ++b) {
            int64_t count = 0;
            each_tap(a, b, [&](int64_t tap, int64_t down, int64_t right) {
              for (int64_t o = 0; o < out_; ++o) {
                weights[count] = weight_[(plane % groups_ * out_ + o) * taps() + tap];
                offsets[count++] = o * plane_size + (above - down) * row + before - right;
              }
            });
            correlate<T>({room.data(), row, offsets.data(), count}, weights.data(), T(0), rows_, pitch_, rows.data(),
                         pitch_);
            put_back(rows.data(), a, b, plane);
          }
        }
      }
    });
  }

  void weight() const {
    const Scratch<int64_t> offsets(taps());
    place_taps(offsets.data());
    parallel_for(groups_, items_per_chunk(batch_ * out_ * positions() * taps()), [&](int64_t begin, int64_t end) {
      const Scratch<T> room = empty_planes(), sums(out_ * taps() * most_lanes<T>);
      for (int64_t group = begin; group < end; ++group) {
        std::fill_n(sums.data(), out_ * taps() * most_lanes<T>, T(0));
        for (int64_t b = 0; b < batch_; ++b) {
          const int64_t plane = b * groups_ + group;
          lay_out(plane, room.data());
          for (int64_t o = 0; o < out_; ++o) {
            add_products<T>({room.data(), pitch_, offsets.data(), taps()}, result(plane, group * out_ + o), out_height_,
                            out_width_, sums.data() + o * taps() * most_lanes<T>);
          }
        }
        for (int64_t o = 0; o < out_; ++o) {
          add_lanes(sums.data() + o * taps() * most_lanes<T>, taps(), weight_ + (group * out_ + o) * taps());
        }
      }
    });
  }

 private:
  int64_t phase_size() const { return rows_ * pitch_; }
  int64_t planes_per_chunk() const { return items_per_chunk(out_ * positions() * taps()); }
  T* result(int64_t plane, int64_t o) const { return y_plane(plane / groups_ * groups_ * out_ + o); }

  Scratch<T> empty_planes() const {
    const int64_t size = steps_.stride[0] * steps_.stride[1] * phase_size() + most_lanes<T>;
    Scratch<T> room(size);
    std::fill_n(room.data(), size, T(0));
    return room;
  }

  // Calls f(tap, rows, columns) for the taps that read a phase, with how far below and behind its position each does.
  template <class F>
  void each_tap(int64_t a, int64_t b, F f) const {
    for (int64_t p = 0; p < kernel_height_; ++p) {
      const int64_t down = p * steps_.dilation[0];
      if (down % steps_.stride[0] != a) continue;
      for (int64_t q = 0; q < kernel_width_; ++q) {
        const int64_t right = q * steps_.dilation[1];
        if (right % steps_.stride[1] == b) {
          f(p * kernel_width_ + q, down / steps_.stride[0], right / steps_.stride[1]);
        }
      }
    }
  }
  void place_taps(int64_t* offsets) const {
    for (int64_t a = 0; a < steps_.stride[0]; ++a) {
      for (int64_t b = 0; b < steps_.stride[1]; ++b) {
        each_tap(a, b, [&](int64_t tap, int64_t down, int64_t right) {
          offsets[tap] = (a * steps_.stride[1] + b) * phase_size() + down * pitch_ + right;
        });
      }
    }
  }

  // Calls f(row of the image, phase of the row, phase of the columns, row within the phase, first column of the image, first
  // of the phase, how many columns) for every row of the image and every phase of the columns.
  template <class F>
  void each_row(F f) const {
    for (int64_t r = 0; r < height_; ++r) {
      const int64_t padded = r + steps_.padding[0];
      for (int64_t b = 0; b < steps_.stride[1]; ++b) {
        // The first column c with c + padding = b, b + stride, ...
        const int64_t skipped = divide_up(std::max<int64_t>(steps_.padding[1] - b, 0), steps_.stride[1]);
        const int64_t first = b + skipped * steps_.stride[1] - steps_.padding[1];
        if (first >= width_) continue;
        f(r, padded % steps_.stride[0], b, padded / steps_.stride[0], first, skipped,
          divide_up(width_ - first, steps_.stride[1]));
      }
    }
  }

  void lay_out(int64_t plane, T* room) const {
    const T* from = x_plane(plane);
    const int64_t stride = steps_.stride[1];
    each_row([&](int64_t r, int64_t a, int64_t b, int64_t row, int64_t first, int64_t skipped, int64_t count) {
      T* to = room + (a * stride + b) * phase_size() + row * pitch_ + skipped;
      copy_short_row(from + r * width_ + first, stride, count, to);
    });
  }

  void put_back(const T* rows, int64_t phase_a, int64_t phase_b, int64_t plane) const {
    T* to = x_plane(plane);
    const int64_t stride = steps_.stride[1];
    each_row([&](int64_t r, int64_t a, int64_t b, int64_t row, int64_t first, int64_t skipped, int64_t count) {
      if (a != phase_a || b != phase_b) return;
      const T* from = rows + row * pitch_ + skipped;
      T* out = to + r * width_ + first;
      if (stride == 1) {
        copy_short_row(from, count, out);
      } else {
        for (int64_t j = 0; j < count; ++j) out[j * stride] = from[j];
      }
    });
  }

  using Arrays = ConvolutionArrays<T>;
  using Arrays::batch_;
  using Arrays::bias_;
  using Arrays::groups_;
  using Arrays::height_;
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
  using Arrays::x_plane;
  using Arrays::y_plane;
  int64_t rows_, pitch_;  // of a phase
};

template <class T>
void run(const ConvolutionCall& call) {
  if (call.y.numel() == 0 || call.weight.numel() == 0) {
    // Nothing is read anywhere.
    if (call.product == ConvolutionCall::Product::x) std::fill_n(call.x.data<T>(), call.x.numel(), T(0));
    if (call.product == ConvolutionCall::Product::weight) std::fill_n(call.weight.data<T>(), call.weight.numel(), T(0));
    return;
  }
  compute_product(call, Depthwise<T>(call));
}

}  // namespace

void depthwise_convolution(const ConvolutionCall& call) {
  if (call.x.dtype == DType::f64) return run<double>(call);
  run<float>(call);
}

}  // namespace fovea::cpu
#endif

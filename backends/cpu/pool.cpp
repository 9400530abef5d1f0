#include <algorithm>
#include <limits>
#include <type_traits>

#include "fovea/backends/cpu/elements.h"
#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/simd_targets.h"
#include "fovea/backends/cpu/threads.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backends/cpu/pool.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef FOVEA_BACKENDS_CPU_POOL_WINDOWS
#define FOVEA_BACKENDS_CPU_POOL_WINDOWS
namespace fovea::cpu {

/// Windows of one row of results: `height` rows of `width` elements, each window `stride` further on, in rows `pitch` apart.
struct Windows {
  const float* x;
  int64_t pitch, height, width, stride;
  int32_t first, row;  // places in the image of x's first element, and how far apart those of two rows are
  int32_t least;       // of the places that a row has
};

/// The columns behind a row's last that greatest_of_windows may read, and results that it may write.
constexpr int64_t most_lanes = 64;

}  // namespace fovea::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// The greatest of each window and its place in the image. NaN is the greatest, the last where there are several; of other
// equals the first wins, and the window's first place within the image where all are -infinity.
template <int Stride>
void greatest_of(const Windows& w, int64_t results, float* out, int32_t* index) {
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> di;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t j = 0; j < results; j += lanes) {
    const auto start =
        hn::Add(hn::Set(di, w.first + static_cast<int32_t>(j * Stride)), hn::Mul(hn::Iota(di, 0), hn::Set(di, Stride)));
    auto greatest = hn::Set(d, -std::numeric_limits<float>::infinity());
    auto place = hn::Max(start, hn::Set(di, w.least));
    for (int64_t p = 0; p < w.height; ++p) {
      const float* x = w.x + p * w.pitch + j * Stride;
      auto here = hn::Add(start, hn::Set(di, static_cast<int32_t>(p) * w.row));
      for (int64_t q = 0; q < w.width; ++q) {
        auto value = hn::LoadU(d, x + q);
        if constexpr (Stride == 2) {
          hn::Vec<decltype(d)> between;
          hn::LoadInterleaved2(d, x + q, value, between);
        }
        const auto wins = hn::Or(hn::Gt(value, greatest), hn::IsNaN(value));
        greatest = hn::IfThenElse(wins, value, greatest);
        place = hn::IfThenElse(hn::RebindMask(di, wins), here, place);
        here = hn::Add(here, hn::Set(di, 1));
      }
    }
    hn::StoreU(greatest, d, out + j);
    hn::StoreU(place, di, index + j);
  }
}

void greatest_of_windows(const Windows& w, int64_t results, float* out, int32_t* index) {
  if (w.stride == 1) return greatest_of<1>(w, results, out, index);
  greatest_of<2>(w, results, out, index);
}

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "fovea/backends/cpu/simd.h"

namespace fovea::cpu {

FOVEA_VERSIONS(greatest_of_windows);

namespace {

// Where the windows of one row of results meet the image: for each place (p, q) in a window, in the order of reading, calls
// body(j0, j1, at) for the results [j0, j1) whose place lies inside; result j reads element at + j * stride.
template <class Body>
void each_place(const WindowSteps& steps, const int64_t (&kernel)[2], const Shape& image, int64_t row, int64_t results,
                Body body) {
  const int64_t height = image[2], width = image[3], stride = steps.stride[1];
  const int64_t top = row * steps.stride[0] - steps.padding[0];
  for (int64_t p = std::max<int64_t>(top, 0); p < std::min(top + kernel[0], height); ++p) {
    for (int64_t q = 0; q < kernel[1]; ++q) {
      const int64_t left = q - steps.padding[1];
      const int64_t first = left < 0 ? (-left + stride - 1) / stride : 0;
      const int64_t last = left < width ? std::min(results, (width - left - 1) / stride + 1) : 0;
      if (first < last) body(first, last, p * width + left);
    }
  }
}

// Steps of one or two are known to the compiler, which then reads whole vectors.
template <class F>
void visit_stride(int64_t stride, F f) {
  if (stride == 1) return f(std::integral_constant<int64_t, 1>{});
  if (stride == 2) return f(std::integral_constant<int64_t, 2>{});
  f(stride);
}

template <class T>
void greatest_of_row(const PoolCall& call, const T* __restrict x, int64_t row, T* __restrict out,
                     int32_t* __restrict index) {
  const int64_t width = call.x.shape[3], results = call.out.shape[3];
  const int64_t top = std::max<int64_t>(row * call.steps.stride[0] - call.steps.padding[0], 0);
  for (int64_t j = 0; j < results; ++j) {
    index[j] =
        static_cast<int32_t>(top * width + std::max<int64_t>(j * call.steps.stride[1] - call.steps.padding[1], 0));
    out[j] = x[index[j]];
  }
  each_place(call.steps, call.kernel, call.x.shape, row, results, [&](int64_t first, int64_t last, int64_t start) {
    visit_stride(call.steps.stride[1], [&](auto stride) {
      for (int64_t j = first; j < last; ++j) {
        const int64_t at = start + j * stride;
        const T value = x[at];
        const bool wins = (value > out[j]) | (value != value);
        out[j] = wins ? value : out[j];
        index[j] = wins ? static_cast<int32_t>(at) : index[j];
      }
    });
  });
}

template <class T>
void mean_of_row(const PoolCall& call, const T* __restrict x, int64_t row, T* __restrict out) {
  const int64_t results = call.out.shape[3];
  std::fill_n(out, results, T(0));
  each_place(call.steps, call.kernel, call.x.shape, row, results, [&](int64_t first, int64_t last, int64_t start) {
    visit_stride(call.steps.stride[1], [&](auto stride) {
      for (int64_t j = first; j < last; ++j) out[j] += x[start + j * stride];
    });
  });
  const T share = T(1) / static_cast<T>(call.kernel[0] * call.kernel[1]);
  for (int64_t j = 0; j < results; ++j) out[j] *= share;
}

/// Max pooling of f32 whose windows move by one or two columns: their rows are copied between columns of -infinity, so that
/// every window is whole.
class VectorPool {
 public:
  static bool takes(const PoolCall& call) {
    return call.index && call.x.dtype == DType::f32 && call.steps.stride[1] <= 2;
  }

  explicit VectorPool(const PoolCall& call)
      : call_(call),
        padding_(call.steps.padding[1]),
        pitch_(call.x.shape[3] + 2 * padding_ + 2 * most_lanes),
        rows_(call.kernel[0] * pitch_),
        out_(call.out.shape[3] + most_lanes),
        index_(call.out.shape[3] + most_lanes) {
    std::fill_n(rows_.data(), call.kernel[0] * pitch_, -std::numeric_limits<float>::infinity());
  }

  void plane(const float* x, float* out, int32_t* index) {
    const int64_t height = call_.x.shape[2], width = call_.x.shape[3], results = call_.out.shape[3];
    for (int64_t row = 0; row < call_.out.shape[2]; ++row, out += results, index += results) {
      const int64_t first = row * call_.steps.stride[0] - call_.steps.padding[0];
      const int64_t top = std::max<int64_t>(first, 0), bottom = std::min(first + call_.kernel[0], height);
      for (int64_t i = top; i < bottom; ++i)
        std::copy_n(x + i * width, width, rows_.data() + (i - top) * pitch_ + padding_);
      const Windows windows{.x = rows_.data(),
                            .pitch = pitch_,
                            .height = bottom - top,
                            .width = call_.kernel[1],
                            .stride = call_.steps.stride[1],
                            .first = static_cast<int32_t>(top * width - padding_),
                            .row = static_cast<int32_t>(width),
                            .least = static_cast<int32_t>(top * width)};
      FOVEA_DISPATCH(greatest_of_windows)(windows, results, out_.data(), index_.data());
      std::copy_n(out_.data(), results, out);
      std::copy_n(index_.data(), results, index);
    }
  }

 private:
  const PoolCall& call_;
  int64_t padding_, pitch_;
  Scratch<float> rows_, out_;
  Scratch<int32_t> index_;
};

template <class T>
void pool_plane(const PoolCall& call, const T* x, T* out, int32_t* index) {
  const int64_t results = call.out.shape[3];
  for (int64_t row = 0; row < call.out.shape[2]; ++row) {
    if (index) {
      greatest_of_row(call, x, row, out + row * results, index + row * results);
    } else {
      mean_of_row(call, x, row, out + row * results);
    }
  }
}

template <class T>
void spread_plane(const PoolBackwardCall& call, const T* dout, const int32_t* index, T* dx) {
  const int64_t results = call.dout.shape[3], rows = call.dout.shape[2];
  std::fill_n(dx, call.dx.shape[2] * call.dx.shape[3], T(0));
  if (index) {
    for (int64_t i = 0; i < rows * results; ++i) dx[index[i]] += dout[i];
    return;
  }
  const T share = T(1) / static_cast<T>(call.kernel[0] * call.kernel[1]);
  for (int64_t row = 0; row < rows; ++row, dout += results) {
    each_place(call.steps, call.kernel, call.dx.shape, row, results, [&](int64_t first, int64_t last, int64_t start) {
      for (int64_t j = first; j < last; ++j) dx[start + j * call.steps.stride[1]] += dout[j] * share;
    });
  }
}

template <class F>
void visit(const char* kernel, DType dtype, F f) {
  if (dtype == DType::f64) return f(double{});
  if (dtype == DType::f32) return f(float{});
  raise<DTypeError>({}, "{}: runs in f32 or f64, not {}", kernel, dtype);
}

}  // namespace

void pool(const PoolCall& call) {
  const int64_t planes = call.x.shape[0] * call.x.shape[1];
  const int64_t size = call.x.shape[2] * call.x.shape[3], positions = call.out.shape[2] * call.out.shape[3];
  if (VectorPool::takes(call)) {
    return parallel_for(planes, rows_per_chunk(size), [&](int64_t begin, int64_t end) {
      VectorPool pool(call);
      for (int64_t plane = begin; plane < end; ++plane)
        pool.plane(call.x.data<float>() + plane * size, call.out.data<float>() + plane * positions,
                   call.index->data<int32_t>() + plane * positions);
    });
  }
  visit("pool", call.x.dtype, [&]<class T>(T) {
    parallel_for(planes, rows_per_chunk(size), [&](int64_t begin, int64_t end) {
      for (int64_t plane = begin; plane < end; ++plane) {
        pool_plane(call, call.x.data<T>() + plane * size, call.out.data<T>() + plane * positions,
                   call.index ? call.index->data<int32_t>() + plane * positions : nullptr);
      }
    });
  });
}

void pool_backward(const PoolBackwardCall& call) {
  const int64_t planes = call.dx.shape[0] * call.dx.shape[1];
  const int64_t size = call.dx.shape[2] * call.dx.shape[3], positions = call.dout.shape[2] * call.dout.shape[3];
  visit("pool_backward", call.dx.dtype, [&]<class T>(T) {
    parallel_for(planes, rows_per_chunk(size), [&](int64_t begin, int64_t end) {
      for (int64_t plane = begin; plane < end; ++plane) {
        spread_plane(call, call.dout.data<T>() + plane * positions,
                     call.index ? call.index->data<int32_t>() + plane * positions : nullptr,
                     call.dx.data<T>() + plane * size);
      }
    });
  });
}

}  // namespace fovea::cpu
#endif

#include <algorithm>
#include <limits>
#include <type_traits>

#include "fovea/backends/cpu/elements.h"
#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/short_row.h"
#include "fovea/backends/cpu/simd_targets.h"
#include "fovea/backends/cpu/threads.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backends/cpu/pool.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "fovea/backends/cpu/math_lanes-inl.h"

#ifndef FOVEA_BACKENDS_CPU_POOL_WINDOWS
#define FOVEA_BACKENDS_CPU_POOL_WINDOWS
namespace fovea::cpu {

/// The windows of a plane of f32: `x` holds rows of `columns` elements, padding included.
struct Windows {
  const float* x;
  int64_t columns, width, height;  // the image has `height` rows of `width`
  const PoolCall& call;
};

/// A plane that windows of two columns, side by side and without padding, were taken of.
struct PairGradient {
  const float* dout;
  const int32_t* index;
  float* dx;
  const PoolBackwardCall& call;
};

}  // namespace fovea::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using Places = hn::RebindToSigned<Floats>;
constexpr auto most_lanes = static_cast<int64_t>(hn::MaxLanes(Floats()));

// The first n elements, those with an even and those with an odd number; zeros behind them.
HWY_INLINE void load_pairs(const float* x, int64_t n, hn::Vec<Floats>& even, hn::Vec<Floats>& odd) {
  const Floats d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  if (n >= 2 * lanes) return hn::LoadInterleaved2(d, x, even, odd);
  const auto low = LoadFirst(d, x, std::min(n, lanes)), high = LoadFirst(d, x + lanes, std::max<int64_t>(n - lanes, 0));
#if HWY_TARGET == HWY_SCALAR
  even = low;
  odd = high;
#else
  even = hn::ConcatEven(d, high, low);
  odd = hn::ConcatOdd(d, high, low);
#endif
}

// The first n elements dealt out to `Stride` vectors in turns; zeros behind them.
template <int Stride>
HWY_INLINE void load_dealt(const float* x, int64_t n, hn::Vec<Floats> (&dealt)[Stride]) {
  const Floats d;
  const auto all = static_cast<int64_t>(hn::Lanes(d)) * Stride;
  HWY_ALIGN float copied[Stride * most_lanes];
  if (Stride > 2 && n < all) {
    std::fill(copied + n, copied + all, 0.0f);
    x = std::copy_n(x, n, copied) - n;
  }
  if constexpr (Stride == 1) dealt[0] = LoadFirst(d, x, std::min(n, all));
  if constexpr (Stride == 2) load_pairs(x, n, dealt[0], dealt[1]);
  if constexpr (Stride == 3) hn::LoadInterleaved3(d, x, dealt[0], dealt[1], dealt[2]);
  if constexpr (Stride == 4) hn::LoadInterleaved4(d, x, dealt[0], dealt[1], dealt[2], dealt[3]);
}

HWY_INLINE void store_pairs(hn::Vec<Floats> even, hn::Vec<Floats> odd, float* to, int64_t n) {
  const Floats d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  if (n >= 2 * lanes) return hn::StoreInterleaved2(even, odd, d, to);
  HWY_ALIGN float pairs[2 * most_lanes];
  hn::StoreInterleaved2(even, odd, d, pairs);
  StoreFirst(d, hn::Load(d, pairs), to, std::min(n, lanes));
  if (n > lanes) StoreFirst(d, hn::Load(d, pairs + lanes), to + lanes, n - lanes);
}

// The greatest of each window and its place in the image. NaN is the greatest, the last where there are several; of other
// equals the first wins, and the window's first place within the image where all are -infinity.
template <int Stride>
void greatest_of_windows(const Windows& w, float* out, int32_t* index) {
  const Floats d;
  const Places di;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const WindowSteps& steps = w.call.steps;
  const int64_t rows = w.call.out.shape[2], results = w.call.out.shape[3], kernel = w.call.kernel[1];
  const auto step = hn::Mul(hn::Iota(di, 0), hn::Set(di, Stride));
  for (int64_t row = 0; row < rows; ++row, out += results, index += results) {
    const int64_t first = row * steps.stride[0] - steps.padding[0];
    const int64_t top = std::max<int64_t>(first, 0), bottom = std::min(first + w.call.kernel[0], w.height);
    for (int64_t j = 0; j < results; j += lanes) {
      const auto start =
          hn::Add(hn::Set(di, static_cast<int32_t>(top * w.width - steps.padding[1] + j * Stride)), step);
      auto greatest = hn::Set(d, -std::numeric_limits<float>::infinity());
      auto place = hn::Max(start, hn::Set(di, static_cast<int32_t>(top * w.width)));
      const auto read = [&](hn::Vec<Floats> value, int64_t p, int64_t q) HWY_ATTR {
        const auto here = hn::Add(start, hn::Set(di, static_cast<int32_t>((p - top) * w.width + q)));
        const auto wins = hn::Or(hn::Gt(value, greatest), hn::IsNaN(value));
        greatest = hn::IfThenElse(wins, value, greatest);
        place = hn::IfThenElse(hn::RebindMask(di, wins), here, place);
      };
      for (int64_t p = top; p < bottom; ++p) {
        const float* x = w.x + p * w.columns + j * Stride;
        const int64_t left = w.columns - j * Stride;
        for (int64_t q = 0; q < kernel; q += Stride) {
          hn::Vec<Floats> dealt[Stride];
          load_dealt(x + q, left - q, dealt);
          for (int64_t r = 0; r < std::min<int64_t>(Stride, kernel - q); ++r) read(dealt[r], p, q + r);
        }
      }
      const int64_t here = std::min(lanes, results - j);
      StoreFirst(d, greatest, out + j, here);
      StoreFirst(di, place, index + j, here);
    }
  }
}

void greatest_of_plane(const Windows& w, float* out, int32_t* index) {
  switch (w.call.steps.stride[1]) {
    case 1:
      return greatest_of_windows<1>(w, out, index);
    case 2:
      return greatest_of_windows<2>(w, out, index);
    case 3:
      return greatest_of_windows<3>(w, out, index);
    default:
      return greatest_of_windows<4>(w, out, index);
  }
}

void spread_pairs(const PairGradient& g) {
  const Floats d;
  const Places di;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t rows = g.call.dout.shape[2], results = g.call.dout.shape[3], kernel = g.call.kernel[0];
  const int64_t height = g.call.dx.shape[2], width = g.call.dx.shape[3];
  const auto step = hn::Mul(hn::Iota(di, 0), hn::Set(di, 2)), one = hn::Set(di, 1);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t r = row * kernel; r < (row + 1) * kernel; ++r) {
      float* to = g.dx + r * width;
      for (int64_t j = 0; j < results; j += lanes) {
        const int64_t here = std::min(lanes, results - j);
        const auto dout = LoadFirst(d, g.dout + row * results + j, here);
        const auto index = LoadFirst(di, g.index + row * results + j, here);
        const auto place = hn::Add(hn::Set(di, static_cast<int32_t>(r * width + 2 * j)), step);
        const auto even = hn::IfThenElseZero(hn::RebindMask(d, hn::Eq(index, place)), dout);
        const auto odd = hn::IfThenElseZero(hn::RebindMask(d, hn::Eq(index, hn::Add(place, one))), dout);
        store_pairs(even, odd, to + 2 * j, 2 * here);
      }
      std::fill(to + 2 * results, to + width, 0.0f);
    }
  }
  std::fill(g.dx + rows * kernel * width, g.dx + height * width, 0.0f);
}

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "fovea/backends/cpu/simd.h"

namespace fovea::cpu {

FOVEA_VERSIONS(greatest_of_plane);
FOVEA_VERSIONS(spread_pairs);

namespace {

// The rows [top, bottom) of the image that the windows of one row of results meet.
struct MetRows {
  int64_t top, bottom;

  MetRows(const WindowSteps& steps, const int64_t (&kernel)[2], const Shape& image, int64_t row) {
    const int64_t first = row * steps.stride[0] - steps.padding[0];
    top = std::max<int64_t>(first, 0);
    bottom = std::min(first + kernel[0], image[2]);
  }
};

// For each column q of the windows of a row of results: calls body(j0, j1, at) for the results [j0, j1) whose column lies
// inside the image; result j reads column at + j * stride.
template <class Body>
void each_column(const WindowSteps& steps, const int64_t (&kernel)[2], const Shape& image, int64_t results, Body body) {
  const int64_t width = image[3], stride = steps.stride[1], padding = steps.padding[1];
  // No others meet the image, of which a window may have many.
  const int64_t begin = std::max<int64_t>(padding - (results - 1) * stride, 0),
                end = std::min(kernel[1], padding + width);
  for (int64_t q = begin; q < end; ++q) {
    const int64_t left = q - padding;
    const int64_t first = left < 0 ? (-left + stride - 1) / stride : 0;
    const int64_t last = left < width ? std::min(results, (width - left - 1) / stride + 1) : 0;
    if (first < last) body(first, last, left);
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
  const MetRows met(call.steps, call.kernel, call.x.shape, row);
  for (int64_t p = met.top; p < met.bottom; ++p) {
    each_column(call.steps, call.kernel, call.x.shape, results, [&](int64_t first, int64_t last, int64_t left) {
      visit_stride(call.steps.stride[1], [&](auto stride) {
        for (int64_t j = first; j < last; ++j) {
          const int64_t at = p * width + left + j * stride;
          const T value = x[at];
          const bool wins = (value > out[j]) | (value != value);
          out[j] = wins ? value : out[j];
          index[j] = wins ? static_cast<int32_t>(at) : index[j];
        }
      });
    });
  }
}

template <class T>
void add_row(const T* __restrict x, int64_t n, T* __restrict to) {
  for (int64_t c = 0; c < n; ++c) to[c] += x[c];
}

// Whole rows are added up first, then columns of their sums; `sums` is room for a row.
template <class T>
void mean_of_row(const PoolCall& call, const T* __restrict x, int64_t row, T* __restrict out, T* __restrict sums) {
  const int64_t results = call.out.shape[3], width = call.x.shape[3];
  const MetRows met(call.steps, call.kernel, call.x.shape, row);
  std::copy_n(x + met.top * width, width, sums);
  for (int64_t p = met.top + 1; p < met.bottom; ++p) add_row(x + p * width, width, sums);
  std::fill_n(out, results, T(0));
  each_column(call.steps, call.kernel, call.x.shape, results, [&](int64_t first, int64_t last, int64_t left) {
    visit_stride(call.steps.stride[1], [&](auto stride) {
      for (int64_t j = first; j < last; ++j) out[j] += sums[left + j * stride];
    });
  });
  const T share = T(1) / static_cast<T>(call.kernel[0] * call.kernel[1]);
  for (int64_t j = 0; j < results; ++j) out[j] *= share;
}

/// Max pooling of f32 whose windows move by four columns at the most. Padding, no wider than the image, is filled with
/// -infinity, so that every window is whole.
class VectorPool {
 public:
  static bool takes(const PoolCall& call) {
    return call.index && call.x.dtype == DType::f32 && call.steps.stride[1] <= 4 &&
           call.steps.padding[1] <= call.x.shape[3];
  }

  explicit VectorPool(const PoolCall& call)
      : call_(call), padding_(call.steps.padding[1]), columns_(call.x.shape[3] + 2 * padding_) {
    if (padding_ == 0) return;
    padded_ = Scratch<float>(call.x.shape[2] * columns_);
    std::fill_n(padded_.data(), call.x.shape[2] * columns_, -std::numeric_limits<float>::infinity());
  }

  void plane(const float* x, float* out, int32_t* index) {
    const int64_t height = call_.x.shape[2], width = call_.x.shape[3];
    for (int64_t i = 0; i < height && padding_ > 0; ++i)
      copy_short_row(x + i * width, width, padded_.data() + i * columns_ + padding_);
    FOVEA_DISPATCH(greatest_of_plane)
    ({padding_ > 0 ? padded_.data() : x, columns_, width, height, call_}, out, index);
  }

 private:
  const PoolCall& call_;
  int64_t padding_, columns_;
  Scratch<float> padded_;
};

template <class T>
void pool_plane(const PoolCall& call, const T* x, T* out, int32_t* index) {
  const int64_t results = call.out.shape[3];
  const Scratch<T> sums(index ? 0 : call.x.shape[3]);
  for (int64_t row = 0; row < call.out.shape[2]; ++row) {
    if (index) {
      greatest_of_row(call, x, row, out + row * results, index + row * results);
    } else {
      mean_of_row(call, x, row, out + row * results, sums.data());
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
  const int64_t width = call.dx.shape[3];
  const Scratch<T> sums(width);  // what the windows of a row of results give each column
  for (int64_t row = 0; row < rows; ++row, dout += results) {
    std::fill_n(sums.data(), width, T(0));
    each_column(call.steps, call.kernel, call.dx.shape, results, [&](int64_t first, int64_t last, int64_t left) {
      visit_stride(call.steps.stride[1], [&](auto stride) {
        T* __restrict to = sums.data() + left;
        for (int64_t j = first; j < last; ++j) to[j * stride] += dout[j] * share;
      });
    });
    const MetRows met(call.steps, call.kernel, call.dx.shape, row);
    for (int64_t p = met.top; p < met.bottom; ++p) add_row(sums.data(), width, dx + p * width);
  }
}

// Windows of two columns side by side.
bool are_pairs(const PoolBackwardCall& call) {
  const WindowSteps& steps = call.steps;
  return call.index && call.dx.dtype == DType::f32 && call.kernel[1] == 2 && steps.stride[1] == 2 &&
         steps.stride[0] == call.kernel[0] && steps.padding[0] == 0 && steps.padding[1] == 0;
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
  if (are_pairs(call)) {
    return parallel_for(planes, rows_per_chunk(size), [&](int64_t begin, int64_t end) {
      for (int64_t plane = begin; plane < end; ++plane) FOVEA_DISPATCH(spread_pairs)
      ({call.dout.data<float>() + plane * positions, call.index->data<int32_t>() + plane * positions,
        call.dx.data<float>() + plane * size, call});
    });
  }
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

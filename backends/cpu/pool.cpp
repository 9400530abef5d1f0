#include <algorithm>
#include <type_traits>

#include "fovea/backends/cpu/elements.h"
#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/threads.h"

namespace fovea::cpu {
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
        const T value = x[at], greatest = out[j];
        const bool wins = (value > greatest) | ((value != value) & (greatest == greatest));
        out[j] = wins ? value : greatest;
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

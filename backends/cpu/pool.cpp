#include <algorithm>
#include <limits>

#include "fovea/backends/cpu/elements.h"
#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/threads.h"

namespace fovea::cpu {
namespace {

// Every window of one plane: calls body(output position, rows [p0, p1), columns [q0, q1)) with the part of the window
// that lies inside the image.
template <class Body>
void each_window(const WindowSteps& steps, const int64_t (&kernel)[2], const Shape& image, const Shape& result,
                 Body body) {
  const int64_t height = image[2], width = image[3];
  for (int64_t i = 0; i < result[2]; ++i) {
    const int64_t top = i * steps.stride[0] - steps.padding[0];
    const int64_t p0 = std::max<int64_t>(top, 0), p1 = std::min(top + kernel[0], height);
    for (int64_t j = 0; j < result[3]; ++j) {
      const int64_t left = j * steps.stride[1] - steps.padding[1];
      body(i * result[3] + j, p0, p1, std::max<int64_t>(left, 0), std::min(left + kernel[1], width));
    }
  }
}

template <class T>
void pool_plane(const PoolCall& call, const T* x, T* out, int32_t* index) {
  const int64_t width = call.x.shape[3];
  if (index) {
    each_window(call.steps, call.kernel, call.x.shape, call.out.shape,
                [&](int64_t at, int64_t p0, int64_t p1, int64_t q0, int64_t q1) {
                  int64_t best = p0 * width + q0;
                  T greatest = x[best];
                  for (int64_t p = p0; p < p1; ++p) {
                    for (int64_t q = q0; q < q1; ++q) {
                      const T value = x[p * width + q];
                      const bool wins = value > greatest || (value != value && greatest == greatest);
                      best = wins ? p * width + q : best;
                      greatest = wins ? value : greatest;
                    }
                  }
                  out[at] = greatest;
                  index[at] = static_cast<int32_t>(best);
                });
    return;
  }
  const T share = T(1) / static_cast<T>(call.kernel[0] * call.kernel[1]);
  each_window(call.steps, call.kernel, call.x.shape, call.out.shape,
              [&](int64_t at, int64_t p0, int64_t p1, int64_t q0, int64_t q1) {
                T sum = 0;
                for (int64_t p = p0; p < p1; ++p) {
                  for (int64_t q = q0; q < q1; ++q) sum += x[p * width + q];
                }
                out[at] = sum * share;
              });
}

template <class T>
void spread_plane(const PoolBackwardCall& call, const T* dout, const int32_t* index, T* dx) {
  const int64_t width = call.dx.shape[3], positions = call.dout.shape[2] * call.dout.shape[3];
  std::fill_n(dx, call.dx.shape[2] * width, T(0));
  if (index) {
    for (int64_t i = 0; i < positions; ++i) dx[index[i]] += dout[i];
    return;
  }
  const T share = T(1) / static_cast<T>(call.kernel[0] * call.kernel[1]);
  each_window(call.steps, call.kernel, call.dx.shape, call.dout.shape,
              [&](int64_t at, int64_t p0, int64_t p1, int64_t q0, int64_t q1) {
                const T part = dout[at] * share;
                for (int64_t p = p0; p < p1; ++p) {
                  for (int64_t q = q0; q < q1; ++q) dx[p * width + q] += part;
                }
              });
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

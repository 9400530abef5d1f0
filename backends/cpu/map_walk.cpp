#include "fovea/backends/cpu/map_walk.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "fovea/backends/cpu/elements.h"

namespace fovea::cpu {
namespace {

template <class T>
void gather_run(const T* from, int64_t stride, int64_t n, T* to) {
  if (stride == 1) {
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(T));
  } else if (stride == 0) {
    std::fill_n(to, n, *from);
  } else {
    for (int64_t i = 0; i < n; ++i) to[i] = from[i * stride];
  }
}

template <class T>
void scatter_run(const T* from, int64_t stride, int64_t n, T* to) {
  if (stride == 1) {
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(T));
  } else {
    for (int64_t i = 0; i < n; ++i) to[i * stride] = from[i];
  }
}

/// Calls f(offset of the first element, elements done before it, length) for each run of [position, position + n).
template <class F>
void for_runs(int axes, const int64_t* sizes, const int64_t* strides, int64_t position, int64_t n, F f) {
  if (axes == 0) {
    for (int64_t done = 0; done < n; ++done) f(0, done, 1);
    return;
  }
  int64_t index[max_rank];
  int64_t offset = 0;
  for (int axis = axes - 1; axis >= 0; --axis) {
    index[axis] = position % sizes[axis];
    position /= sizes[axis];
    offset += index[axis] * strides[axis];
  }
  const int inner = axes - 1;
  for (int64_t done = 0; done < n;) {
    const int64_t rest = sizes[inner] - index[inner];
    const int64_t length = rest < n - done ? rest : n - done;
    f(offset, done, length);
    done += length;
    offset -= index[inner] * strides[inner];
    index[inner] = 0;
    for (int axis = inner - 1; axis >= 0; --axis) {
      offset += strides[axis];
      if (++index[axis] < sizes[axis]) break;
      offset -= index[axis] * strides[axis];
      index[axis] = 0;
    }
  }
}

}  // namespace

Walk::Walk(const View& view, const Shape& space, const int* order)
    : first_(view.buffer->host() + view.offset * static_cast<int64_t>(size_of(view.dtype))), dtype_(view.dtype) {
  const int missing = space.rank() - view.rank();
  for (int i = 0; i < space.rank(); ++i) {
    const int axis = order ? order[i] : i;
    const int64_t size = space[axis];
    if (size == 1) continue;
    const bool repeated = axis < missing || view.shape[axis - missing] == 1;
    const int64_t stride = repeated ? 0 : view.strides[axis - missing];
    if (axes_ && strides_[axes_ - 1] == size * stride) {
      sizes_[axes_ - 1] *= size;
      strides_[axes_ - 1] = stride;
    } else {
      sizes_[axes_] = size;
      strides_[axes_++] = stride;
    }
  }
}

bool Walk::transposed() const {
  constexpr int64_t near = 16;
  if (axes_ < 2 || std::abs(inner_stride()) < near || run() < near) return false;
  for (int axis = 0; axis + 1 < axes_; ++axis) {
    if (std::abs(strides_[axis]) == 1 && sizes_[axis] >= near) return true;
  }
  return false;
}

std::byte* Walk::at(int64_t position) const {
  int64_t offset = 0;
  for (int axis = axes_ - 1; axis > 0; --axis) {
    offset += position % sizes_[axis] * strides_[axis];
    position /= sizes_[axis];
  }
  if (axes_) offset += position * strides_[0];
  return first_ + offset * static_cast<int64_t>(size_of(dtype_));
}

void Walk::gather(int64_t position, int64_t n, void* to) const {
  visit_word(size_of(dtype_), [&]<class T>(T) {
    for_runs(axes_, sizes_, strides_, position, n, [&](int64_t offset, int64_t done, int64_t length) {
      gather_run(reinterpret_cast<const T*>(first_) + offset, axes_ ? inner_stride() : 0, length,
                 static_cast<T*>(to) + done);
    });
  });
}

void Walk::scatter(const void* from, int64_t position, int64_t n) const {
  visit_word(size_of(dtype_), [&]<class T>(T) {
    for_runs(axes_, sizes_, strides_, position, n, [&](int64_t offset, int64_t done, int64_t length) {
      scatter_run(static_cast<const T*>(from) + done, axes_ ? inner_stride() : 0, length,
                  reinterpret_cast<T*>(first_) + offset);
    });
  });
}

}  // namespace fovea::cpu

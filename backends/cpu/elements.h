#pragma once

#include <hwy/cache_control.h>

#include <type_traits>

#include "fovea/backends/backend.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/stream.h"

namespace fovea::cpu {

/// What a kernel computes in for elements of type T: double for double, else float.
template <class T>
using Compute = std::conditional_t<std::is_same_v<T, double>, double, float>;

/// Calls f(T{}) with the element type of a floating dtype.
template <class F>
decltype(auto) visit_floating(const char* kernel, DType dtype, F f) {
  switch (dtype) {
    case DType::f32:
      return f(float{});
    case DType::f64:
      return f(double{});
    case DType::f16:
      return f(Half{});
    case DType::bf16:
      return f(BFloat16{});
    default:
      raise<DTypeError>({}, "{}: {} is not a floating dtype", kernel, name(dtype));
  }
}

/// Calls f(T{}) with an integer of so many bytes, as which elements of any dtype are moved.
template <class F>
void visit_word(size_t bytes, F f) {
  switch (bytes) {
    case 1:
      return f(uint8_t{});
    case 2:
      return f(uint16_t{});
    case 4:
      return f(uint32_t{});
    default:
      return f(uint64_t{});
  }
}

/// A row of elements in their compute type: the row itself where they are of that type, else converted into `scratch`.
template <class T>
const Compute<T>* load_row(const T* row, int64_t n, Compute<T>* scratch) {
  if constexpr (std::is_same_v<T, Compute<T>>) {
    return row;
  } else {
    for (int64_t i = 0; i < n; ++i) scratch[i] = static_cast<float>(row[i]);
    return scratch;
  }
}

/// Where to compute a row of results: the row itself or `scratch`; store_row() then finishes it.
template <class T>
Compute<T>* result_row(T* row, Compute<T>* scratch) {
  if constexpr (std::is_same_v<T, Compute<T>>) {
    return row;
  } else {
    return scratch;
  }
}

template <class T>
void store_row([[maybe_unused]] const Compute<T>* values, [[maybe_unused]] int64_t n, [[maybe_unused]] T* row) {
  if constexpr (!std::is_same_v<T, Compute<T>>) {
    for (int64_t i = 0; i < n; ++i) row[i] = T(values[i]);
  }
}

/// The rows [n] of a result, computed one by one.
template <class T>
class ResultRows {
 public:
  ResultRows(T* first, int64_t rows, int64_t n)
      : first_(first),
        n_(n),
        streamed_(std::is_same_v<T, Compute<T>> && rows * n * static_cast<int64_t>(sizeof(T)) >= least_streamed_bytes &&
                  is_in_lines(first, n * static_cast<int64_t>(sizeof(T)))) {}

  /// Where to compute a row: in the result itself or in `scratch`, room for n elements; store() then finishes it.
  Compute<T>* room(int64_t row, Compute<T>* scratch) const {
    return streamed_ ? scratch : result_row(first_ + row * n_, scratch);
  }
  void store(const Compute<T>* values, int64_t row) const {
    if (streamed_) return stream_lines(values, n_ * static_cast<int64_t>(sizeof(T)) / 64, first_ + row * n_, 64);
    store_row(values, n_, first_ + row * n_);
  }
  /// After a thread's last row: other threads see them from then on.
  void finish() const {
    if (streamed_) hwy::FlushStream();
  }

 private:
  T* first_;
  int64_t n_;
  bool streamed_;
};

/// How many rows ahead to ask for those of a table that come in no order a machine foresees, and what asks for one.
constexpr int64_t rows_ahead = 8;
template <class T>
void prefetch_row(const T* row, int64_t n) {
  for (int64_t i = 0; i < n; i += 64 / sizeof(T)) hwy::Prefetch(row + i);
}

/// A view of floating numbers read and written one by one as V, whatever its dtype: per-row values such as a loss.
template <class V>
class RowValues {
 public:
  explicit RowValues(const View& view)
      : bytes_(view.buffer->host()),
        offset_(view.offset),
        dtype_(view.dtype),
        own_(dtype_ == dtype_of<V> ? view.data<V>() : nullptr) {}

  V get(int64_t i) const {
    if (own_) return own_[i];
    return visit_floating("rows", dtype_,
                          [&]<class T>(T) { return static_cast<V>(static_cast<Compute<T>>(at<T>(i))); });
  }
  void set(int64_t i, V value) const {
    if (own_) {
      own_[i] = value;
      return;
    }
    visit_floating("rows", dtype_, [&]<class T>(T) { at<T>(i) = T(static_cast<Compute<T>>(value)); });
  }

 private:
  template <class T>
  T& at(int64_t i) const {
    return reinterpret_cast<T*>(bytes_)[offset_ + i];
  }

  std::byte* bytes_;
  int64_t offset_;
  DType dtype_;
  V* own_;  // where they are of type V
};

/// A vector [n] as a dense row of V, converted where it is of another type or has gaps; null stays null.
template <class T>
class DenseVector {
 public:
  using V = Compute<T>;
  explicit DenseVector(const View* view) {
    if (!view) return;
    const int64_t n = view->numel(), step = view->rank() ? view->strides[view->rank() - 1] : 1;
    const T* source = view->data<T>();
    if constexpr (std::is_same_v<T, V>) {
      if (step == 1 || n <= 1) {
        data_ = source;
        return;
      }
    }
    copy_ = Scratch<V>(n);
    for (int64_t i = 0; i < n; ++i) copy_[i] = static_cast<V>(source[i * step]);
    data_ = copy_.data();
  }
  const V* data() const { return data_; }
  explicit operator bool() const { return data_; }
  V operator[](int64_t i) const { return data_[i]; }

 private:
  Scratch<V> copy_;
  const V* data_ = nullptr;
};

/// How many rows of n elements make a chunk of parallel work.
inline int64_t rows_per_chunk(int64_t n, int64_t elements = 16384) { return n < 1 ? elements : 1 + (elements - 1) / n; }

}  // namespace fovea::cpu

#include "fovea/tensor/tensor.h"

#include "fovea/backends/recording.h"
#include "fovea/tensor/raw.h"

namespace fovea {

TensorImpl::~TensorImpl() = default;  // not where each handle ends

void detail::undefined_tensor(Caller caller) { raise<ValueError>(caller, "tensor: an undefined tensor is used"); }

int normalize_axis(int64_t axis, int rank, const char* operation, Caller caller) {
  // A scalar takes axis 0 and -1, as if it had one axis.
  const int64_t axes = rank == 0 ? 1 : rank;
  if (axis < -axes || axis >= axes) {
    raise<IndexError>(caller, "{}: axis {} is not among the {} of the tensor", operation, axis, rank);
  }
  return static_cast<int>(axis < 0 ? axis + axes : axis);
}

std::array<bool, max_rank> chosen_axes(const Axes& axes, int rank, const char* operation, Caller caller) {
  std::array<bool, max_rank> chosen{};
  if (axes.all()) chosen.fill(true);
  for (const int64_t given : axes.list) {
    const int axis = normalize_axis(given, rank, operation, caller);
    if (std::exchange(chosen[static_cast<size_t>(axis)], true)) {
      raise<ValueError>(caller, "{}: axis {} is named twice", operation, given);
    }
  }
  return chosen;
}

int64_t Tensor::size(int axis, Caller caller) const {
  raw::check_defined("size", *this, caller);
  if (rank() == 0) raise<IndexError>(caller, "size: a scalar has no axis {}", axis);
  return shape()[normalize_axis(axis, rank(), "size", caller)];
}

Shape broadcast_shapes(const Shape& a, const Shape& b, const char* operation, Caller caller) {
  if (a == b) return a;
  Shape out = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  const int offset = out.rank() - shorter.rank();
  for (int axis = 0; axis < shorter.rank(); ++axis) {
    int64_t& size = out[axis + offset];
    if (size == shorter[axis] || shorter[axis] == 1) continue;
    if (size != 1) raise<ShapeError>(caller, "{}: shapes do not broadcast: {} and {}", operation, a, b);
    size = shorter[axis];
  }
  raw::check_shape(out, operation, caller);
  return out;
}

namespace {

/// Copies the elements to a contiguous host array of their own dtype.
template <class T>
std::vector<T> host_values(const Tensor& x) {
  const Tensor dense = raw::contiguous(x);
  std::vector<T> values(static_cast<size_t>(dense.numel()));
  if (!values.empty()) {
    dense.backend().read(*dense.buffer(), static_cast<size_t>(dense.view().offset) * sizeof(T), values.data(),
                         values.size() * sizeof(T));
  }
  return values;
}

template <class T, class Stored>
std::vector<T> converted_values(const Tensor& x) {
  const std::vector<Stored> stored = host_values<Stored>(x);
  if constexpr (std::is_same_v<T, Stored>) {
    return stored;
  } else {
    std::vector<T> values;
    values.reserve(stored.size());
    for (Stored value : stored) {
      if constexpr (std::is_same_v<Stored, Half> || std::is_same_v<Stored, BFloat16>) {
        values.push_back(static_cast<T>(static_cast<float>(value)));
      } else {
        values.push_back(static_cast<T>(value));
      }
    }
    return values;
  }
}

}  // namespace

template <HostElement T>
std::vector<T> Tensor::to_vector(Caller caller) const {
  raw::check_defined("to_vector", *this, caller);
  refuse_while_recording("to_vector", caller);
  const ErrorScope scope(caller);
  return with_host_memory("to_vector", [&]() -> std::vector<T> {
    switch (dtype()) {
      case DType::f32:
        return converted_values<T, float>(*this);
      case DType::f64:
        return converted_values<T, double>(*this);
      case DType::f16:
        return converted_values<T, Half>(*this);
      case DType::bf16:
        return converted_values<T, BFloat16>(*this);
      case DType::i32:
        return converted_values<T, int32_t>(*this);
      case DType::boolean:
        return converted_values<T, uint8_t>(*this);
    }
    return {};
  });
}

template <HostElement T>
T Tensor::item(Caller caller) const {
  raw::check_defined("item", *this, caller);
  refuse_while_recording("item", caller);
  if (numel() != 1) raise<ShapeError>(caller, "item: the tensor has {} elements, not one: {}", numel(), shape());
  return to_vector<T>(caller)[0];
}

template std::vector<float> Tensor::to_vector<float>(Caller) const;
template std::vector<double> Tensor::to_vector<double>(Caller) const;
template std::vector<int32_t> Tensor::to_vector<int32_t>(Caller) const;
template std::vector<int64_t> Tensor::to_vector<int64_t>(Caller) const;
template std::vector<uint8_t> Tensor::to_vector<uint8_t>(Caller) const;
template std::vector<bool> Tensor::to_vector<bool>(Caller) const;
template float Tensor::item<float>(Caller) const;
template double Tensor::item<double>(Caller) const;
template int32_t Tensor::item<int32_t>(Caller) const;
template int64_t Tensor::item<int64_t>(Caller) const;
template uint8_t Tensor::item<uint8_t>(Caller) const;
template bool Tensor::item<bool>(Caller) const;

}  // namespace fovea

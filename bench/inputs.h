#pragma once

#include <functional>
#include <vector>

#include "fovea/fovea.h"

// Random inputs of models.
namespace fovea::bench {

/// What a model reads or should give, for a batch of n.
using Input = std::function<Tensor(int64_t n, Device)>;
using Inputs = const std::vector<Tensor>&;

inline Shape batch_of(int64_t n, Shape shape) {
  shape.insert(0, n);
  return shape;
}

inline Input normal(const Shape& shape) {
  return [=](int64_t n, Device device) { return randn(batch_of(n, shape), {.device = device}); };
}
/// From 0 to before 1.
inline Input fractions(const Shape& shape) {
  return [=](int64_t n, Device device) { return rand(batch_of(n, shape), {.device = device}); };
}
/// `count` whole numbers from `first` on.
inline Input ids(int64_t count, const Shape& shape = {}, int64_t first = 0) {
  return
      [=](int64_t n, Device device) { return randint(first, first + count, batch_of(n, shape), {.device = device}); };
}
/// The same for all.
inline Input each(double value) {
  return [=](int64_t n, Device device) { return full({n}, value, {i32, device}); };
}
/// 0, 1, 2, ...
inline Tensor counted(int64_t n, Device device) { return arange(static_cast<double>(n), {i32, device}); }

}  // namespace fovea::bench

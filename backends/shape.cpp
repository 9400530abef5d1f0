#include "fovea/backends/shape.h"

#include <fmt/format.h>

#include <ostream>

#include "fovea/backends/error.h"

namespace fovea {

void Shape::too_many_axes() { raise_here<ShapeError>("shape: more than {} axes", max_rank); }

Strides contiguous_strides(const Shape& shape) {
  Strides strides = shape;
  int64_t stride = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape.begin(), shape.end(), ", ")); }
std::ostream& operator<<(std::ostream& stream, const Shape& shape) { return stream << to_string(shape); }

Shape unravel_index(int64_t i, const Shape& shape) {
  Shape at = shape;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    at[axis] = i % shape[axis];
    i /= shape[axis];
  }
  return at;
}

}  // namespace fovea

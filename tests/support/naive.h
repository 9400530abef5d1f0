#pragma once

#include <functional>

#include "fovea/tensor/tensor.h"

// Independent references, element by element in double: slow and plain. Results are f64 on the CPU.
namespace fovea::test {

/// matmul for any ranks from 1 on, as the library's.
Tensor naive_matmul(const Tensor& a, const Tensor& b);

/// f element by element, with broadcasting.
Tensor naive_map(const Tensor& x, const std::function<double(double)>& f);
Tensor naive_map(const Tensor& a, const Tensor& b, const std::function<double(double, double)>& f);

/// The elements along `axes` (all where empty) gathered in row-major order and turned into one number by f.
Tensor naive_reduce(const Tensor& x, const Axes& axes, bool keepdim,
                    const std::function<double(const std::vector<double>&)>& f);

/// The elements along one axis turned into as many others by f.
Tensor naive_along(const Tensor& x, int axis, const std::function<std::vector<double>(const std::vector<double>&)>& f);

/// out[.., i, ..] = x[.., index[.., i, ..], ..].
Tensor naive_gather(const Tensor& x, int axis, const Tensor& index);

}  // namespace fovea::test

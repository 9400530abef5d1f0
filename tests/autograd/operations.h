#pragma once

#include <functional>
#include <map>
#include <string>

#include "fovea/autograd/losses.h"
#include "fovea/tensor/creation.h"
#include "support/layouts.h"

// The table of operations_test.cpp: what its rows are made of, and rows that stand in files of their own.
namespace fovea::test {

using Inputs = std::vector<Tensor>;
using Outputs = std::vector<Tensor>;

/// An operation's arguments for one check.
struct Check {
  Inputs inputs;
  std::function<Outputs(const Inputs&)> function;
};
using Checks = std::vector<Check>;

/// Normal numbers; every call other ones.
inline Tensor any_number(const Shape& shape) {
  static uint64_t seed = 100;
  return random(shape, {f64}, ++seed);
}
inline Tensor positive(const Shape& shape) {
  static uint64_t seed = 500;
  return random_between(0.3, 2, shape, {f64}, ++seed);
}
inline Tensor integers(const std::vector<int32_t>& values, const Shape& shape) { return from_vector(values, shape); }

/// A constant of a check where the check runs: on x's device, and of x's dtype where it is floating.
inline Tensor beside(const Tensor& constant, const Tensor& x) {
  if (!x.defined()) return constant;
  return (is_floating(constant.dtype()) ? constant.to(x.dtype()) : constant).to(x.device());
}

/// y repeated to x's shape.
inline Tensor spread(const Tensor& y, const Tensor& x) { return x.defined() && y.defined() ? y.expand(x.shape()) : y; }

using Make = Tensor (*)(const Shape&);

inline Checks list(std::initializer_list<Check> checks) { return checks; }

inline Check one(Inputs inputs, std::function<Tensor(const Inputs&)> f) {
  return {std::move(inputs), [f](const Inputs& x) { return Outputs{f(x)}; }};
}

inline Checks loss(const std::function<Tensor(const Tensor&, const Tensor&, Reduction)>& f, Make first, Make second) {
  Checks checks;
  for (const Reduction reduction : {Reduction::none, Reduction::mean, Reduction::sum}) {
    checks.push_back(one({first({3, 2}), second({3, 2})}, [=](const Inputs& x) { return f(x[0], x[1], reduction); }));
  }
  checks.push_back(one({first({2, 3}), second({3})}, [=](const Inputs& x) { return f(x[0], x[1], Reduction::mean); }));
  return checks;
}

using Table = std::map<std::string, Checks>;

/// Losses over classes, recurrence, convolution, pooling, normalisation over batches, attention, CTC.
Table structured_operations();
/// The functions of nn.
Table layer_operations();
/// All rows, by the operation's name.
const Table& operations();

}  // namespace fovea::test

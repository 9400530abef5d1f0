#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "fovea/tensor/tensor.h"

// What the tests expect of tensors, gradients and errors.
namespace fovea::test {

/// Whether |got - want| <= atol + rtol * |want| everywhere, NaN only where NaN, and shapes agree; the message shows the
/// first difference. A negative tolerance stands for the dtype's own: exact for integers and bool.
::testing::AssertionResult close(const Tensor& got, const Tensor& want, double rtol = -1, double atol = -1);
::testing::AssertionResult close(const Tensor& got, const std::vector<double>& want, double rtol = -1,
                                 double atol = -1);

using Function = std::function<std::vector<Tensor>(const std::vector<Tensor>&)>;

/// Finite differences against the gradients of `function`, first and second order, in f64 on the CPU: floating inputs
/// are converted and moved there and require a gradient, the others are only moved.
::testing::AssertionResult gradients_hold(const Function& function, const std::vector<Tensor>& inputs);

namespace detail {

inline std::vector<Tensor> as_outputs(Tensor output) { return {std::move(output)}; }
inline std::vector<Tensor> as_outputs(std::vector<Tensor> outputs) { return outputs; }

template <class F, class... Inputs>
::testing::AssertionResult gradients_hold_for(const F& function, const Inputs&... inputs) {
  const auto unpack = [&]<size_t... I>(const std::vector<Tensor>& x, std::index_sequence<I...>) {
    return as_outputs(function(x[I]...));
  };
  return gradients_hold([&](const std::vector<Tensor>& x) { return unpack(x, std::index_sequence_for<Inputs...>()); },
                        {inputs...});
}

}  // namespace detail

/// Whether `statement` throws a fovea::Error whose text begins with `prefix`.
::testing::AssertionResult throws(const std::function<void()>& statement, std::string_view prefix);

}  // namespace fovea::test

/// EXPECT_CLOSE(got, want[, rtol[, atol]])
#define EXPECT_CLOSE(...) EXPECT_TRUE(::fovea::test::close(__VA_ARGS__))
/// EXPECT_GRADIENTS(function, inputs...): `function` is the name of an operation, or a lambda, of that many tensors.
#define EXPECT_GRADIENTS(function, ...) \
  EXPECT_TRUE(::fovea::test::detail::gradients_hold_for([&](const auto&... x) { return function(x...); }, __VA_ARGS__))
/// EXPECT_ERROR(statement, "matmul: inner sizes differ: [32, 128] x [64, 10] (matmul_test.cpp:")
#define EXPECT_ERROR(statement, prefix) \
  EXPECT_TRUE(::fovea::test::throws([&] { static_cast<void>(statement); }, prefix))

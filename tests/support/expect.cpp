#include "support/expect.h"

#include <cmath>

#include "fovea/autograd/gradcheck.h"

namespace fovea::test {
namespace {

struct Tolerance {
  double rtol, atol;
};

Tolerance tolerance_of(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return {1e-9, 1e-11};
    case DType::f32:
      return {2e-5, 2e-6};
    case DType::f16:
      return {2e-3, 1e-4};
    case DType::bf16:
      return {2e-2, 1e-3};
    default:
      return {0, 0};
  }
}

::testing::AssertionResult values_close(const Tensor& got, const std::vector<double>& want, double rtol, double atol) {
  const Tolerance own = tolerance_of(got.dtype());
  if (rtol < 0) rtol = own.rtol;
  if (atol < 0) atol = own.atol;
  const std::vector<double> values = got.to_vector<double>();
  size_t differences = 0, first = 0;
  double greatest = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double difference = std::fabs(values[i] - want[i]);
    const bool alike = values[i] == want[i] || (std::isnan(values[i]) && std::isnan(want[i])) ||
                       difference <= atol + rtol * std::fabs(want[i]);
    if (alike) continue;
    if (differences++ == 0) first = i;
    if (!(difference <= greatest)) greatest = difference;
  }
  if (differences == 0) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << fmt::format(
             "first of {} differences among {} values, at {} of {}: got {}, want {} (greatest difference {:.3g})",
             differences, values.size(), unravel_index(static_cast<int64_t>(first), got.shape()), got.shape(),
             values[first], want[first], greatest);
}

}  // namespace

::testing::AssertionResult close(const Tensor& got, const Tensor& want, double rtol, double atol) {
  if (!got.defined() || !want.defined()) {
    if (got.defined() == want.defined()) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << (got.defined() ? "the second" : "the first") << " tensor is undefined";
  }
  if (got.shape() != want.shape()) {
    return ::testing::AssertionFailure() << fmt::format("got shape {}, want {}", got.shape(), want.shape());
  }
  return values_close(got, want.to_vector<double>(), rtol, atol);
}

::testing::AssertionResult close(const Tensor& got, const std::vector<double>& want, double rtol, double atol) {
  if (!got.defined()) return ::testing::AssertionFailure() << "the tensor is undefined";
  if (got.numel() != static_cast<int64_t>(want.size())) {
    return ::testing::AssertionFailure() << fmt::format("got shape {}, want {} values", got.shape(), want.size());
  }
  return values_close(got, want, rtol, atol);
}

::testing::AssertionResult gradients_hold(const Function& function, const std::vector<Tensor>& given) {
  std::vector<Tensor> inputs;
  for (const Tensor& x : given) {
    Tensor own = x.detach().to(Device::cpu());
    if (is_floating(own.dtype())) own = own.to(f64).detach().set_requires_grad();
    inputs.push_back(own);
  }
  for (const auto& check : {&autograd::gradcheck, &autograd::gradgradcheck}) {
    const autograd::GradcheckResult result = check(function, inputs, {}, {});
    if (!result) return ::testing::AssertionFailure() << result.message;
  }
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult throws(const std::function<void()>& statement, std::string_view prefix) {
  try {
    statement();
  } catch (const Error& error) {
    if (std::string_view(error.what()).starts_with(prefix)) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "the error is \"" << error.what() << "\", not \"" << prefix << "...\"";
  } catch (const std::exception& error) {
    return ::testing::AssertionFailure() << "it threw what is no fovea::Error: " << error.what();
  }
  return ::testing::AssertionFailure() << "nothing was thrown, expected \"" << prefix << "...\"";
}

}  // namespace fovea::test

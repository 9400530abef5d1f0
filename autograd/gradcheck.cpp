#include "fovea/autograd/gradcheck.h"

#include <algorithm>
#include <cmath>

#include "fovea/autograd/backward.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/tensor/creation.h"

namespace fovea::autograd {
namespace {

/// Random weights like each floating output, the same in every call.
std::vector<Tensor> weights_like(const std::vector<Tensor>& outputs) {
  Generator generator{.seed = 20111};
  std::vector<Tensor> weights;
  for (const Tensor& y : outputs) {
    weights.push_back(is_floating(y.dtype()) ? randn(y.shape(), y.options(), generator) : Tensor());
  }
  return weights;
}

double weighted_sum(const std::vector<Tensor>& outputs, const std::vector<Tensor>& weights) {
  double total = 0;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (weights[i].defined()) total += sum(outputs[i].detach() * weights[i]).item<double>();
  }
  return total;
}

/// Whether gradients are the same, where an undefined one is 0.
GradcheckResult have_same_values(const std::vector<Tensor>& plain, const std::vector<Tensor>& recorded,
                                 GradcheckOptions options) {
  for (size_t i = 0; i < plain.size(); ++i) {
    const Tensor& like = plain[i].defined() ? plain[i] : recorded[i];
    if (!like.defined()) continue;
    const std::vector<double> none(static_cast<size_t>(like.numel()));
    const auto a = plain[i].defined() ? plain[i].to_vector<double>() : none,
               b = recorded[i].defined() ? recorded[i].to_vector<double>() : none;
    for (size_t k = 0; k < a.size(); ++k) {
      if (std::fabs(a[k] - b[k]) <= options.atol + options.rtol * std::fabs(a[k])) continue;
      return {false, fmt::format("input {} element {}: gradient {}, but {} where it is recorded", i, k, a[k], b[k])};
    }
  }
  return {};
}

void check_any_requires_grad(const std::vector<Tensor>& inputs, const char* name, Caller caller) {
  if (std::any_of(inputs.begin(), inputs.end(), [](const Tensor& x) { return x.requires_grad(); })) return;
  raise<ValueError>(caller, "{}: no input requires a gradient, so there is nothing to check", name);
}

}  // namespace

GradcheckResult gradcheck(const Function& function, const std::vector<Tensor>& given, GradcheckOptions options,
                          Caller caller) {
  check_any_requires_grad(given, "gradcheck", caller);
  // Own contiguous leaves, so that single elements can be moved.
  std::vector<Tensor> inputs = given;
  for (Tensor& x : inputs) {
    if (!x.requires_grad()) continue;
    if (x.dtype() != f64) raise<DTypeError>(caller, "gradcheck: inputs must be f64, not {}", x.dtype());
    x = x.detach().clone();
    x.set_requires_grad();
  }
  const std::vector<Tensor> outputs = function(inputs);
  const std::vector<Tensor> weights = weights_like(outputs);
  std::vector<Tensor> recorded, seeds;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i].requires_grad()) continue;
    recorded.push_back(outputs[i]);
    seeds.push_back(weights[i]);
  }
  if (recorded.empty()) return {false, "gradcheck: no output depends on an input that requires a gradient"};
  const std::vector<Tensor> analytic = grad(recorded, inputs, seeds, {.retain_graph = true});

  GradcheckResult result;
  double worst = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    Tensor& x = inputs[i];
    if (!x.requires_grad()) continue;
    const std::vector<double> found =
        analytic[i].defined() ? analytic[i].to_vector<double>() : std::vector<double>(static_cast<size_t>(x.numel()));
    auto* values = x.view().data<double>();
    for (size_t k = 0; k < found.size(); ++k) {
      const double centre = values[k];
      values[k] = centre + options.step;
      const double above = weighted_sum(function(inputs), weights);
      values[k] = centre - options.step;
      const double below = weighted_sum(function(inputs), weights);
      values[k] = centre;
      const double measured = (above - below) / (2 * options.step);
      const double excess = std::fabs(found[k] - measured) - (options.atol + options.rtol * std::fabs(measured));
      if (excess > worst || std::isnan(excess)) {
        worst = std::isnan(excess) ? INFINITY : excess;
        result = {false, fmt::format("input {} element {}: gradient {} but measured {}", i, k, found[k], measured)};
      }
    }
  }
  return result;
}

GradcheckResult gradgradcheck(const Function& function, const std::vector<Tensor>& inputs, GradcheckOptions options,
                              Caller caller) {
  check_any_requires_grad(inputs, "gradgradcheck", caller);
  const std::vector<Tensor> outputs = function(inputs);
  std::vector<Tensor> all = inputs;
  for (const Tensor& weight : weights_like(outputs)) {
    Tensor seed = weight.defined() ? weight : scalar(0);  // an integer output has none, but keeps its place
    if (weight.defined()) seed.set_requires_grad();
    all.push_back(seed);
  }
  const size_t count = inputs.size();
  const auto gradients = [&function, count](const std::vector<Tensor>& arguments, bool create_graph) {
    const std::vector<Tensor> x(arguments.begin(), arguments.begin() + static_cast<std::ptrdiff_t>(count));
    const std::vector<Tensor> y = function(x);
    std::vector<Tensor> recorded, seeds;
    for (size_t i = 0; i < y.size(); ++i) {
      if (!y[i].requires_grad()) continue;
      recorded.push_back(y[i]);
      seeds.push_back(arguments[count + i]);
    }
    return grad(recorded, x, seeds, {.create_graph = create_graph});
  };
  // What is differentiated again may be another formula than that of the first order.
  GradcheckResult result = have_same_values(gradients(all, false), gradients(all, true), options);
  if (!result) return result;
  const Function recorded = [&gradients](const std::vector<Tensor>& arguments) {
    std::vector<Tensor> found = gradients(arguments, true);
    std::erase_if(found, [](const Tensor& g) { return !g.defined(); });
    return found;
  };
  result = gradcheck(recorded, all, options, caller);
  if (!result) result.message = "second order: " + result.message;
  return result;
}

}  // namespace fovea::autograd

#include "fovea/nn/linear.h"

#include "fovea/autograd/matmul.h"
#include "fovea/nn/init.h"

namespace fovea::nn {

Linear::Linear(int64_t in, int64_t out, LinearOptions options, Caller caller) {
  if (in < 0 || out < 0) raise<ValueError>(caller, "Linear: sizes {} and {} must not be negative", in, out);
  weight = init::by_fan({out, in}, in, caller);
  add("weight", weight);
  if (!options.bias) return;
  bias = init::by_fan({out}, in, caller);
  add("bias", bias);
}

Tensor Linear::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return linear(x, weight, bias, caller);
}

std::string Linear::description() const {
  return fmt::format("{}, {}{}", weight.shape()[1], weight.shape()[0], bias.defined() ? "" : ", bias=false");
}

}  // namespace fovea::nn

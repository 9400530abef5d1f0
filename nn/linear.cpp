#include "fovea/nn/linear.h"

#include "fovea/autograd/matmul.h"
#include "fovea/autograd/pointwise.h"
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

Bilinear::Bilinear(int64_t in1, int64_t in2, int64_t out, LinearOptions options, Caller caller) {
  if (in1 < 1 || in2 < 1 || out < 1) {
    raise<ValueError>(caller, "Bilinear: sizes {}, {} and {} must be positive", in1, in2, out);
  }
  weight = init::by_fan({out, in1, in2}, in1, caller);
  add("weight", weight);
  if (!options.bias) return;
  bias = init::by_fan({out}, in1, caller);
  add("bias", bias);
}

Tensor Bilinear::forward(const Tensor& a, const Tensor& b, Caller caller) const {
  const Scope scope(*this, caller);
  const int64_t out = weight.shape()[0], in1 = weight.shape()[1], in2 = weight.shape()[2];
  Shape leading = a.shape();
  if (leading.rank() > 0) leading.erase(leading.rank() - 1);
  Shape want_b = leading;
  want_b.push_back(in2);
  if (a.rank() == 0 || a.shape().back() != in1 || b.shape() != want_b) {
    raise<ShapeError>(caller, "Bilinear: inputs {} and {} are not [..., {}] and [..., {}]", a.shape(), b.shape(), in1,
                      in2);
  }
  // (a W_o) for all o as one product, then a dot product with b each: [n, out, in2] [n, in2, 1].
  const Tensor rows = a.reshape({-1, in1});
  const Tensor half = matmul(rows, weight.permute({1, 0, 2}).reshape({in1, out * in2})).reshape({-1, out, in2});
  const Tensor y = matmul(half, b.reshape({-1, in2, 1})).squeeze(2);
  leading.push_back(out);
  const Tensor shaped = y.reshape(leading);
  return bias.defined() ? shaped + bias : shaped;
}

std::string Bilinear::description() const {
  return fmt::format("{}, {}, {}{}", weight.shape()[1], weight.shape()[2], weight.shape()[0],
                     bias.defined() ? "" : ", bias=false");
}

}  // namespace fovea::nn

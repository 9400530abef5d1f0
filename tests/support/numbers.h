#pragma once

#include <vector>

#include "fovea/autograd/convolution.h"
#include "fovea/tensor/tensor.h"

// Layers by their definitions, element by element in double: slow, plain, and written without the library's operations.
namespace fovea::test {

/// Numbers in row-major order.
struct Numbers {
  Shape shape;
  std::vector<double> values;

  Numbers() = default;
  explicit Numbers(const Shape& s) : shape(s), values(static_cast<size_t>(s.numel()), 0.0) {}
  explicit Numbers(const Tensor& x) : shape(x.shape()), values(x.to_vector<double>()) {}

  int64_t size(int axis) const { return shape[axis < 0 ? axis + shape.rank() : axis]; }
  /// Element (i, j, ...).
  template <class... I>
  double& operator()(I... index) {
    return values[at({static_cast<int64_t>(index)...})];
  }
  template <class... I>
  double operator()(I... index) const {
    return values[at({static_cast<int64_t>(index)...})];
  }
  /// The same numbers in another shape.
  Numbers as(const Shape& s) const;

 private:
  size_t at(std::initializer_list<int64_t> index) const;
};

/// f(element) and f(element of a, element of b) of equal shapes.
template <class F>
Numbers each(Numbers x, const F& f) {
  for (double& v : x.values) v = f(v);
  return x;
}
template <class F>
Numbers each(Numbers a, const Numbers& b, const F& f) {
  for (size_t i = 0; i < a.values.size(); ++i) a.values[i] = f(a.values[i], b.values.at(i));
  return a;
}
inline Numbers operator+(const Numbers& a, const Numbers& b) {
  return each(a, b, [](double x, double y) { return x + y; });
}

double naive_sigmoid(double x);
double naive_relu(double x);
double naive_tanh(double x);

/// x [..., in] times w [out, in] transposed, plus b [out] where it is not empty.
Numbers naive_linear(const Numbers& x, const Numbers& w, const Numbers& b = {});
/// Columns begin to end - 1 of the last axis, or rows of the first.
Numbers naive_columns(const Numbers& x, int64_t begin, int64_t end);
Numbers naive_rows(const Numbers& x, int64_t begin, int64_t end);
/// Side by side on the last axis.
Numbers naive_concat(const Numbers& a, const Numbers& b);

/// Over the last axis, those where keep is 0 left out; a row without any: zeros.
Numbers naive_softmax(Numbers x, const Numbers& keep = {});
/// (x - mean) / sqrt(variance + eps) w + b over the last axis.
Numbers naive_layer_norm(Numbers x, const Numbers& w, const Numbers& b, double eps);

/// x [batch, in, h, w], w [out, in / groups, kh, kw].
Numbers naive_conv2d(const Numbers& x, const Numbers& w, const Numbers& b = {}, const Conv2dOptions& options = {});
/// x [batch, in, d, h, w], w [out, in / groups, kd, kh, kw].
Numbers naive_conv3d(const Numbers& x, const Numbers& w, const Numbers& b = {}, const Conv3dOptions& options = {});

/// weights [..., q, t] times values [..., t, d], with the same leading sizes.
Numbers naive_read(const Numbers& weights, const Numbers& values);
/// scale q [..., q, d] times k [..., t, d] transposed.
Numbers naive_products(const Numbers& q, const Numbers& k, double scale = 1);

}  // namespace fovea::test

// A new operation with its derivative: the forward pass outside the graph, the derivative in public operations.
#include "check.h"

using namespace fovea;

/// The inverse of each matrix of x [..., n, n], by Newton's iteration (Schulz 1933): y <- y (2 - x y) from y = x^T /
/// (|x|_1 |x|_inf), which converges for every regular matrix. Throws ShapeError.
Tensor inverse(const Tensor& x, Caller caller = {}) {
  if (x.rank() < 2 || x.size(-1) != x.size(-2)) {
    raise<ShapeError>(caller, "inverse: {} are no square matrices", x.shape());
  }
  Tensor y = [&] {
    const NoGrad off;
    const Tensor columns = amax(sum(abs(x), -2, true), -1, true), rows = amax(sum(abs(x), -1, true), -2, true);
    const Tensor twice = eye(x.size(-1), -1, x.options()) * 2.0;
    Tensor approximation = x.mT() / (columns * rows);
    for (int i = 0; i < 60; ++i) approximation = matmul(approximation, twice - matmul(x, approximation));
    return approximation;
  }();
  // d(x^-1) = -x^-1 dx x^-1, and so the gradient of x is -y^T g y^T. Where the pass is recorded, y is made again as a
  // function of x, so that the derivative can be differentiated.
  return record(
      "inverse", y, {x},
      [x = Saved(x), y = Saved(y)](const Tensor& g) {
        const Tensor t = (grad_enabled() ? inverse(*x) : *y).mT();
        return Gradients{-matmul(matmul(t, g), t)};
      },
      caller);
}

int main() {
  manual_seed(5);
  const Tensor x = (randn({2, 3, 3}, {.dtype = f64}) + eye(3, -1, {.dtype = f64}) * 3.0).set_requires_grad();
  check(close(matmul(x, inverse(x)), eye(3, -1, {.dtype = f64}).expand({2, 3, 3}), 1e-9), "x x^-1 = 1");
  check_derivatives([](const std::vector<Tensor>& in) { return std::vector{inverse(in[0])}; }, {x});

  const Tensor there = x.detach().to(f32).to(any_device());
  check(close(inverse(there), inverse(x).to(f32), 1e-4), "every device gives the same");
}

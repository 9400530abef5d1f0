// A new activation: one line, every device, derivatives of any order.
#include "check.h"

using namespace fovea;

// x sigmoid(beta x), "swish" (Ramachandran et al. 2017).
const Elementwise swish{"swish", [](Expr x, Scalar beta) { return x * sigmoid(beta * x); }};

int main() {
  const Tensor x = leaf({3, 4});
  check(close(swish(x, 1), silu(x), 1e-12), "swish with beta 1 is silu");
  check_derivatives([](const std::vector<Tensor>& in) { return std::vector{swish(in[0], 1.5)}; }, {x});

  const Tensor there = x.detach().to(f32).to(any_device());
  check(close(swish(there, 1.5), swish(x, 1.5).to(f32), 1e-6), "every device gives the same");

  nn::Sequential net{nn::make<nn::Linear>(4, 8), [](const Tensor& h) { return swish(h, 1.5); },
                     nn::make<nn::Linear>(8, 2)};
  check(net.forward(randn({3, 4})).shape() == Shape{3, 2}, "it stands in a Sequential like any other");
}

// A new layer: a module that owns its parts as plain members and registers them.
#include "check.h"

using namespace fovea;

/// t * f(x) + (1 - t) * x with f = relu(W x + b) and the gate t = sigmoid(W_t x + b_t) (Srivastava et al. 2015,
/// "Highway networks").
///   x, y [..., dim]; transform, gate Linear(dim, dim), the gate's bias -1: at first most of x passes
class Highway : public nn::Module {
 public:
  explicit Highway(int64_t dim, Caller caller = {}) : transform(dim, dim, {}, caller), gate(dim, dim, {}, caller) {
    nn::init::constant_(gate.bias, -1);
    add("transform", transform);
    add("gate", gate);
  }

  Tensor forward(const Tensor& x, Caller caller = {}) const {
    const nn::Scope scope(*this, caller);  // errors name this module's path and the user's line
    const Tensor t = sigmoid(gate.forward(x, caller));
    return t * relu(transform.forward(x, caller)) + (1.0 - t) * x;
  }

  nn::Linear transform, gate;
};

int main() {
  manual_seed(3);
  Highway layer(3);
  layer.to(f64);
  std::vector<Tensor> inputs = layer.parameters();
  inputs.push_back(leaf({2, 3}));
  check_derivatives(
      [&](const std::vector<Tensor>& in) {
        layer.replace_parameters({in.begin(), in.end() - 1});
        return std::vector{layer.forward(in.back())};
      },
      inputs);

  // It trains, saves and loads like the library's own.
  Highway model(3), again(3);
  const Tensor x = randn({64, 3}), y = x.flip(1);
  nn::Adam optimizer(model, {.lr = 0.02});
  const double before = mse_loss(model.forward(x), y).item();
  for (int i = 0; i < 200; ++i) {
    optimizer.zero_grad();
    mse_loss(model.forward(x), y).backward();
    optimizer.step();
  }
  check(mse_loss(model.forward(x), y).item() < 0.6 * before, "it learns");
  again.load_state_dict(model.state_dict());
  check(close(again.forward(x), model.forward(x), 0), "a state dict carries it over");
}

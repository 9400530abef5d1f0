// A new optimizer: the options of a group, the names of what it remembers, and an update in one pass.
#include "check.h"

using namespace fovea;

struct LionOptions {
  double lr = 1e-4;
  double beta1 = 0.9;
  double beta2 = 0.99;
  double weight_decay = 0;
};

/// p -= lr (sign(beta1 m + (1 - beta1) g) + weight_decay p), then m = beta2 m + (1 - beta2) g (Chen et al. 2023, "Lion").
class Lion : public nn::OptimizerWith<LionOptions> {
 public:
  explicit Lion(const nn::Parameters& parameters, LionOptions options = {}, Caller caller = {})
      : OptimizerWith({{parameters, options}}, caller) {}

 private:
  std::vector<const char*> state_names(const Slot&) const override { return {"exp_avg"}; }

  void update(Slot& slot, const Tensor& gradient) override {
    static const Elementwise step{
        "lion", [](Expr p, Expr g, Expr m, Scalar lr, Scalar beta1, Scalar beta2, Scalar decay) {
          const Expr moved = sign(beta1 * m + (1.0 - beta1) * g);
          return std::vector<Expr>{p - lr * (moved + decay * p), beta2 * m + (1.0 - beta2) * g};
        }};
    const LionOptions& o = options(slot.group);
    const Tensor &p = slot.parameter, &m = slot.state[0];
    step.into({&p, &m}, {p, gradient, m, lr(slot.group), o.beta1, o.beta2, o.weight_decay});
  }
};

int main() {
  // A step by hand: the mean is 0, so that the gradient's sign counts.
  const LionOptions options{.lr = 0.1, .weight_decay = 0.5};
  Tensor w = tensor({1, -2, 3}).set_requires_grad();
  Lion by_hand({w}, options);
  w.set_grad(tensor({2, -0.5, 0}));
  by_hand.step();
  check(close(w, tensor({0.85, -1.8, 2.85}), 1e-6), "the first step is the gradient's sign and the decay");
  check(close(by_hand.state_dict().at("0.exp_avg"), tensor({0.02, -0.005, 0}), 1e-6), "it remembers the gradient");

  // It trains, follows a schedule, saves and loads like the library's own.
  manual_seed(3);
  nn::Linear model(3, 3);
  Lion lion(model, {.lr = 0.02});
  nn::Schedule rates(lion, nn::schedule::cosine(200));
  const Tensor x = randn({64, 3}), y = x.flip(1);
  const double before = mse_loss(model.forward(x), y).item();
  for (int i = 0; i < 200; ++i) {
    lion.zero_grad();
    mse_loss(model.forward(x), y).backward();
    lion.step();
    rates.step();
  }
  check(mse_loss(model.forward(x), y).item() < 0.1 * before, "it learns");
  Lion again(model);
  again.load_state_dict(lion.state_dict());
  check(close(again.state_dict().at("weight.exp_avg"), lion.state_dict().at("weight.exp_avg"), 0), "it goes on");
}

#include "conformance/operations.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/nn/optimizers.h"

namespace fovea::conformance {
namespace {

template <class Options>
void set_betas(Options& options, const Attributes& a) {
  const std::vector<double> betas = a.numbers("betas", {0.9, 0.999});
  options.beta1 = betas.at(0);
  options.beta2 = betas.at(1);
  options.eps = a.number("eps", 1e-8);
}

/// An optimizer by name, with PyTorch's defaults.
std::unique_ptr<nn::Optimizer> make_optimizer(const std::string& name, const nn::Parameters& parameters,
                                              const Attributes& a) {
  if (a.flag("amsgrad", false) || a.flag("maximize", false)) throw Unsupported("amsgrad or maximize");
  if (name == "sgd") {
    return std::make_unique<nn::SGD>(parameters, nn::SGDOptions{.lr = a.number("lr", 1e-3),
                                                                .momentum = a.number("momentum", 0),
                                                                .dampening = a.number("dampening", 0),
                                                                .weight_decay = a.number("weight_decay", 0),
                                                                .nesterov = a.flag("nesterov", false)});
  }
  if (name == "adam") {
    nn::AdamOptions options{.lr = a.number("lr", 1e-3), .weight_decay = a.number("weight_decay", 0)};
    set_betas(options, a);
    return std::make_unique<nn::Adam>(parameters, options);
  }
  if (name == "adamw") {
    nn::AdamWOptions options{.lr = a.number("lr", 1e-3), .weight_decay = a.number("weight_decay", 1e-2)};
    set_betas(options, a);
    return std::make_unique<nn::AdamW>(parameters, options);
  }
  if (name == "rmsprop") {
    return std::make_unique<nn::RMSprop>(parameters, nn::RMSpropOptions{.lr = a.number("lr", 1e-2),
                                                                        .alpha = a.number("alpha", 0.99),
                                                                        .eps = a.number("eps", 1e-8),
                                                                        .weight_decay = a.number("weight_decay", 0),
                                                                        .momentum = a.number("momentum", 0),
                                                                        .centered = a.flag("centered", false)});
  }
  if (name == "adagrad") {
    return std::make_unique<nn::Adagrad>(
        parameters, nn::AdagradOptions{.lr = a.number("lr", 1e-2),
                                       .lr_decay = a.number("lr_decay", 0),
                                       .weight_decay = a.number("weight_decay", 0),
                                       .initial_accumulator = a.number("initial_accumulator_value", 0),
                                       .eps = a.number("eps", 1e-10)});
  }
  throw Unsupported("optimizer " + name);
}

/// The parameter after each step; input 0 is the start, input 1 a gradient per step.
std::vector<Tensor> optimized(Call& call, const std::string& name) {
  Tensor parameter = call[0].detach().clone();
  parameter.set_requires_grad();
  const auto optimizer = make_optimizer(name, nn::Parameters(std::vector{parameter}), call.attributes);
  std::vector<Tensor> after;
  for (int64_t step = 0; step < call[1].size(0); ++step) {
    parameter.set_grad(call[1].select(0, step).clone());
    optimizer->step();
    after.push_back(parameter.detach().clone());
  }
  return {stack(after)};
}

}  // namespace

void add_training(Operations& table) {
  for (const std::string name : {"sgd", "adam", "adamw", "rmsprop", "adagrad"}) {
    table["optim_" + name] = [name](Call& call) { return optimized(call, name); };
  }
}

}  // namespace fovea::conformance

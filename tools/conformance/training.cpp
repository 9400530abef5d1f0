#include <cmath>

#include "conformance/operations.h"
#include "fovea/autograd/losses.h"
#include "fovea/autograd/matmul.h"
#include "fovea/autograd/normalize.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/nn/clip.h"
#include "fovea/nn/embedding.h"
#include "fovea/nn/linear.h"
#include "fovea/nn/optimizers.h"
#include "fovea/nn/recurrent.h"
#include "fovea/nn/schedule.h"
#include "fovea/tensor/creation.h"

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

nn::schedule::Curve make_curve(const std::string& name, const Attributes& a) {
  namespace schedule = nn::schedule;
  if (name == "step") return schedule::step(a.integer("step", 1), a.number("gamma", 0.1));
  if (name == "multi_step") return schedule::multi_step(a.integers("milestones"), a.number("gamma", 0.1));
  if (name == "exponential") return schedule::exponential(a.number("gamma", 0.1));
  if (name == "cosine") return schedule::cosine(a.integer("period", 1), a.number("min_lr", 0));
  if (name == "one_cycle") {
    return schedule::one_cycle({.max_lr = a.number("max_lr", a.number("base_lr", 0.1)),
                                .steps = a.integer("total_steps", a.integer("steps", 1)),
                                .pct_start = a.number("pct_start", 0.3),
                                .div_factor = a.number("div_factor", 25),
                                .final_div_factor = a.number("final_div_factor", 1e4)});
  }
  throw Unsupported("schedule " + name);
}

/// The learning rate of each step.
std::vector<Tensor> scheduled(Call& call, const std::string& name) {
  const Attributes& a = call.attributes;
  const Tensor parameter = zeros({1}, call.options).set_requires_grad();
  nn::SGD optimizer(std::vector{parameter}, {.lr = a.number("base_lr", 0.1)});
  nn::Schedule rates(optimizer, make_curve(name, a));
  std::vector<double> seen;
  for (int64_t step = 0; step < a.integer("steps", 1); ++step) {
    seen.push_back(optimizer.lr());
    optimizer.step();
    rates.step();
  }
  return {from_vector(seen).to(call.options.dtype).to(call.options.device)};
}

/// Every input is a gradient; out come the clipped ones and the norm before.
std::vector<Tensor> clipped(Call& call) {
  std::vector<Tensor> parameters, outputs;
  for (const Tensor& gradient : call.inputs) {
    parameters.push_back(zeros_like(gradient).set_requires_grad());
    parameters.back().set_grad(gradient.clone());
  }
  const Tensor norm = nn::clip_grad_norm_(parameters, call.attributes.number("max_norm", 1));
  for (const Tensor& parameter : parameters) outputs.push_back(parameter.grad());
  outputs.push_back(norm);
  return outputs;
}

std::unique_ptr<nn::RecurrentLayer> make_encoder(const std::string& kind, int64_t input, int64_t hidden) {
  if (kind == "gru") return std::make_unique<nn::GRU>(input, hidden, nn::GRUOptions{.bidirectional = true});
  if (kind == "lstm") return std::make_unique<nn::LSTM>(input, hidden, nn::LSTMOptions{.bidirectional = true});
  return std::make_unique<nn::RNN>(input, hidden, nn::RNNOptions{.bidirectional = true});
}

/// Embedding, a bidirectional encoder over the padded batch, attention over the tokens that are not 0, a classifier.
struct AttentionClassifier : nn::Module {
  explicit AttentionClassifier(const Attributes& a)
      : embedding(a.integer("vocab", 1), a.integer("embedding", 1)),
        rnn(make_encoder(a.text("kind", "rnn"), a.integer("embedding", 1), a.integer("hidden", 1))),
        key(2 * a.integer("hidden", 1), a.integer("attention", 1)),
        classifier(2 * a.integer("hidden", 1), a.integer("classes", 1)),
        query(zeros({a.integer("attention", 1)})) {
    add("query", query);
    add("embedding", embedding);
    add("rnn", *rnn);
    add("key", key);
    add("classifier", classifier);
  }

  Tensor forward(const Tensor& tokens) const {
    const Tensor h = rnn->forward(embedding.forward(tokens)).output;
    const Tensor scores = matmul(tanh(key.forward(h)), query);
    const Tensor weights = softmax(masked_fill(scores, eq(tokens, 0), -INFINITY), -1);
    return classifier.forward(matmul(weights.unsqueeze(1), h).squeeze(1));
  }

  nn::Embedding embedding;
  std::unique_ptr<nn::RecurrentLayer> rnn;
  nn::Linear key, classifier;
  Tensor query;
};

/// The loss of each step of a short training; the runner then compares the parameters.
std::vector<Tensor> trained(Call& call) {
  AttentionClassifier model(call.attributes);
  call.load(model);
  const auto optimizer =
      make_optimizer(call.attributes.text("optimizer", "adam"), nn::Parameters(model), call.attributes);
  const int64_t steps = call.attributes.integer("steps", call[0].size(0));
  std::vector<Tensor> losses;
  for (int64_t step = 0; step < steps; ++step) {
    optimizer->zero_grad();
    const Tensor loss = cross_entropy(model.forward(call[0].select(0, step)), call[1].select(0, step));
    loss.backward();
    if (call.attributes.contains("clip_grad_norm")) {
      nn::clip_grad_norm_(model.parameters(), call.attributes.number("clip_grad_norm", 1));
    }
    optimizer->step();
    losses.push_back(loss.detach());
  }
  return {stack(losses)};
}

}  // namespace

void add_training(Operations& table) {
  for (const std::string name : {"sgd", "adam", "adamw", "rmsprop", "adagrad"}) {
    table["optim_" + name] = [name](Call& call) { return optimized(call, name); };
  }
  for (const std::string name : {"step", "multi_step", "exponential", "cosine", "one_cycle"}) {
    table["schedule_" + name] = [name](Call& call) { return scheduled(call, name); };
  }
  table["clip_grad_norm"] = clipped;
  table["train_attention_rnn"] = trained;
}

}  // namespace fovea::conformance

#pragma once

#include "fovea/nn/optimizer.h"

// The optimizers, with PyTorch's formulas and defaults. g is the gradient, p the parameter, t the count of steps.
namespace fovea::nn {

/// An optimizer that keeps options for each group.
template <class Options>
class OptimizerWith : public Optimizer {
 public:
  const Options& options(size_t group = 0, Caller caller = {}) const {
    check_group(group, caller);
    return options_[group];
  }

 protected:
  OptimizerWith(const std::vector<ParameterGroup<Options>>& groups, Caller caller) {
    for (const auto& [parameters, options] : groups) {
      add_group(parameters, options.lr, caller);
      options_.push_back(options);
    }
    if (this->parameters().empty()) raise<ValueError>(caller, "optimizer: there is no parameter to train");
  }

 private:
  std::vector<Options> options_;
};

struct SGDOptions {
  double lr = 1e-3;
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;
  bool nesterov = false;
};

/// g += weight_decay p;  b = momentum b + (1 - dampening) g (at first b = g);  p -= lr b, with nesterov lr (g +
/// momentum b) (Sutskever et al. 2013).
class SGD : public OptimizerWith<SGDOptions> {
 public:
  explicit SGD(const Parameters& parameters, SGDOptions options = {}, Caller caller = {});
  explicit SGD(const std::vector<ParameterGroup<SGDOptions>>& groups, Caller caller = {});

 private:
  std::vector<const char*> state_names(const Slot& slot) const override;
  void update(Slot& slot, const Tensor& gradient) override;
  bool takes_rows(const Slot& slot) const override;
  void update_rows(Slot& slot, const Rows& rows) override;
};

struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
};

/// m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;
/// p -= lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps) (Kingma and Ba 2015), after g += weight_decay p.
class Adam : public OptimizerWith<AdamOptions> {
 public:
  explicit Adam(const Parameters& parameters, AdamOptions options = {}, Caller caller = {});
  explicit Adam(const std::vector<ParameterGroup<AdamOptions>>& groups, Caller caller = {});

 private:
  std::vector<const char*> state_names(const Slot& slot) const override;
  void update(Slot& slot, const Tensor& gradient) override;
  bool takes_rows(const Slot&) const override { return true; }
  void update_rows(Slot& slot, const Rows& rows) override;
};

struct AdamWOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 1e-2;
};

/// Adam with p -= lr weight_decay p in place of a decay in the gradient (Loshchilov and Hutter 2019).
class AdamW : public OptimizerWith<AdamWOptions> {
 public:
  explicit AdamW(const Parameters& parameters, AdamWOptions options = {}, Caller caller = {});
  explicit AdamW(const std::vector<ParameterGroup<AdamWOptions>>& groups, Caller caller = {});

 private:
  std::vector<const char*> state_names(const Slot& slot) const override;
  void update(Slot& slot, const Tensor& gradient) override;
  bool takes_rows(const Slot&) const override { return true; }
  void update_rows(Slot& slot, const Rows& rows) override;
};

struct RMSpropOptions {
  double lr = 1e-2;
  double alpha = 0.99;
  double eps = 1e-8;
  double weight_decay = 0;
  double momentum = 0;
  bool centered = false;
};

/// v = alpha v + (1 - alpha) g^2;  d = g / (sqrt(v) + eps), centered sqrt(v - a^2) with a the running mean of g;
/// p -= lr d, with momentum b = momentum b + d; p -= lr b (Hinton 2012).
class RMSprop : public OptimizerWith<RMSpropOptions> {
 public:
  explicit RMSprop(const Parameters& parameters, RMSpropOptions options = {}, Caller caller = {});
  explicit RMSprop(const std::vector<ParameterGroup<RMSpropOptions>>& groups, Caller caller = {});

 private:
  std::vector<const char*> state_names(const Slot& slot) const override;
  void update(Slot& slot, const Tensor& gradient) override;
};

struct AdagradOptions {
  double lr = 1e-2;
  double lr_decay = 0;
  double weight_decay = 0;
  double initial_accumulator = 0;
  double eps = 1e-10;
};

/// v += g^2;  p -= lr / (1 + (t - 1) lr_decay) g / (sqrt(v) + eps) (Duchi et al. 2011).
class Adagrad : public OptimizerWith<AdagradOptions> {
 public:
  explicit Adagrad(const Parameters& parameters, AdagradOptions options = {}, Caller caller = {});
  explicit Adagrad(const std::vector<ParameterGroup<AdagradOptions>>& groups, Caller caller = {});

 private:
  std::vector<const char*> state_names(const Slot& slot) const override;
  void update(Slot& slot, const Tensor& gradient) override;
  bool takes_rows(const Slot& slot) const override;
  void update_rows(Slot& slot, const Rows& rows) override;
  double initial_state(const Slot& slot) const override;
};

}  // namespace fovea::nn

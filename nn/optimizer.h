#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "fovea/nn/module.h"

namespace fovea::nn {

/// Whether a learning rate is in [0, inf).
inline bool is_rate(double lr) { return lr >= 0 && std::isfinite(lr); }

/// What an optimizer works on: a module's parameters under their full names, without those that require no gradient, or
/// tensors of one's own under names or numbers.
struct Parameters {
  Parameters(const Module& module);
  Parameters(std::vector<NamedTensor> named) : list(std::move(named)) {}
  Parameters(const std::vector<Tensor>& tensors);
  Parameters(std::initializer_list<Tensor> tensors) : Parameters(std::vector<Tensor>(tensors)) {}
  std::vector<NamedTensor> list;
};

/// Parameters with options of their own: `Adam({{model.encoder, {.lr = 1e-4}}, {model.output, {.lr = 1e-3}}})`.
template <class Options>
struct ParameterGroup {
  Parameters parameters;
  Options options;
};

/// Moves parameters against their gradients. Each update is one elementwise program a parameter, in place. Parameters
/// are converted or moved (Module::to) before the optimizer is made: after its first step that is an error.
///
/// A gradient by rows (see EmbeddingOptions::sparse) is applied to those rows alone where that equals the dense update
/// (SGD without momentum and weight decay, Adagrad without weight decay) and by Adam and AdamW, which then leave the
/// moments of other rows as they are (PyTorch's SparseAdam); elsewhere it is made dense first.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Updates every parameter that has a gradient.
  void step(Caller caller = {});
  void zero_grad();
  /// Of every group, in order.
  std::vector<Tensor> parameters() const;

  size_t groups() const { return rates_.size(); }
  /// Throws IndexError where there is no such group, as set_lr does.
  double lr(size_t group = 0, Caller caller = {}) const;
  /// Of every group, or of one. Throws ValueError where the rate is negative or not finite.
  void set_lr(double lr, Caller caller = {});
  void set_lr(size_t group, double lr, Caller caller = {});

  /// What resuming needs: per parameter "<name>.step" and its tensors ("<name>.exp_avg", ...), per group
  /// "group.<i>.lr". Handles share elements with the optimizer's own.
  StateDict state_dict() const;
  /// Throws ValueError with the names that are unknown or misshapen, and changes nothing then.
  void load_state_dict(const StateDict& state, Caller caller = {});

 protected:
  /// One parameter and what is remembered of it.
  struct Slot {
    std::string name;
    Tensor parameter;
    size_t group;
    int64_t steps = 0;
    std::vector<Tensor> state = {};  // made on the first step, as state_names says
  };
  /// The rows of a sparse gradient: distinct, rising indices [count] and values [count, width]. The last indices may be
  /// absent_row again and again (see backends/row_sparse.h), which autograd::gather_rows and add_rows leave out.
  struct Rows {
    Tensor index;
    Tensor values;
  };

  Optimizer() = default;
  void add_group(const Parameters& parameters, double lr, Caller caller);
  void check_group(size_t group, Caller caller) const;

  /// What a slot remembers beside its count of steps, and the value that it starts from.
  virtual std::vector<const char*> state_names(const Slot& slot) const = 0;
  virtual double initial_state(const Slot&) const { return 0; }
  virtual void update(Slot& slot, const Tensor& gradient) = 0;
  /// Whether update_rows takes this slot's sparse gradients.
  virtual bool takes_rows(const Slot&) const { return false; }
  virtual void update_rows(Slot&, const Rows&) {}

 private:
  void prepare(Slot& slot, Caller caller);
  void apply(Slot& slot);

  std::vector<Slot> slots_;
  std::vector<double> rates_;
};

}  // namespace fovea::nn

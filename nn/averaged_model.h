#pragma once

#include <vector>

#include "fovea/nn/module.h"

namespace fovea::nn {

struct AveragedModelOptions {
  double decay = 0.999;      // what an average keeps of itself at an update, from 0 to 1
  bool use_buffers = false;  // average floating buffers too, a batch norm's means; else they are the model's
};

/// Exponential moving averages of a model's parameters, which often predict better than the last ones (Polyak and Juditsky
/// 1992): the first update copies them, each further one makes an average `decay * average + (1 - decay) * parameter`.
///
///     nn::AveragedModel averages(model, {.decay = 0.999});
///     for (...) { ...; optimizer.step(); averages.update_parameters(); }
///     { const nn::AveragedModel::Swap swap(averages); evaluate(model); }
///
/// Frozen parameters are averaged too. The model must live longer, and stay on its device and in its dtype.
class AveragedModel {
 public:
  /// Throws ValueError where decay is outside [0, 1].
  explicit AveragedModel(Module& model, AveragedModelOptions options = {}, Caller caller = {});

  /// In a captured step in each of its runs.
  void update_parameters(Caller caller = {});
  /// Makes the averages the model's own.
  void copy_to_model(Caller caller = {});
  /// How many updates there were.
  int64_t n_averaged() const { return n_averaged_; }
  /// In the order of the model's parameters().
  std::vector<Tensor> parameters() const;

  /// "n_averaged", and what is averaged as "module." and its name in the model.
  StateDict state_dict() const;
  /// Throws ValueError, before anything changes, where names or shapes differ.
  void load_state_dict(const StateDict& state, Caller caller = {});

  /// While it lives the model computes with the averages, in the memory of its own parameters, so that captured steps see
  /// them too; copies of those are kept aside. What changes the parameters meanwhile is lost with it. Throws ValueError
  /// where there is one already.
  class Swap {
   public:
    explicit Swap(AveragedModel& averages, Caller caller = {});
    ~Swap();
    Swap(const Swap&) = delete;
    Swap& operator=(const Swap&) = delete;

   private:
    AveragedModel& averages_;
    std::vector<Tensor> own_;  // what the model held
  };

 private:
  struct Average {
    std::string name;
    Tensor of;  // the model's
    Tensor value;
  };
  void check(const Average& average, Caller caller) const;

  std::vector<Average> averages_;  // parameters, then buffers
  size_t parameters_;
  double decay_;
  int64_t n_averaged_ = 0;
  bool swapped_ = false;
};

}  // namespace fovea::nn

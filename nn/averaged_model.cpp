#include "fovea/nn/averaged_model.h"

#include <fmt/ranges.h>

#include <cmath>

#include "fovea/autograd/elementwise.h"
#include "fovea/backends/recording.h"
#include "fovea/tensor/creation.h"
#include "fovea/tensor/raw.h"

namespace fovea::nn {

AveragedModel::AveragedModel(Module& model, AveragedModelOptions options, Caller caller) : decay_(options.decay) {
  if (!(decay_ >= 0 && decay_ <= 1)) raise<ValueError>(caller, "AveragedModel: decay {} is outside [0, 1]", decay_);
  const NoGrad off;
  const auto take = [&](const std::vector<NamedTensor>& list) {
    for (const auto& [name, tensor] : list) {
      if (is_floating(tensor.dtype())) averages_.push_back({name, tensor, raw::clone(tensor)});
    }
  };
  take(model.named_parameters());
  parameters_ = averages_.size();
  if (options.use_buffers) take(model.named_buffers());
}

void AveragedModel::check(const Average& average, Caller caller) const {
  if (average.of.dtype() == average.value.dtype() && average.of.device() == average.value.device()) return;
  raise<ValueError>(caller, "AveragedModel: \"{}\" was converted or moved; make the AveragedModel after that",
                    average.name);
}

void AveragedModel::update_parameters(Caller caller) {
  if (is_recording()) return each_run([this, caller] { update_parameters(caller); });
  // From the nearer end, so that a decay of 0 or 1 gives the one or the other exactly.
  static const Elementwise to_parameter{"average",
                                        [](Expr average, Expr p, Scalar w) { return average + w * (p - average); }};
  static const Elementwise to_average{"average", [](Expr average, Expr p, Scalar w) { return p - w * (p - average); }};
  const NoGrad off;
  const ErrorScope scope(caller);
  if (swapped_) raise<ValueError>(caller, "AveragedModel: an update while the model computes with the averages");
  for (const Average& average : averages_) check(average, caller);
  for (Average& average : averages_) {
    const Tensor now = average.of.detach();
    if (n_averaged_ == 0) {
      average.value.copy_(now);
    } else if (decay_ > 0.5) {
      to_parameter.into({&average.value}, {average.value, now, 1 - decay_});
    } else {
      to_average.into({&average.value}, {average.value, now, decay_});
    }
  }
  ++n_averaged_;
}

std::vector<Tensor> AveragedModel::parameters() const {
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < parameters_; ++i) tensors.push_back(averages_[i].value);
  return tensors;
}

StateDict AveragedModel::state_dict() const {
  StateDict state;
  state["n_averaged"] = scalar(static_cast<double>(n_averaged_), {.dtype = f64});
  for (const Average& average : averages_) state["module." + average.name] = average.value;
  return state;
}

void AveragedModel::load_state_dict(const StateDict& state, Caller caller) {
  const ErrorScope scope(caller);
  const NoGrad off;
  std::vector<std::string> faults;
  const auto find = [&](const std::string& name, const Shape& shape) -> const Tensor* {
    const auto found = state.find(name);
    if (found == state.end() || !found->second.defined()) {
      faults.push_back(name + " is missing");
    } else if (found->second.shape() != shape) {
      faults.push_back(fmt::format("{} is {}, not {}", name, found->second.shape(), shape));
    } else {
      return &found->second;
    }
    return nullptr;
  };
  std::vector<const Tensor*> values;
  for (const Average& average : averages_) values.push_back(find("module." + average.name, average.value.shape()));
  const Tensor* count = find("n_averaged", {});
  const double updates = count ? count->item(caller) : 0;
  if (!(updates >= 0 && updates < 0x1p53 && updates == std::floor(updates))) {
    faults.push_back(fmt::format("n_averaged is {}", updates));
  }
  if (state.size() > averages_.size() + 1) {
    faults.push_back(
        fmt::format("{} of its {} entries are none of the model's", state.size() - averages_.size() - 1, state.size()));
  }
  if (!faults.empty()) {
    raise<ValueError>(caller, "load_state_dict: the state does not fit the averages: {}", fmt::join(faults, "; "));
  }
  for (size_t i = 0; i < averages_.size(); ++i) {
    averages_[i].value.copy_(values[i]->detach().to(averages_[i].value.device()), caller);
  }
  n_averaged_ = static_cast<int64_t>(updates);
}

void AveragedModel::copy_to_model(Caller caller) {
  const ErrorScope scope(caller);
  for (const Average& average : averages_) check(average, caller);
  const NoGrad off;
  for (Average& average : averages_) average.of.copy_(average.value);
}

AveragedModel::Swap::Swap(AveragedModel& averages, Caller caller) : averages_(averages) {
  const ErrorScope scope(caller);
  if (averages.swapped_) raise<ValueError>(caller, "AveragedModel: the model computes with the averages already");
  // All memory is asked for before anything changes: putting the model's own back needs none.
  for (const Average& average : averages.averages_) {
    averages.check(average, caller);
    own_.push_back(raw::clone(average.of));
  }
  averages.copy_to_model(caller);
  averages.swapped_ = true;
}

AveragedModel::Swap::~Swap() {
  const NoGrad off;
  for (size_t i = 0; i < own_.size(); ++i) averages_.averages_[i].of.copy_(own_[i]);
  averages_.swapped_ = false;
}

}  // namespace fovea::nn

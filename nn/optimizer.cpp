#include "fovea/nn/optimizer.h"

#include <fmt/ranges.h>

#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "fovea/autograd/graph.h"
#include "fovea/autograd/sparse_rows.h"
#include "fovea/backends/recording.h"
#include "fovea/tensor/creation.h"
#include "fovea/tensor/raw.h"

namespace fovea::nn {
Parameters::Parameters(const Module& module) : list(module.named_parameters()) {
  std::erase_if(list, [](const NamedTensor& entry) { return !entry.tensor.requires_grad(); });
  const std::string path = module.path();
  if (path.empty()) return;
  for (NamedTensor& entry : list) entry.name = fmt::format("{}.{}", path, entry.name);
}

Parameters::Parameters(const std::vector<Tensor>& tensors) {
  for (const Tensor& tensor : tensors) list.push_back({"", tensor});
}

void Optimizer::add_group(const Parameters& parameters, double lr, Caller caller) {
  std::unordered_map<const TensorImpl*, size_t> seen;
  std::unordered_set<std::string> names;
  for (size_t i = 0; i < slots_.size(); ++i) {
    seen.emplace(slots_[i].parameter.impl(), i);
    names.insert(slots_[i].name);
  }
  for (const auto& [given, tensor] : parameters.list) {
    const std::string name = given.empty() ? std::to_string(slots_.size()) : given;
    if (!tensor.requires_grad() || !tensor.is_leaf()) {
      raise<ValueError>(caller, "optimizer: \"{}\" is no leaf that requires a gradient", name);
    }
    const auto [same, first] = seen.emplace(tensor.impl(), slots_.size());
    if (!first) {
      raise<ValueError>(caller, "optimizer: \"{}\" and \"{}\" are one parameter", slots_[same->second].name, name);
    }
    if (!names.insert(name).second) {
      raise<ValueError>(caller,
                        "optimizer: two parameters are called \"{}\"; make their modules members of one, whose paths "
                        "tell them apart, or give .parameters(), which are numbered",
                        name);
    }
    slots_.push_back({name, tensor, rates_.size()});
  }
  rates_.push_back(lr);
}

void Optimizer::prepare(Slot& slot, Caller caller) {
  if (slot.steps == 0) {
    // All or none: where memory runs out, the next step begins anew.
    std::vector<Tensor> made;
    for (size_t i = state_names(slot).size(); i > 0; --i) {
      made.push_back(full(slot.parameter.shape(), initial_state(slot), slot.parameter.options()));
    }
    slot.state = std::move(made);
  }
  for (const Tensor& state : slot.state) {
    if (state.dtype() != slot.parameter.dtype() || state.device() != slot.parameter.device()) {
      raise<ValueError>(caller, "optimizer: \"{}\" was converted or moved; make the optimizer after that", slot.name);
    }
  }
}

void Optimizer::step(Caller caller) {
  if (is_recording()) {
    // The numbers of an update change from step to step, so it runs anew with every run of a captured step.
    return each_run([this, caller] { step(caller); });
  }
  const NoGrad off;
  const ErrorScope scope(caller);
  for (Slot& slot : slots_) {
    if (!slot.parameter.sparse_grad() && !slot.parameter.grad().defined()) continue;
    prepare(slot, caller);
    ++slot.steps;  // updates count from 1
    try {
      apply(slot);
    } catch (...) {
      --slot.steps;
      throw;
    }
  }
}

void Optimizer::apply(Slot& slot) {
  const RowSparse* sparse = slot.parameter.sparse_grad();
  Tensor gradient = slot.parameter.grad();
  if (sparse && !gradient.defined() && takes_rows(slot)) {
    if (sparse->count > 0)
      update_rows(slot, {autograd::row_index(*sparse), autograd::row_values(*sparse, slot.parameter)});
    return;
  }
  if (sparse) {
    const Tensor dense = autograd::to_dense(*sparse, slot.parameter);
    if (gradient.defined()) raw::accumulate(dense, gradient);
    gradient = dense;
  }
  update(slot, gradient);
}

void Optimizer::zero_grad() {
  for (Slot& slot : slots_) slot.parameter.zero_grad();
}

std::vector<Tensor> Optimizer::parameters() const {
  std::vector<Tensor> tensors;
  tensors.reserve(slots_.size());
  for (const Slot& slot : slots_) tensors.push_back(slot.parameter);
  return tensors;
}

void Optimizer::check_group(size_t group, Caller caller) const {
  if (group < rates_.size()) return;
  raise<IndexError>(caller, "optimizer: group {} of {}", group, rates_.size());
}

double Optimizer::lr(size_t group, Caller caller) const {
  check_group(group, caller);
  return rates_[group];
}

void Optimizer::set_lr(double lr, Caller caller) {
  for (size_t g = 0; g < rates_.size(); ++g) set_lr(g, lr, caller);
}

void Optimizer::set_lr(size_t group, double lr, Caller caller) {
  check_group(group, caller);
  if (!is_rate(lr)) raise<ValueError>(caller, "optimizer: lr = {} is outside [0, inf)", lr);
  rates_[group] = lr;
}

StateDict Optimizer::state_dict() const {
  StateDict state;
  for (const Slot& slot : slots_) {
    if (slot.steps == 0) continue;
    state[slot.name + ".step"] = scalar(static_cast<double>(slot.steps), {.dtype = f64});
    const std::vector<const char*> names = state_names(slot);
    for (size_t i = 0; i < slot.state.size(); ++i) state[fmt::format("{}.{}", slot.name, names[i])] = slot.state[i];
  }
  for (size_t g = 0; g < rates_.size(); ++g) {
    state[fmt::format("group.{}.lr", g)] = scalar(rates_[g], {.dtype = f64});
  }
  return state;
}

void Optimizer::load_state_dict(const StateDict& state, Caller caller) {
  const ErrorScope scope(caller);
  std::vector<std::string> faults;
  size_t used = 0;
  const auto find = [&](const std::string& name, const Shape& shape) -> const Tensor* {
    const auto found = state.find(name);
    if (found == state.end()) return nullptr;
    ++used;
    if (found->second.shape() == shape) return &found->second;
    faults.push_back(fmt::format("{} is {}, not {}", name, found->second.shape(), shape));
    return nullptr;
  };
  std::vector<Slot> slots = slots_;
  std::vector<double> rates = rates_;
  for (Slot& slot : slots) {
    slot.state.clear();
    slot.steps = 0;
    if (const Tensor* steps = find(slot.name + ".step", {})) {
      const double count = steps->item();
      if (count >= 0 && count < 0x1p53 && count == std::floor(count)) {
        slot.steps = static_cast<int64_t>(count);
      } else {
        faults.push_back(fmt::format("{}.step is {}", slot.name, count));
      }
    }
    if (slot.steps == 0) continue;
    for (const char* name : state_names(slot)) {
      const Tensor* tensor = find(fmt::format("{}.{}", slot.name, name), slot.parameter.shape());
      if (!tensor) {
        faults.push_back(fmt::format("{}.{} is missing", slot.name, name));
        continue;
      }
      slot.state.push_back(tensor->detach().to(slot.parameter.dtype()).to(slot.parameter.device()).clone());
    }
  }
  for (size_t g = 0; g < rates.size(); ++g) {
    if (const Tensor* rate = find(fmt::format("group.{}.lr", g), {})) {
      rates[g] = rate->item();
      if (!is_rate(rates[g])) faults.push_back(fmt::format("group.{}.lr is {}", g, rates[g]));
    } else {
      faults.push_back(fmt::format("group.{}.lr is missing", g));
    }
  }
  if (faults.empty() && used != state.size()) {
    faults.push_back(fmt::format("{} of its {} entries are of no parameter here", state.size() - used, state.size()));
  }
  if (!faults.empty()) {
    raise<ValueError>(caller, "load_state_dict: the state does not fit the optimizer: {}", fmt::join(faults, "; "));
  }
  slots_ = std::move(slots);
  rates_ = std::move(rates);
}

}  // namespace fovea::nn

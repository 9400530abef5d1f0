#include "fovea/nn/module.h"

#include <cxxabi.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <typeinfo>
#include <unordered_map>
#include <unordered_set>

#include "fovea/autograd/capture.h"
#include "fovea/autograd/graph.h"
#include "fovea/tensor/raw.h"

namespace fovea::nn {

// A member child dies before its parent's base, one that lives elsewhere may die after: each tells the other.
Module::~Module() {
  for (const Named<Module>& child : children_) child.member->parent_ = nullptr;
  if (parent_) std::erase_if(parent_->children_, [this](const Named<Module>& child) { return child.member == this; });
}

void Module::check_name(const std::string& name, Caller caller) const {
  if (name.empty() || name.find('.') != std::string::npos) {
    raise<ValueError>(caller, "add: \"{}\" is no name for a member of a module: it is empty or has a dot", name);
  }
  const auto taken = [&name](const auto& list) {
    return std::any_of(list.begin(), list.end(), [&name](const auto& member) { return member.name == name; });
  };
  if (taken(parameters_) || taken(buffers_) || taken(children_)) {
    raise<ValueError>(caller, "add: {} has a \"{}\" already", type_name(), name);
  }
}

void Module::add(std::string name, Tensor& parameter, Caller caller) {
  check_name(name, caller);
  if (!parameter.defined()) raise<ValueError>(caller, "add: parameter \"{}\" is undefined", name);
  parameter.set_requires_grad(true, caller);
  parameters_.push_back({std::move(name), &parameter});
}

void Module::add_buffer(std::string name, Tensor& buffer, Caller caller) {
  check_name(name, caller);
  if (!buffer.defined()) raise<ValueError>(caller, "add_buffer: buffer \"{}\" is undefined", name);
  buffers_.push_back({std::move(name), &buffer});
}

void Module::add(std::string name, Module& child, Caller caller) {
  check_name(name, caller);
  if (child.parent_) raise<ValueError>(caller, "add: \"{}\" is part of another module already", name);
  for (const Module* above = this; above; above = above->parent_) {
    if (above != &child) continue;
    const std::string inside = path();
    raise<ValueError>(caller, "add: \"{}\" would stand within itself, as {}", name,
                      inside.empty() ? name : inside + "." + name);
  }
  child.parent_ = this;
  children_.push_back({std::move(name), &child});
}

template <class Visit>
void Module::visit_tensors(const std::vector<Named<Tensor>> Module::*list, const std::string& prefix,
                           const Visit& visit) const {
  for (const Named<Tensor>& member : this->*list) visit(prefix + member.name, *member.member);
  for (const Named<Module>& child : children_) {
    child.member->visit_tensors(list, prefix + child.name + ".", visit);
  }
}

std::vector<NamedTensor> Module::distinct(const std::vector<Named<Tensor>> Module::*list) const {
  std::vector<NamedTensor> found;
  std::unordered_set<const TensorImpl*> seen;
  visit_tensors(list, "", [&](std::string name, const Tensor& tensor) {
    if (seen.insert(tensor.impl()).second) found.push_back({std::move(name), tensor});
  });
  return found;
}

namespace {

std::vector<Tensor> tensors_of(std::vector<NamedTensor> named) {
  std::vector<Tensor> tensors;
  tensors.reserve(named.size());
  for (NamedTensor& entry : named) tensors.push_back(std::move(entry.tensor));
  return tensors;
}

}  // namespace

std::vector<NamedTensor> Module::named_parameters() const { return distinct(&Module::parameters_); }
std::vector<NamedTensor> Module::named_buffers() const { return distinct(&Module::buffers_); }
std::vector<Tensor> Module::parameters() const { return tensors_of(named_parameters()); }
std::vector<Tensor> Module::buffers() const { return tensors_of(named_buffers()); }

std::vector<Module*> Module::children() const {
  std::vector<Module*> found;
  for (const Named<Module>& child : children_) found.push_back(child.member);
  return found;
}

int64_t Module::parameter_count() const {
  int64_t count = 0;
  for (const Tensor& parameter : parameters()) count += parameter.numel();
  return count;
}

void Module::replace_parameters(const std::vector<Tensor>& tensors, Caller caller) {
  const std::vector<NamedTensor> before = named_parameters();
  if (tensors.size() != before.size()) {
    raise<ShapeError>(caller, "replace_parameters: {} tensors for the {} of {}", tensors.size(), before.size(),
                      type_name());
  }
  std::unordered_map<const TensorImpl*, const Tensor*> places;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, own] = before[i];
    raw::check_defined("replace_parameters", tensors[i], caller);
    if (tensors[i].shape() != own.shape()) {
      raise<ShapeError>(caller, "replace_parameters: {} for \"{}\" {} of {}", tensors[i].shape(), name, own.shape(),
                        type_name());
    }
    if (tensors[i].dtype() != own.dtype()) {
      raise<DTypeError>(caller, "replace_parameters: {} for \"{}\", which is {}", tensors[i].dtype(), name,
                        own.dtype());
    }
    places.emplace(own.impl(), &tensors[i]);
  }
  visit_tensors(&Module::parameters_, "", [&](const std::string&, Tensor& member) {
    const Tensor& other = *places.at(member.impl());
    if (other.impl() == member.impl()) return;
    // Captured steps that read the one tell that another stands in its place, until it is put back.
    const auto place = reinterpret_cast<uintptr_t>(&member);
    autograd::mark_changed(*member.impl(), place);
    autograd::mark_changed(*other.impl(), place);
    member = other;
  });
}

void Module::train(bool on) {
  training_.set(on);
  for (const Named<Module>& child : children_) child.member->train(on);
}

void Module::set_requires_grad(bool on, Caller caller) {
  for (Tensor& parameter : parameters()) parameter.set_requires_grad(on, caller);
}

void Module::apply(const std::function<void(Module&)>& function) {
  for (const Named<Module>& child : children_) child.member->apply(function);
  function(*this);
}

template <class Convert>
void Module::convert(const Convert& convert) {
  const NoGrad off;
  struct Change {
    Tensor tensor, made;
    std::shared_ptr<autograd::LeafState> kept;
  };
  std::vector<Change> changes;  // all of them before the first takes effect
  for (const auto list : {&Module::parameters_, &Module::buffers_}) {
    for (const NamedTensor& entry : distinct(list)) {
      const Tensor before = entry.tensor.detach();
      const Tensor made = convert(before);
      if (made.impl() == before.impl()) continue;
      std::shared_ptr<autograd::LeafState> kept;
      if (const auto& leaf = entry.tensor.impl()->leaf; leaf && !leaf->hooks.empty()) {
        kept = std::make_shared<autograd::LeafState>();
        kept->hooks = leaf->hooks;
      }
      changes.push_back({entry.tensor, made, std::move(kept)});
    }
  }
  if (!changes.empty()) forget_captured_steps();
  for (auto& [tensor, made, kept] : changes) {
    TensorImpl& impl = *tensor.impl();
    impl.buffer = made.buffer();
    impl.view = made.view();
    impl.leaf = std::move(kept);
  }
}

void Module::to(Device device, Caller caller) {
  convert([&](const Tensor& x) { return x.to(device, caller); });
}

void Module::to(DType dtype, Caller caller) {
  if (!is_floating(dtype)) raise<DTypeError>(caller, "to: parameters cannot be {}", dtype);
  convert([&](const Tensor& x) { return is_floating(x.dtype()) ? x.to(dtype, caller) : x; });
}

void Module::zero_grad() {
  visit_tensors(&Module::parameters_, "", [](const std::string&, Tensor parameter) { parameter.zero_grad(); });
}

std::string Module::path() const {
  if (!parent_) return {};
  std::string name;
  for (const Named<Module>& sibling : parent_->children_) {
    if (sibling.member == this) name = sibling.name;
  }
  const std::string above = parent_->path();
  return above.empty() ? name : above + "." + name;
}

std::string Module::type_name() const {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(typeid(*this).name(), nullptr, nullptr, &status), &std::free);
  std::string name = status == 0 ? text.get() : typeid(*this).name();
  if (name.ends_with('>')) name.resize(name.find('<'));
  return name.substr(name.find_last_of(':') + 1);
}

namespace {

std::string grouped(int64_t count) {
  std::string digits = std::to_string(count);
  for (size_t i = digits.size(); i > 3;) digits.insert(i -= 3, 1, ',');
  return digits;
}

void print(const Module& module, const std::string& name, int depth, std::string& out) {
  out.append(static_cast<size_t>(2 * depth), ' ');
  if (!name.empty()) out += name + ": ";
  out += fmt::format("{}({})", module.type_name(), module.description());
  if (const int64_t count = module.parameter_count(); count > 0) out += fmt::format("  {} parameters", grouped(count));
  out += '\n';
  for (const Module* child : module.children()) {
    const std::string path = child->path();
    print(*child, path.substr(path.find_last_of('.') + 1), depth + 1, out);
  }
}

}  // namespace

std::string to_string(const Module& module) {
  std::string out;
  print(module, "", 0, out);
  return out;
}

// State dicts.

namespace {

/// Whether two entries of a state are one tensor, or hold the same.
bool are_alike(const Tensor& a, const Tensor& b) {
  const View &one = a.view(), &other = b.view();
  if (one.shape != other.shape) return false;
  if (one.buffer == other.buffer && one.offset == other.offset && one.dtype == other.dtype &&
      one.strides == other.strides) {
    return true;
  }
  const std::vector<double> values = a.to_vector<double>(), others = b.to_vector<double>();
  return std::equal(values.begin(), values.end(), others.begin(),
                    [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); });
}

}  // namespace

StateDict Module::state_dict() const {
  StateDict state;
  const auto take = [&state](std::string name, const Tensor& tensor) {
    state.emplace(std::move(name), tensor.detach());
  };
  visit_tensors(&Module::parameters_, "", take);
  visit_tensors(&Module::buffers_, "", take);
  return state;
}

LoadReport Module::load_state_dict(const StateDict& state, LoadOptions options, Caller caller) {
  LoadReport report;
  const NoGrad off;
  std::vector<std::pair<Tensor, Tensor>> copies;  // from, to
  StateDict own;
  std::unordered_map<const TensorImpl*, const StateDict::value_type*> values;  // of each tensor, by whatever name
  const auto find = [&](const std::string& name, const Tensor& tensor) {
    const auto found = state.find(name);
    if (found != state.end() && found->second.defined()) values.emplace(tensor.impl(), &*found);
  };
  visit_tensors(&Module::parameters_, "", find);
  visit_tensors(&Module::buffers_, "", find);
  const auto compare = [&](const std::string& name, const Tensor& tensor) {
    own.emplace(name, tensor);
    const auto found = state.find(name);
    const auto first = values.find(tensor.impl());
    if (found == state.end() || !found->second.defined()) {
      if (first == values.end()) report.missing.push_back(name);
    } else if (first->second != &*found && !are_alike(first->second->second, found->second)) {
      report.misshapen.push_back(
          fmt::format("{}: other values than {}, which is the same tensor in the module", name, first->second->first));
    } else if (found->second.shape() != tensor.shape()) {
      report.misshapen.push_back(
          fmt::format("{}: {} in the state, {} in the module", name, found->second.shape(), tensor.shape()));
    } else if (is_floating(found->second.dtype()) != is_floating(tensor.dtype())) {
      report.misshapen.push_back(
          fmt::format("{}: {} in the state, {} in the module", name, found->second.dtype(), tensor.dtype()));
    } else {
      copies.emplace_back(found->second, tensor);
    }
  };
  visit_tensors(&Module::parameters_, "", compare);
  visit_tensors(&Module::buffers_, "", compare);
  for (const auto& [name, tensor] : state) {
    if (!own.contains(name)) report.unexpected.push_back(name);
  }
  if (options.strict && !report.clean()) {
    raise<ValueError>(caller, "load_state_dict: the state does not fit {}\n{}", type_name(), to_string(report));
  }
  for (auto& [from, to] : copies) to.copy_(from.to(to.device(), caller), caller);
  return report;
}

std::string to_string(const LoadReport& report) {
  constexpr size_t most = 10;  // names of each kind
  std::string text;
  const auto line = [&](const char* what, const std::vector<std::string>& names) {
    if (names.empty()) return;
    if (!text.empty()) text += '\n';
    const size_t shown = std::min(names.size(), most);
    text +=
        fmt::format("  {}: {}", what, fmt::join(names.begin(), names.begin() + static_cast<ptrdiff_t>(shown), ", "));
    if (names.size() > shown) text += fmt::format(" and {} more", names.size() - shown);
  };
  line("missing", report.missing);
  line("unexpected", report.unexpected);
  line("misshapen", report.misshapen);
  return text;
}

Evaluating::Evaluating(Module& module) {
  module.apply([this](Module& each) { modes_.emplace_back(&each, each.training()); });
  module.eval();
}

Evaluating::~Evaluating() {
  // From the top down, as train() reaches what is below.
  for (auto mode = modes_.rbegin(); mode != modes_.rend(); ++mode) mode->first->train(mode->second);
}

}  // namespace fovea::nn

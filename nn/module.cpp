#include "fovea/nn/module.h"

#include <cxxabi.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <typeinfo>
#include <unordered_set>

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
  const std::vector<Tensor> before = parameters();
  bool fits = tensors.size() == before.size();
  for (size_t i = 0; fits && i < tensors.size(); ++i) fits = tensors[i].shape() == before[i].shape();
  if (!fits) raise<ShapeError>(caller, "replace_parameters: the tensors do not fit those of {}", type_name());
  visit_tensors(&Module::parameters_, "", [&](const std::string&, Tensor& member) {
    const auto same = [&member](const Tensor& x) { return x.impl() == member.impl(); };
    const auto found = std::find_if(before.begin(), before.end(), same);
    member = tensors[static_cast<size_t>(found - before.begin())];
  });
}

void Module::train(bool on) {
  training_ = on;
  for (const Named<Module>& child : children_) child.member->train(on);
}

void Module::apply(const std::function<void(Module&)>& function) {
  for (const Named<Module>& child : children_) child.member->apply(function);
  function(*this);
}

template <class Convert>
void Module::convert(const Convert& convert) {
  const NoGrad off;
  for (const auto list : {&Module::parameters_, &Module::buffers_}) {
    for (const NamedTensor& entry : distinct(list)) {
      const Tensor made = convert(entry.tensor.detach());
      TensorImpl& impl = *entry.tensor.impl();
      impl.buffer = made.buffer();
      impl.view = made.view();
      impl.leaf.reset();
    }
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
  std::vector<std::pair<Tensor, Tensor>> copies;  // from, to
  StateDict own;
  const auto compare = [&](const std::string& name, const Tensor& tensor) {
    own.emplace(name, tensor);
    const auto found = state.find(name);
    if (found == state.end() || !found->second.defined()) {
      report.missing.push_back(name);
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
  const NoGrad off;
  for (auto& [from, to] : copies) to.copy_(from.to(to.device(), caller), caller);
  return report;
}

std::string to_string(const LoadReport& report) {
  std::string text;
  const auto line = [&text](const char* what, const std::vector<std::string>& names) {
    if (names.empty()) return;
    if (!text.empty()) text += '\n';
    text += fmt::format("  {}: {}", what, fmt::join(names, ", "));
  };
  line("missing", report.missing);
  line("unexpected", report.unexpected);
  line("misshapen", report.misshapen);
  return text;
}

}  // namespace fovea::nn

#pragma once

#include <concepts>
#include <deque>
#include <initializer_list>
#include <memory>
#include <optional>
#include <vector>

#include "fovea/autograd/elementwise.h"
#include "fovea/nn/module.h"

namespace fovea::nn {

/// A module that turns one tensor into another.
template <class T>
concept TensorModule = std::derived_from<T, Module> && requires(T& module, const Tensor& x) {
  { module.forward(x) } -> std::same_as<Tensor>;
};

/// A module itself, no pointer to one.
template <class T>
concept PlainModule = std::derived_from<std::remove_cvref_t<T>, Module>;

/// One step of a Sequential: a module that it shares the ownership of, not null, or a function of a tensor.
class Layer {
 public:
  template <TensorModule T>
  Layer(std::shared_ptr<T> module, Caller caller = {}) : module_(module) {
    if (!module) raise<ValueError>(caller, "Layer: a module that is null");
    forward_ = [m = module.get()](const Tensor& x, Caller caller) {
      if constexpr (requires { m->forward(x, caller); }) {
        return m->forward(x, caller);
      } else {
        return m->forward(x);
      }
    };
  }
  /// `relu`, `tanh`, ...
  Layer(Tensor (*function)(Operand))
      : function_(function), forward_([function](const Tensor& x, Caller caller) {
          return function({x, caller});
        }) {}
  /// Of one tensor: `Elementwise{"swish", [](Expr x) { return x * sigmoid(x); }}`.
  Layer(Elementwise f)
      : elementwise_(std::move(f)), forward_([f = *elementwise_](const Tensor& x, Caller caller) {
          return f({x, caller});
        }) {}
  /// A module has one place, so layers share it.
  template <PlainModule T>
  Layer(T&&) {
    static_assert(!PlainModule<T>,
                  "a Sequential shares its modules: write make<Linear>(4, 8) or a std::shared_ptr, not Linear(4, 8)");
  }
  template <std::invocable<const Tensor&> F>
  Layer(F function) : forward_([function](const Tensor& x, Caller) { return function(x); }) {}

  Tensor forward(const Tensor& x, Caller caller = {}) const { return forward_(x, caller); }
  /// Null for a function.
  Module* module() const { return module_.get(); }
  /// `relu`, `tanh`, ..., else null.
  Tensor (*function() const)(Operand) { return function_; }
  /// Null for all else.
  const Elementwise* elementwise() const { return elementwise_ ? &*elementwise_ : nullptr; }

 private:
  std::shared_ptr<Module> module_;
  Tensor (*function_)(Operand) = nullptr;
  std::optional<Elementwise> elementwise_;
  std::function<Tensor(const Tensor&, Caller)> forward_;
};

/// A new module as a layer: `make<Linear>(784, 512)`.
template <TensorModule T, class... Arguments>
Layer make(Arguments&&... arguments) {
  return Layer(std::make_shared<T>(std::forward<Arguments>(arguments)...));
}

/// A place in a container of modules, and where in the source it was passed.
struct ModuleIndex {
  template <std::integral I>
  ModuleIndex(I given, Caller where = {}) : value(static_cast<int64_t>(given)), caller(where) {}
  size_t within(size_t size, const Module& module) const {
    if (value < 0 || value >= static_cast<int64_t>(size)) {
      raise<IndexError>(caller, "{}: no place {} among {}", module.type_name(), value, size);
    }
    return static_cast<size_t>(value);
  }
  int64_t value;
  Caller caller;
};

/// x itself: stands where a layer is left out.
class Identity : public Module {
 public:
  Tensor forward(const Tensor& x, Caller = {}) const { return x; }
};

/// Layers one after the other, named "0", "1", ... (a function takes a number too, as PyTorch's ReLU does):
///
///     Sequential net{make<Linear>(784, 512), relu, make<Linear>(512, 10)};
class Sequential : public Module {
 public:
  Sequential() = default;
  Sequential(std::initializer_list<Layer> layers);
  void append(Layer layer, Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const;

  size_t size() const { return layers_.size(); }
  /// Throws IndexError.
  const Layer& operator[](const ModuleIndex& i) const { return layers_[i.within(layers_.size(), *this)]; }

 private:
  std::vector<Layer> layers_;
};

/// Modules of one type, named "0", "1", ...
template <std::derived_from<Module> T>
class ModuleList : public Module {
 public:
  template <class... Arguments>
  T& emplace(Arguments&&... arguments) {
    modules_.push_back(std::make_unique<T>(std::forward<Arguments>(arguments)...));
    add(std::to_string(modules_.size() - 1), *modules_.back());
    return *modules_.back();
  }

  size_t size() const { return modules_.size(); }
  /// Throws IndexError.
  T& operator[](const ModuleIndex& i) const { return *modules_[i.within(modules_.size(), *this)]; }

  class Iterator {
   public:
    explicit Iterator(const std::unique_ptr<T>* at) : at_(at) {}
    T& operator*() const { return **at_; }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    bool operator==(const Iterator&) const = default;

   private:
    const std::unique_ptr<T>* at_;
  };
  Iterator begin() const { return Iterator(modules_.data()); }
  Iterator end() const { return Iterator(modules_.data() + modules_.size()); }

 private:
  std::vector<std::unique_ptr<T>> modules_;
};

/// Parameters of any shapes, named "0", "1", ..., which stay where they are when more are added.
class ParameterList : public Module {
 public:
  Tensor& append(Tensor parameter, Caller caller = {}) {
    if (!parameter.defined()) raise<ValueError>(caller, "ParameterList: a tensor that is none");
    Tensor& added = parameters_.emplace_back(std::move(parameter));
    add(std::to_string(parameters_.size() - 1), added, caller);
    return added;
  }
  size_t size() const { return parameters_.size(); }
  /// Throws IndexError.
  Tensor& operator[](const ModuleIndex& i) { return parameters_[i.within(parameters_.size(), *this)]; }
  const Tensor& operator[](const ModuleIndex& i) const { return parameters_[i.within(parameters_.size(), *this)]; }

 private:
  std::deque<Tensor> parameters_;
};

/// A name in a ModuleDict, and where in the source it was passed.
struct ModuleKey {
  template <std::convertible_to<std::string> T>
  ModuleKey(T&& given, Caller where = {}) : name(std::forward<T>(given)), caller(where) {}
  std::string name;
  Caller caller;
};

/// Modules of one type by name, in the order in which they came:
///
///     ModuleDict<Linear> heads;
///     heads.emplace("colour", 128, 3);
///     Tensor y = heads["colour"].forward(x);
template <std::derived_from<Module> T>
class ModuleDict : public Module {
 public:
  /// Throws ValueError where the name is empty, dotted or taken.
  template <class... Arguments>
  T& emplace(const ModuleKey& key, Arguments&&... arguments) {
    const ErrorScope scope(key.caller);
    auto made = std::make_unique<T>(std::forward<Arguments>(arguments)...);
    add(key.name, *made, key.caller);
    modules_.emplace_back(key.name, std::move(made));
    return *modules_.back().second;
  }

  size_t size() const { return modules_.size(); }
  bool contains(const std::string& name) const { return find(name) != nullptr; }
  /// Throws ValueError where there is none of that name.
  T& operator[](const ModuleKey& key) const {
    if (T* found = find(key.name)) return *found;
    std::string known;
    for (const std::string& name : keys()) known += (known.empty() ? "" : ", ") + name;
    raise<ValueError>(key.caller, "{}: no \"{}\" among: {}", type_name(), key.name, known);
  }
  std::vector<std::string> keys() const {
    std::vector<std::string> names;
    for (const auto& [name, module] : modules_) names.push_back(name);
    return names;
  }

 private:
  T* find(const std::string& wanted) const {
    for (const auto& [name, module] : modules_) {
      if (name == wanted) return module.get();
    }
    return nullptr;
  }

  std::vector<std::pair<std::string, std::unique_ptr<T>>> modules_;
};

}  // namespace fovea::nn

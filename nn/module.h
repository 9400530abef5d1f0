#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "fovea/autograd/graph.h"
#include "fovea/autograd/step_state.h"
#include "fovea/backends/error.h"
#include "fovea/tensor/tensor.h"

namespace fovea::nn {

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

/// Tensors by dotted name: what is saved of a module or an optimizer. Handles share the elements of what they came
/// from; clone them for a snapshot.
using StateDict = std::map<std::string, Tensor>;

/// How a state dict differs from what a module holds.
struct LoadReport {
  std::vector<std::string> missing;     // the module has it, the state dict does not
  std::vector<std::string> unexpected;  // the other way round
  std::vector<std::string> misshapen;   // "weight: [3, 4] in the state, [3, 5] in the module"

  bool clean() const { return missing.empty() && unexpected.empty() && misshapen.empty(); }
};
/// A line per kind of difference with its first names; "" where there is none.
std::string to_string(const LoadReport& report);

struct LoadOptions {
  bool strict = true;
};

/// A part of a model: parameters, buffers and further modules, each a plain member that the constructor registers:
///
///     struct Net : nn::Module {
///       nn::Linear hidden{784, 512}, output{512, 10};
///       Net() { add("hidden", hidden); add("output", output); }
///       Tensor forward(const Tensor& x) const { return output.forward(relu(hidden.forward(x))); }
///     };
///
/// A module is pinned: neither copied nor moved. `forward` is an ordinary member of any signature.
class Module {
 public:
  Module() = default;
  virtual ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// Own ones first, then the children's, in order of registration; a tensor that stands under several names counts
  /// once, under the first.
  std::vector<Tensor> parameters() const;
  std::vector<NamedTensor> named_parameters() const;
  std::vector<Tensor> buffers() const;
  std::vector<NamedTensor> named_buffers() const;
  std::vector<Module*> children() const;
  /// How many numbers the parameters hold.
  int64_t parameter_count() const;

  /// Puts other tensors in the place of the parameters, in the order of parameters(): for a forward pass with values
  /// that were computed, whose gradients flow on. Throws ShapeError or DTypeError where they are not like the parameters.
  void replace_parameters(const std::vector<Tensor>& tensors, Caller caller = {});

  /// Training mode (dropout on) or evaluation mode, for this module and all below.
  void train(bool on = true);
  void eval() { train(false); }
  bool training() const { return training_.get(); }

  /// Whether the parameters, of this module and all below, are trained: off, an optimizer of the module leaves them out.
  void set_requires_grad(bool on = true, Caller caller = {});

  /// Calls `function` on every module below, then on this one.
  void apply(const std::function<void(Module&)>& function);
  /// Moves or converts floating parameters and buffers in place, all or none: every handle on them follows. What changes
  /// drops its gradient and keeps its hooks.
  void to(Device device, Caller caller = {});
  void to(DType dtype, Caller caller = {});
  void zero_grad();

  /// Parameters and buffers by name, each under every name that it has.
  StateDict state_dict() const;
  /// Copies values in, converting dtype and device. Everything is checked first: where names or shapes differ, `strict`
  /// throws ValueError with the report and changes nothing; else what fits is loaded and the report returned. A tensor
  /// with several names (tied weights) needs one of them; values that differ are misshapen.
  LoadReport load_state_dict(const StateDict& state, LoadOptions options = {}, Caller caller = {});

  /// The dotted name from the root module down: "encoder.output"; "" for the root itself.
  std::string path() const;
  /// What kind of module, without namespaces: "Linear".
  std::string type_name() const;
  /// Sizes and options for printing: "128, 64, bias=false".
  virtual std::string description() const { return {}; }

 protected:
  /// Registers a member, which must live as long as the module. Throws ValueError where the name is empty, dotted or
  /// taken, the tensor is undefined, or the child has a parent or would stand within itself.
  void add(std::string name, Tensor& parameter, Caller caller = {});
  void add(std::string name, Module& child, Caller caller = {});
  void add_buffer(std::string name, Tensor& buffer, Caller caller = {});

 private:
  template <class T>
  struct Named {
    std::string name;
    T* member;
  };
  template <class Visit>
  void visit_tensors(const std::vector<Named<Tensor>> Module::*list, const std::string& prefix,
                     const Visit& visit) const;
  std::vector<NamedTensor> distinct(const std::vector<Named<Tensor>> Module::*list) const;
  template <class Convert>
  void convert(const Convert& convert);
  void check_name(const std::string& name, Caller caller) const;

  std::vector<Named<Tensor>> parameters_;
  std::vector<Named<Tensor>> buffers_;
  std::vector<Named<Module>> children_;
  Module* parent_ = nullptr;
  autograd::StepMode training_{true};
};

/// The module and all below it as an indented tree, a line each, with parameter counts.
std::string to_string(const Module& module);

/// Stands at the top of a layer's forward: an error inside names the module's path and the user's line.
class Scope : public ErrorScope {
 public:
  Scope(const Module& module, Caller caller) noexcept : ErrorScope(caller), module_(module) {}

 protected:
  std::string name() const override { return module_.path(); }

 private:
  const Module& module_;
};

/// While it lives: a module and all below in evaluation mode, and no graph on this thread; then each in its mode of before.
class Evaluating {
 public:
  explicit Evaluating(Module& module);
  ~Evaluating();
  Evaluating(const Evaluating&) = delete;
  Evaluating& operator=(const Evaluating&) = delete;

 private:
  NoGrad no_grad_;
  std::vector<std::pair<Module*, bool>> modes_;  // children before parents
};

}  // namespace fovea::nn

#include "fovea/autograd/backward.h"

#include "fovea/autograd/autocast.h"
#include "fovea/autograd/engine.h"
#include "fovea/tensor/creation.h"

namespace fovea::autograd {
namespace {

std::vector<Tensor> checked_gradients(const std::vector<Tensor>& outputs, const std::vector<Tensor>& gradients,
                                      Caller caller) {
  if (!gradients.empty() && gradients.size() != outputs.size()) {
    raise<AutogradError>(caller, "backward: {} gradients for {} outputs", gradients.size(), outputs.size());
  }
  std::vector<Tensor> checked;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i].requires_grad()) {
      raise<AutogradError>(caller, "backward: output {} was not recorded: nothing it depends on requires a gradient",
                           i);
    }
    if (!gradients.empty() && gradients[i].defined()) {
      autograd::check_gradient(gradients[i], outputs[i], "backward", "an output", caller);
      checked.push_back(gradients[i]);
    } else if (outputs[i].numel() == 1) {
      const ErrorScope scope(caller);
      checked.push_back(ones_like(outputs[i]));
    } else {
      raise<AutogradError>(caller, "backward: an output of shape {} needs a gradient; only a scalar's is 1 by itself",
                           outputs[i].shape());
    }
  }
  return checked;
}

/// The same tensor as an output of its own node.
Tensor stand_in(const Tensor& x) {
  return record("stand_in", x.detach(), {x}, [](const Tensor& g) { return Gradients{g}; });
}

/// While it lives, the default generator stands where it stood.
class GeneratorState {
 public:
  explicit GeneratorState(const Generator& state) : now_(std::exchange(default_generator(), state)) {}
  ~GeneratorState() { default_generator() = now_; }
  GeneratorState(const GeneratorState&) = delete;
  GeneratorState& operator=(const GeneratorState&) = delete;

 private:
  Generator now_;
};

}  // namespace

void backward(const std::vector<Tensor>& outputs, const std::vector<Tensor>& gradients, BackwardOptions options,
              Caller caller) {
  const std::vector<Tensor> seeds = checked_gradients(outputs, gradients, caller);
  const GradMode mode(options.create_graph);
  Engine(options, caller).run(outputs, seeds);
}

std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const std::vector<Tensor>& gradients, BackwardOptions options, Caller caller) {
  const std::vector<Tensor> seeds = checked_gradients(outputs, gradients, caller);
  const GradMode mode(options.create_graph);
  Engine engine(options, caller);
  engine.capture(inputs, {});
  engine.run(outputs, seeds);
  return std::move(engine.captured);
}

Tensor checkpoint(const std::function<Tensor(const std::vector<Tensor>&)>& function, const std::vector<Tensor>& inputs,
                  const std::vector<Tensor>& parameters, Caller caller) {
  const Generator generator_before = default_generator();
  Tensor out = [&] {
    const NoGrad off;
    return function(inputs);
  }();
  std::vector<Tensor> sources = inputs;
  sources.insert(sources.end(), parameters.begin(), parameters.end());
  const std::vector<Saved> saved(sources.begin(), sources.end());
  const size_t given = inputs.size();
  return record(
      "checkpoint", std::vector<Tensor>{out}, std::span<const Tensor>(sources),
      [function, saved, given, generator_before, precision = Autocast::product_dtype(), caller](
          std::span<const Tensor> g, Needs needs) {
        const Autocast as_before(precision);
        const bool recorded = grad_enabled();
        // Stand-ins for the inputs: cut off, or (to be differentiated again) recorded copies of the handles.
        std::vector<Tensor> again;
        for (size_t i = 0; i < saved.size(); ++i) {
          const Tensor& source = *saved[i];
          const bool cut = i < given && (!needs[i] || !recorded);
          again.push_back(cut ? source.detach() : i < given ? stand_in(source) : source);
          if (cut && needs[i]) again[i].set_requires_grad();
        }
        const std::vector<Tensor> arguments(again.begin(), again.begin() + static_cast<std::ptrdiff_t>(given));
        std::vector<Tensor> wanted;
        for (size_t i = 0; i < again.size(); ++i) wanted.push_back(needs[i] ? again[i] : Tensor());
        const Tensor recomputed = [&] {
          const EnableGrad on;
          const GeneratorState as_it_was(generator_before);
          return function(arguments);
        }();
        if (!have_one_form(recomputed, g[0])) {
          raise<AutogradError>(caller, "checkpoint: the function returned {} when it was run again, for a gradient {}",
                               form_beside(recomputed, g[0]), form_beside(g[0], recomputed));
        }
        const BackwardOptions options{.retain_graph = recorded, .create_graph = recorded};
        Engine engine(options, caller);
        engine.capture(wanted, {.strict = true, .stop = true, .known = again});
        engine.run({recomputed}, {g[0]});
        return std::move(engine.captured);
      },
      caller)[0];
}

Gradients differentiate(const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& definition,
                        std::span<const Tensor> inputs, std::span<const Tensor> gradients, Needs needs) {
  std::vector<Tensor> arguments(inputs.begin(), inputs.end());
  std::vector<Tensor> wanted(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!needs[i]) continue;
    arguments[i] = stand_in(inputs[i]);
    wanted[i] = arguments[i];
  }
  const std::vector<Tensor> made = definition(arguments);
  std::vector<Tensor> outputs, seeds;
  for (size_t i = 0; i < made.size(); ++i) {
    if (!gradients[i].defined() || !made[i].requires_grad()) continue;
    outputs.push_back(made[i]);
    seeds.push_back(gradients[i]);
  }
  Engine engine({.create_graph = true}, {});
  engine.capture(wanted, {.stop = true});
  engine.run(outputs, seeds);
  return std::move(engine.captured);
}

}  // namespace fovea::autograd

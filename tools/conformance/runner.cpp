#include "conformance/runner.h"

#include <cmath>

#include "conformance/operations.h"
#include "fovea/autograd/backward.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/tensor/creation.h"

namespace fovea::conformance {
namespace {

struct Tolerance {
  double atol, rtol;
};

Tolerance tolerance_of(const Settings& settings, bool loose) {
  Tolerance t = settings.dtype == f64                       ? Tolerance{1e-6, 1e-5}
                : settings.device.kind == Device::Kind::cpu ? Tolerance{2e-5, 2e-4}
                                                            : Tolerance{5e-5, 5e-4};
  if (loose) t = {10 * t.atol, 10 * t.rtol};
  return t;
}

Outcome unsupported() {
  Outcome outcome;
  outcome.verdict = Verdict::unsupported;
  return outcome;
}

class Run {
 public:
  Run(const Case& test, const data::SafetensorsFile& file, const Settings& settings)
      : test_(test),
        file_(file),
        settings_(settings),
        call_{test.attributes, {}, {}, {settings.dtype, settings.device}} {}

  Outcome run() {
    const auto operation = operations().find(test_.op);
    if (operation == operations().end()) return unsupported();
    try {
      load();
      std::vector<Tensor> outputs = operation->second(call_);
      compare_outputs(outputs);
      if (!test_.input_gradients.empty() || !test_.parameter_gradients.empty()) differentiate(outputs);
      compare_trained();
    } catch (const Unsupported&) {
      return unsupported();
    } catch (const DeviceError&) {  // a kernel that the device lacks
      return unsupported();
    } catch (const std::exception& error) {
      outcome_.failures.push_back(std::string("error: ") + error.what());
    }
    if (!outcome_.failures.empty()) outcome_.verdict = Verdict::failed;
    return outcome_;
  }

 private:
  std::string stored(const std::string& name) const { return test_.id + "/" + name; }
  bool has(const std::string& name) const { return file_.contains(stored(name)); }

  /// A tensor of the case, floating ones in the run's dtype.
  Tensor tensor(const std::string& name) const {
    Tensor x = file_.tensor(stored(name));
    if (is_floating(x.dtype())) x = x.to(settings_.dtype);
    return x.to(settings_.device);
  }

  void load() {
    for (size_t i = 0; i < test_.inputs; ++i) call_.inputs.push_back(tensor(fmt::format("in{}", i)));
    for (const std::string& name : test_.parameters) call_.parameters[name] = tensor("p/" + name);
    for (size_t i : test_.input_gradients) call_.inputs.at(i).set_requires_grad();
    for (const std::string& name : test_.parameter_gradients) call_.parameters.at(name).set_requires_grad();
    given_ = call_.inputs;
  }

  void compare_outputs(const std::vector<Tensor>& outputs) {
    if (outputs.size() != test_.outputs) {
      outcome_.failures.push_back(fmt::format("outputs: {} of them, not {}", outputs.size(), test_.outputs));
    }
    const bool loose = test_.op.starts_with("train_");
    for (size_t i = 0; i < std::min(outputs.size(), test_.outputs); ++i) {
      compare(fmt::format("out{}", i), outputs[i], loose);
    }
  }

  /// What gradients flow into, in the order of outputs.
  struct Seeds {
    std::vector<Tensor> outputs, gradients;
  };

  void differentiate(const std::vector<Tensor>& outputs) {
    Seeds seeds;
    for (size_t i = 0; i < outputs.size(); ++i) {
      const std::string name = fmt::format("gout{}", i);
      if (!has(name) || !outputs[i].requires_grad()) continue;
      Tensor gradient = tensor(name);
      if (test_.second_order) gradient.set_requires_grad();
      seeds.outputs.push_back(outputs[i]);
      seeds.gradients.push_back(gradient);
    }
    std::vector<Tensor> wanted;
    for (size_t i : test_.input_gradients) wanted.push_back(given_[i]);
    for (const std::string& name : test_.parameter_gradients) wanted.push_back(call_.parameters.at(name));

    std::vector<Tensor> found(wanted.size());
    if (test_.second_order) {
      found = autograd::grad(seeds.outputs, wanted, seeds.gradients, {.create_graph = true});
    } else if (!seeds.outputs.empty()) {
      autograd::backward(seeds.outputs, seeds.gradients);
      for (size_t i = 0; i < wanted.size(); ++i) found[i] = wanted[i].grad();
    }
    for (size_t i = 0; i < wanted.size(); ++i) found[i] = or_zeros(found[i], wanted[i]);
    const size_t inputs = test_.input_gradients.size();
    for (size_t k = 0; k < inputs; ++k) compare(fmt::format("gin{}", test_.input_gradients[k]), found[k], false);
    for (size_t k = inputs; k < found.size(); ++k) {
      compare("gp/" + test_.parameter_gradients[k - inputs], found[k], false);
    }
    if (test_.second_order) differentiate_twice(seeds, found);
  }

  /// s = sum over i of <v_i, gin_i>, and its gradients.
  void differentiate_twice(const Seeds& seeds, const std::vector<Tensor>& found) {
    Tensor s = scalar(0, call_.options);
    std::vector<Tensor> wanted;
    for (size_t k = 0; k < test_.input_gradients.size(); ++k) {
      const size_t i = test_.input_gradients[k];
      wanted.push_back(given_[i]);
      if (has(fmt::format("v{}", i))) s = s + sum(tensor(fmt::format("v{}", i)) * found[k]);
    }
    wanted.insert(wanted.end(), seeds.gradients.begin(), seeds.gradients.end());
    std::vector<Tensor> second(wanted.size());
    if (s.requires_grad()) second = autograd::grad({s}, wanted);
    for (size_t k = 0; k < wanted.size(); ++k) second[k] = or_zeros(second[k], wanted[k]);
    const size_t inputs = test_.input_gradients.size();
    for (size_t k = 0; k < inputs; ++k) {
      const std::string name = fmt::format("ggin{}", test_.input_gradients[k]);
      if (has(name)) compare(name, second[k], true);
    }
    for (size_t k = inputs; k < wanted.size(); ++k) {
      const std::string name = fmt::format("ggout{}", k - inputs);
      if (has(name)) compare(name, second[k], true);
    }
  }

  void compare_trained() {
    for (const std::string& name : test_.parameters) {
      if (has("pend/" + name)) compare("pend/" + name, call_.parameters.at(name), true);
    }
  }

  static Tensor or_zeros(const Tensor& gradient, const Tensor& like) {
    return gradient.defined() ? gradient : zeros_like(like);
  }

  void compare(const std::string& name, const Tensor& got, bool loose) {
    const Tensor want = file_.tensor(stored(name));
    const DType dtype = is_floating(want.dtype()) ? settings_.dtype : want.dtype();
    if (!got.defined()) return fail(name, "is undefined");
    if (got.shape() != want.shape()) return fail(name, fmt::format("shape {}, not {}", got.shape(), want.shape()));
    if (got.dtype() != dtype) return fail(name, fmt::format("dtype {}, not {}", got.dtype(), dtype));
    if (got.device() != settings_.device) return fail(name, fmt::format("on {}", got.device()));

    const Tolerance allowed = is_floating(dtype) ? tolerance_of(settings_, loose) : Tolerance{0, 0};
    const std::vector<double> a = got.to_vector<double>(), b = want.to_vector<double>();
    Deviation deviation;
    deviation.measured = true;
    size_t at = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
      const double before = deviation.relative;
      deviation.include(std::fabs(a[i] - b[i]), allowed.atol + allowed.rtol * std::fabs(b[i]));
      if (deviation.relative > before) at = i;
    }
    (name.starts_with("out") ? outcome_.forward : outcome_.backward).include(deviation);
    if (deviation.relative > 1) {
      fail(name, fmt::format("max error {:.3g}, at {}: got {}, want {}", std::fabs(a[at] - b[at]),
                             unravel_index(static_cast<int64_t>(at), want.shape()), a[at], b[at]));
    }
  }

  void fail(const std::string& name, const std::string& what) { outcome_.failures.push_back(name + ": " + what); }

  const Case& test_;
  const data::SafetensorsFile& file_;
  const Settings& settings_;
  Call call_;
  std::vector<Tensor> given_;  // the inputs as the operation got them
  Outcome outcome_;
};

}  // namespace

void Deviation::include(double error, double allowed) {
  measured = true;
  const double share = error / allowed;
  absolute = std::isnan(error) ? INFINITY : std::max(absolute, error);
  relative = std::isnan(share) ? INFINITY : std::max(relative, share);
}

void Deviation::include(const Deviation& other) {
  measured |= other.measured;
  absolute = std::max(absolute, other.absolute);
  relative = std::max(relative, other.relative);
}

Outcome run_case(const Case& test, const data::SafetensorsFile& file, const Settings& settings) {
  return Run(test, file, settings).run();
}

}  // namespace fovea::conformance

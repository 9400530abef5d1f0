#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "doctor/check.h"
#include "fovea/fovea.h"

namespace fovea::doctor {
namespace {

using Tensors = std::vector<Tensor>;

struct Results {
  Tensors outputs, gradients;
};

/// The inputs as the device gets them: `rounded` to the check's type first, `computed` in another, perhaps.
Tensors prepare(const Check& check, DType computed, Device device) {
  Tensors inputs;
  for (const Tensor& x : check.inputs) {
    Tensor input = x;
    if (is_floating(x.dtype())) input = x.to(check.dtype).to(computed);
    input = input.to(device).detach();
    if (check.gradients && is_floating(x.dtype())) input.set_requires_grad();
    inputs.push_back(std::move(input));
  }
  return inputs;
}

Results run(const Check& check, DType computed, Device device) {
  const Tensors inputs = prepare(check, computed, device);
  Results results;
  results.outputs = check.run(inputs);
  if (!check.gradients) return results;
  Tensors outputs, seeds;
  Generator generator{11, 0};
  for (const Tensor& y : results.outputs) {
    const Tensor seed = randn(y.shape(), {f64}, generator);
    if (!y.requires_grad()) continue;
    outputs.push_back(y);
    seeds.push_back(seed.to(check.dtype).to(computed).to(device));
  }
  autograd::backward(outputs, seeds);
  for (const Tensor& x : inputs) {
    if (x.requires_grad()) results.gradients.push_back(x.grad().defined() ? x.grad() : zeros_like(x));
  }
  return results;
}

void compare(const Tensors& got, const Tensors& want, double within, Deviation& deviation) {
  for (size_t i = 0; i < want.size(); ++i) {
    const std::vector<double> a = got.at(i).to_vector<double>(), b = want[i].to_vector<double>();
    if (a.size() != b.size()) return deviation.include(INFINITY, 1);
    deviation.measured = true;
    for (size_t k = 0; k < a.size(); ++k) {
      if (a[k] != b[k]) deviation.include(std::fabs(a[k] - b[k]), within * std::max(1.0, std::fabs(b[k])));
    }
  }
}

void judge(Finding& finding) {
  if (!finding.what.empty()) return;
  for (const auto& [pass, deviation] : {std::pair{"forward", finding.forward}, {"backward", finding.backward}}) {
    if (deviation.relative > 1 && finding.what.empty())
      finding.what = fmt::format("{}: off by {:.2g}", pass, deviation.absolute);
  }
}

/// Gradients against differences of values, which no kernel of the backward pass has a part in.
std::string check_gradients(const Check& check) {
  Tensors inputs;
  for (const Tensor& x : prepare(check, f64, Device::cpu())) inputs.push_back(x);
  return autograd::gradcheck(check.run, inputs).message;
}

}  // namespace

Finding examine(const Check& check, Device device) {
  Finding finding;
  finding.operation = check.kernel;
  try {
    const Results want = run(check, f64, Device::cpu()), got = run(check, check.dtype, device);
    compare(got.outputs, want.outputs, check.within, finding.forward);
    compare(got.gradients, want.gradients, 10 * check.within, finding.backward);
    if (device == Device::cpu() && check.gradients && check.differences) {
      if (const std::string message = check_gradients(check); !message.empty()) {
        finding.backward.include(INFINITY, 1);
        finding.what = "backward: " + message;
      }
    }
    judge(finding);
  } catch (const DeviceError& error) {  // a kernel that the device lacks
    finding.verdict = Verdict::unsupported;
    finding.what = error.what();
    return finding;
  } catch (const std::exception& error) {
    finding.what = std::string("error: ") + error.what();
  }
  if (!finding.what.empty()) finding.verdict = Verdict::failed;
  return finding;
}

std::vector<Finding> examine(std::span<const Check> checks, Device device) {
  std::vector<Finding> findings;
  for (const Check& check : checks) findings.push_back(examine(check, device));
  return findings;
}

std::vector<Finding> replay(const std::string& folder, Device device) {
  std::map<std::string, Finding> by_operation;
  std::vector<std::string> paths;
  if (!std::filesystem::is_directory(folder)) throw DataError(folder + ": no such folder");
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".safetensors") paths.push_back(entry.path().string());
  }
  if (paths.empty()) throw DataError(folder + ": no *.safetensors file is there");
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    const data::SafetensorsFile file(path);
    for (const conformance::Case& test : conformance::read_cases(file, path)) {
      const conformance::Outcome outcome = conformance::run_case(test, file, {device, f32});
      const auto [entry, fresh] = by_operation.try_emplace(test.op);
      Finding& finding = entry->second;
      if (fresh) finding = {.operation = test.op, .cases = 0, .verdict = Verdict::unsupported};
      ++finding.cases;
      finding.forward.include(outcome.forward);
      finding.backward.include(outcome.backward);
      if (outcome.verdict == Verdict::failed && finding.verdict != Verdict::failed) {
        finding.verdict = Verdict::failed;
        finding.what = fmt::format("case {}, {}", test.id, outcome.failures.front());
      } else if (outcome.verdict == Verdict::passed && finding.verdict == Verdict::unsupported) {
        finding.verdict = Verdict::passed;
      }
    }
  }
  std::vector<Finding> findings;
  for (auto& [name, finding] : by_operation) findings.push_back(std::move(finding));
  return findings;
}

}  // namespace fovea::doctor

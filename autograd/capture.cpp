#include "fovea/autograd/capture.h"

#include <algorithm>
#include <atomic>

#include "fovea/autograd/gradient_log.h"
#include "fovea/backends/recording.h"
#include "fovea/backends/step_plan.h"
#include "fovea/tensor/creation.h"
#include "fovea/tensor/raw.h"

namespace fovea {
namespace {

constexpr int most_recordings = 4;

std::atomic<uint64_t> changes{0};  // of what steps depend on

/// What must be alike in arguments that one plan serves.
struct InputForm {
  Shape shape;
  Strides strides;
  DType dtype;
  Device device;
  bool requires_grad;

  explicit InputForm(const Tensor& x)
      : shape(x.shape()),
        strides(x.strides()),
        dtype(x.dtype()),
        device(x.device()),
        requires_grad(x.requires_grad()) {}
  friend bool operator==(const InputForm&, const InputForm&) = default;
};

/// One step as a list of what it did; two that are equal will go on being so.
using Trace = std::vector<std::pair<std::string, uint64_t>>;

Trace trace_of(const RecordedStep& step) {
  Trace trace;
  for (const RecordedCall& call : step.calls) trace.emplace_back(call.name, call.signature);
  return trace;
}

/// The same in the same strides, and with the gradient of `x`: what the recorded function is given, so that memory that it
/// also reaches in another way is not taken for its argument's.
Tensor stand_in(const Tensor& x) {
  const int64_t offset = x.view().offset;
  const auto [first, last] = x.numel() > 0 ? x.view().reach() : std::pair(offset, offset - 1);
  const Tensor all = raw::window(x, {last - first + 1}, {1}, first);
  Tensor own = raw::window(raw::clone(all), x.shape(), x.strides(), offset - first);
  own.impl()->requires_grad = x.requires_grad();
  own.impl()->leaf = x.impl()->leaf;
  return own;
}

}  // namespace

void forget_captured_steps() { changes.fetch_add(1, std::memory_order_relaxed); }

struct CapturedStep::Plan {
  std::vector<InputForm> forms;
  std::vector<int64_t> offsets;  // of the recorded arguments
  std::vector<InputForm> results;
  std::shared_ptr<RandomStart> random;
  std::unique_ptr<autograd::GradientLog> gradients;  // of the last recording
  Trace trace;                                       // of the same
  int recordings = 0;
  std::unique_ptr<StepPlan> steps;  // once two recordings agreed
  std::vector<StepPlan::Argument> arguments;
  std::vector<BufferRef> result_buffers;
};

CapturedStep::CapturedStep(Function function, CaptureOptions options, Caller caller)
    : function_(std::move(function)), options_(options), caller_(caller), arena_(std::make_unique<StepArena>()) {
  if (options_.most_shapes == 0) raise<ValueError>(caller, "capture: most_shapes must be 1 or more");
}
CapturedStep::~CapturedStep() = default;
CapturedStep::CapturedStep(CapturedStep&&) noexcept = default;

CapturedStep::Plan& CapturedStep::plan_for(std::span<const Tensor> arguments) {
  if (const uint64_t now = changes.load(std::memory_order_relaxed); now != changes_) {
    plans_.clear();
    changes_ = now;
  }
  const auto fits = [&](const std::unique_ptr<Plan>& plan) {
    return std::equal(arguments.begin(), arguments.end(), plan->forms.begin(), plan->forms.end(),
                      [](const Tensor& x, const InputForm& form) { return InputForm(x) == form; }) &&
           (!plan->gradients || plan->gradients->fits(arguments));
  };
  const auto found = std::find_if(plans_.begin(), plans_.end(), fits);
  if (found != plans_.end()) {
    std::rotate(plans_.begin(), found, found + 1);
    return *plans_.front();
  }
  if (plans_.size() == options_.most_shapes) plans_.pop_back();
  auto plan = std::make_unique<Plan>();
  for (const Tensor& x : arguments) plan->forms.emplace_back(x);
  plans_.insert(plans_.begin(), std::move(plan));
  return *plans_.front();
}

void CapturedStep::run(std::span<const Tensor> arguments, std::span<Tensor> results) {
  const ErrorScope scope(caller_);
  if (is_recording()) return run_as_written(arguments, results);  // as a part of the step around it
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i].requires_grad() && !arguments[i].is_leaf()) {
      raise<ValueError>(caller_, "capture: argument {} is part of a graph that began outside the step; detach() it",
                        i + 1);
    }
  }
  Plan& plan = plan_for(arguments);
  if (plan.steps) return replay(plan, arguments, results);
  record(plan, arguments, results);
}

void CapturedStep::run_as_written(std::span<const Tensor> arguments, std::span<Tensor> results) {
  const std::vector<Tensor> made = function_(arguments);
  if (made.size() != results.size()) {
    raise<ValueError>(caller_, "capture: the function returned {} tensors, not {}", made.size(), results.size());
  }
  for (size_t i = 0; i < made.size(); ++i) results[i] = raw::clone(made[i]);
}

void CapturedStep::record(Plan& plan, std::span<const Tensor> arguments, std::span<Tensor> results) {
  Generator& generator = default_generator();
  plan.random = std::make_shared<RandomStart>(RandomStart{generator.seed, generator.offset, &generator.offset});
  plan.gradients = std::make_unique<autograd::GradientLog>(arguments);
  plan.offsets.clear();
  plan.results.clear();
  plan.result_buffers.clear();
  std::vector<Tensor> inputs;
  std::vector<BufferRef> buffers;
  std::vector<Buffer*> given;
  for (const Tensor& x : arguments) {
    given.push_back(x.buffer().get());
    inputs.push_back(stand_in(x));
    buffers.push_back(inputs.back().buffer());
    plan.offsets.push_back(inputs.back().view().offset);
  }
  RecordedStep step;
  Backend* device = nullptr;
  {
    Recording recording(buffers, plan.random, [log = plan.gradients.get()] { return log->changes(); });
    const autograd::GradientLog::Scope scope(*plan.gradients);
    run_as_written(inputs, results);
    for (const Tensor& x : results) {
      plan.results.emplace_back(x);
      plan.result_buffers.push_back(x.buffer());
    }
    step = recording.finish(plan.result_buffers, generator.offset);
    device = recording.device();
  }
  if (!device) device = &backend(Device::cpu());  // there were no kernels
  plan.result_buffers.assign(results.size(), {});
  plan.gradients->finish();
  const SharedMemory shared(step);
  shared.check(step, given);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!shared.writes_argument(i)) continue;
    raw::copy(inputs[i], arguments[i]);
    ++given[i]->version;
  }

  Trace trace = trace_of(step);
  if (plan.recordings++ > 0) {
    if (trace == plan.trace) {
      plan.trace = {};
      device->empty_cache();  // what the recordings left would lie beside the plan's memory
      plan.steps = std::make_unique<StepPlan>(std::move(step), *device);
      plan.arguments.resize(arguments.size());
      return;
    }
    if (plan.recordings >= most_recordings) {
      const auto [now, before] = std::mismatch(trace.begin(), trace.end(), plan.trace.begin(), plan.trace.end());
      raise<ValueError>(caller_,
                        "capture: no two of {} runs did the same: \"{}\" (kernel {} of {}) is new or has "
                        "other numbers each time; give what changes as an argument, or do it in each_run",
                        plan.recordings, now == trace.end() ? "the end" : now->first.c_str(), now - trace.begin() + 1,
                        trace.size());
    }
  }
  plan.trace = std::move(trace);
}

void CapturedStep::replay(Plan& plan, std::span<const Tensor> arguments, std::span<Tensor> results) {
  if (results.size() != plan.results.size()) {
    raise<ValueError>(caller_, "capture: the function returns {} tensors, not {}", plan.results.size(), results.size());
  }
  for (size_t i = 0; i < arguments.size(); ++i) {
    const Tensor& x = arguments[i];
    plan.arguments[i] = {x.buffer().get(), x.view().offset - plan.offsets[i]};
  }
  plan.gradients->begin_run(arguments,
                            [&](const Buffer* before, const BufferRef& fresh) { plan.steps->replace(before, fresh); });
  for (size_t i = 0; i < results.size(); ++i) {
    const InputForm& form = plan.results[i];
    results[i] = raw::empty(form.shape, {form.dtype, form.device});
    plan.result_buffers[i] = results[i].buffer();
  }
  Generator& generator = default_generator();
  *plan.random = {generator.seed, generator.offset, &generator.offset};
  plan.steps->run(*arena_, plan.arguments, plan.result_buffers);
  generator.offset = plan.random->offset + plan.steps->numbers();
  std::fill(plan.result_buffers.begin(), plan.result_buffers.end(), BufferRef());
  ++replays_;
}

CaptureStats CapturedStep::stats() const {
  CaptureStats stats{.replays = replays_};
  for (const auto& plan : plans_) {
    if (!plan->steps) continue;
    if (stats.plans++ > 0) continue;
    stats.kernels = plan->steps->calls();
    stats.dropped = plan->steps->dropped();
    stats.merged = plan->steps->merged();
    stats.bytes = plan->steps->bytes();
  }
  return stats;
}

}  // namespace fovea

#include "fovea/autograd/capture.h"

#include <algorithm>
#include <atomic>

#include "fovea/autograd/autocast.h"
#include "fovea/autograd/gradient_log.h"
#include "fovea/autograd/step_state.h"
#include "fovea/backends/fnv.h"
#include "fovea/backends/recording.h"
#include "fovea/backends/step_plan.h"
#include "fovea/tensor/creation.h"
#include "fovea/tensor/raw.h"

namespace fovea {
namespace {

constexpr int most_recordings = 4;
constexpr size_t most_of_a_shape = 8;  // plans: for what else a step depends on

std::atomic<uint64_t> forgotten{0};

uint64_t digest_of_hooks(const Tensor& x) {
  Fnv keys;
  if (!x.impl()->leaf) return keys.value();
  for (const autograd::Hook& hook : x.impl()->leaf->hooks) keys.add(static_cast<uint64_t>(hook.key));
  return keys.value();
}

/// What must be alike in arguments that one plan serves.
struct InputForm {
  Shape shape;
  Strides strides;
  DType dtype;
  Device device;
  bool requires_grad;
  uint64_t hooks;  // a digest of their keys

  explicit InputForm(const Tensor& x)
      : shape(x.shape()),
        strides(x.strides()),
        dtype(x.dtype()),
        device(x.device()),
        requires_grad(x.requires_grad()),
        hooks(digest_of_hooks(x)) {}
  friend bool operator==(const InputForm&, const InputForm&) = default;
};

/// What of the thread's state one plan serves.
struct ThreadForm {
  bool grad = grad_enabled();
  DType product = Autocast::product_dtype();
  friend bool operator==(const ThreadForm&, const ThreadForm&) = default;
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

void forget_captured_steps() { forgotten.fetch_add(1, std::memory_order_relaxed); }

struct CapturedStep::Plan {
  std::vector<InputForm> forms;
  ThreadForm thread;
  uint64_t checked = 0;          // step_changes() when modes and marks were found to be those of the recording
  std::vector<int64_t> offsets;  // of the recorded arguments
  std::vector<InputForm> results;
  std::shared_ptr<RandomStart> random;
  std::unique_ptr<autograd::GradientLog> gradients;  // of the last recording
  autograd::StepMode::Log modes;                     // of the same
  Trace trace;                                       // of the same
  int recordings = 0;
  std::unique_ptr<StepPlan> steps;  // once two recordings agreed
  std::vector<StepPlan::Argument> arguments;
  std::vector<BufferRef> result_buffers;
  std::vector<BufferRef> given_gradients;  // of a run, which may read them after the leaf has another

  /// Whether what the step depends on without being given it is as it was.
  bool holds() {
    const uint64_t now = autograd::step_changes();
    if (checked == now) return true;
    if (!modes.holds() || (steps && !steps->marks_hold())) return false;
    checked = now;
    return true;
  }
};

CapturedStep::CapturedStep(Function function, CaptureOptions options, Caller caller)
    : function_(std::move(function)), options_(options), caller_(caller), arena_(std::make_unique<StepArena>()) {
  if (options_.most_shapes == 0) raise<ValueError>(caller, "capture: most_shapes must be 1 or more");
}
CapturedStep::~CapturedStep() = default;
CapturedStep::CapturedStep(CapturedStep&&) noexcept = default;

CapturedStep::Plan& CapturedStep::plan_for(std::span<const Tensor> arguments) {
  if (const uint64_t now = forgotten.load(std::memory_order_relaxed); now != forgotten_) {
    plans_.clear();
    forgotten_ = now;
  }
  const ThreadForm thread;
  const auto fits = [&](const std::unique_ptr<Plan>& plan) {
    return plan->thread == thread && plan->holds() &&
           std::equal(arguments.begin(), arguments.end(), plan->forms.begin(), plan->forms.end(),
                      [](const Tensor& x, const InputForm& form) { return InputForm(x) == form; }) &&
           (!plan->gradients || plan->gradients->fits(arguments));
  };
  const auto found = std::find_if(plans_.begin(), plans_.end(), fits);
  if (found != plans_.end()) {
    std::rotate(plans_.begin(), found, found + 1);
    return *plans_.front();
  }
  auto plan = std::make_unique<Plan>();
  for (const Tensor& x : arguments) plan->forms.emplace_back(x);
  make_room_for(*plan);
  plans_.insert(plans_.begin(), std::move(plan));
  return *plans_.front();
}

void CapturedStep::make_room_for(const Plan& plan) {
  size_t alike = 0;
  std::vector<const Plan*> shapes;  // one plan of each, from the one used last
  for (const auto& each : plans_) {
    const bool known =
        std::any_of(shapes.begin(), shapes.end(), [&](const Plan* s) { return s->forms == each->forms; });
    if (!known) shapes.push_back(each.get());
    alike += each->forms == plan.forms;
  }
  if (alike == most_of_a_shape) {
    const auto last =
        std::find_if(plans_.rbegin(), plans_.rend(), [&](const auto& p) { return p->forms == plan.forms; });
    plans_.erase(std::next(last).base());
  } else if (alike == 0 && shapes.size() == options_.most_shapes) {
    const std::vector<InputForm> oldest = shapes.back()->forms;
    std::erase_if(plans_, [&](const auto& p) { return p->forms == oldest; });
  }
}

void CapturedStep::run(std::span<const Tensor> arguments, std::span<Tensor> results) {
  // As a part of the step around it, or to be looked at value by value.
  if (is_recording() || autograd::anomaly_enabled()) return run_as_written(arguments, results);
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
  ++recordings_;
  const std::vector<Tensor> made = [&] {
    const UserScope scope;
    return function_(arguments);
  }();
  if (made.size() != results.size()) {
    raise<ValueError>(caller_, "capture: the function returned {} tensors, not {}", made.size(), results.size());
  }
  for (size_t i = 0; i < made.size(); ++i) results[i] = raw::clone(made[i]);
}

void CapturedStep::record(Plan& plan, std::span<const Tensor> arguments, std::span<Tensor> results) {
  Generator& generator = default_generator();
  plan.random = std::make_shared<RandomStart>(RandomStart{generator.seed, generator.offset, &generator.offset});
  plan.gradients = std::make_unique<autograd::GradientLog>(arguments);
  plan.modes = {};
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
    const autograd::StepMode::Log::Scope modes(plan.modes);
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
  plan.checked = autograd::step_changes();
  const SharedMemory shared(step);
  shared.check(step, given, given.size());
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
      plan.arguments.resize(arguments.size() + plan.gradients->given());
      return;
    }
    if (plan.recordings >= most_recordings) {
      const auto [now, before] = std::mismatch(trace.begin(), trace.end(), plan.trace.begin(), plan.trace.end());
      const auto place = static_cast<size_t>(now - trace.begin());
      const bool known = now != trace.end() && step.calls[place].where.line != 0;
      raise<ValueError>(caller_,
                        "capture: no two of {} runs did the same: \"{}\" (kernel {} of {}{}) is new or has other "
                        "numbers each time; give what changes as an argument, or as a tensor that each_run fills",
                        plan.recordings, now == trace.end() ? "the end" : now->first.c_str(), place + 1, trace.size(),
                        known ? ", " + to_string(step.calls[place].where) : "");
    }
  }
  plan.trace = std::move(trace);
}

void CapturedStep::replay(Plan& plan, std::span<const Tensor> arguments, std::span<Tensor> results) {
  const ErrorScope scope(caller_);
  if (results.size() != plan.results.size()) {
    raise<ValueError>(caller_, "capture: the function returns {} tensors, not {}", plan.results.size(), results.size());
  }
  for (size_t i = 0; i < arguments.size(); ++i) {
    const Tensor& x = arguments[i];
    plan.arguments[i] = {x.buffer().get(), x.view().offset - plan.offsets[i]};
  }
  plan.given_gradients.clear();
  plan.gradients->begin_run(
      arguments, [&](const Buffer* before, const BufferRef& fresh) { plan.steps->replace(before, fresh); },
      [&](size_t place, const BufferRef& gradient) {
        plan.arguments[place] = {gradient.get(), 0};
        plan.given_gradients.push_back(gradient);
      });
  for (size_t i = 0; i < results.size(); ++i) {
    const InputForm& form = plan.results[i];
    results[i] = raw::empty(form.shape, {form.dtype, form.device});
    plan.result_buffers[i] = results[i].buffer();
  }
  Generator& generator = default_generator();
  *plan.random = {generator.seed, generator.offset, &generator.offset};
  try {
    plan.steps->run(*arena_, plan.arguments, arguments.size(), plan.result_buffers);
  } catch (...) {
    plan.gradients->abandon_run();
    throw;
  }
  generator.offset = plan.random->offset + plan.steps->numbers();
  std::fill(plan.result_buffers.begin(), plan.result_buffers.end(), BufferRef());
  plan.given_gradients.clear();
  ++replays_;
}

CaptureStats CapturedStep::stats() const {
  CaptureStats stats{.replays = replays_, .recordings = recordings_};
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

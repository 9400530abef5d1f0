#pragma once

#include <array>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "fovea/tensor/tensor.h"

namespace fovea {

class StepArena;

struct CaptureOptions {
  /// For how many combinations of the arguments' shapes plans are kept: for each up to eight, of the modes that matter and
  /// of which gradients there are. What was not used for longest goes: with more in turn than are kept, none is replayed.
  size_t most_shapes = 8;
};

/// What is known of a captured step. One that is called often and replayed seldom finds something else each time.
struct CaptureStats {
  size_t plans = 0;    // that are ready to be replayed
  size_t kernels = 0;  // of the plan that ran last; the same of the rest
  size_t dropped = 0;  // kernels whose results nothing read
  size_t merged = 0;   // elementwise kernels that became part of the next
  size_t bytes = 0;    // memory for all that lives within a step
  uint64_t replays = 0;
  uint64_t recordings = 0;  // runs as written; with the replays all runs
};

/// Makes captured steps record anew what they do from here on: for whatever changes what a function does without being
/// its argument, where the library cannot see it.
void forget_captured_steps();

/// Does `work`, and again in every run of the captured step that it is called in, if it is in one: for what the host does
/// in each step, such as counting or setting a tensor's values (`beta.fill_(schedule(step++))`). Its kernels are not
/// part of the step; tensors that it holds keep their memory.
void each_run(std::function<void()> work);

/// See capture().
class CapturedStep {
 public:
  using Function = std::function<std::vector<Tensor>(std::span<const Tensor> arguments)>;

  CapturedStep(Function function, CaptureOptions options, Caller caller);
  ~CapturedStep();
  CapturedStep(CapturedStep&&) noexcept;

  /// One step. Fills `results` with as many tensors as the function returns.
  void run(std::span<const Tensor> arguments, std::span<Tensor> results);
  CaptureStats stats() const;

 private:
  struct Plan;

  Plan& plan_for(std::span<const Tensor> arguments);
  void make_room_for(const Plan& plan);
  void run_as_written(std::span<const Tensor> arguments, std::span<Tensor> results);
  void record(Plan& plan, std::span<const Tensor> arguments, std::span<Tensor> results);
  void replay(Plan& plan, std::span<const Tensor> arguments, std::span<Tensor> results);

  Function function_;
  CaptureOptions options_;
  Caller caller_;
  std::unique_ptr<StepArena> arena_;
  std::vector<std::unique_ptr<Plan>> plans_;  // the one used last stands in front
  uint64_t replays_ = 0;
  uint64_t recordings_ = 0;
  uint64_t forgotten_ = 0;  // as counted by forget_captured_steps()
};

namespace detail {

template <class F, size_t... I>
constexpr bool takes_tensors(std::index_sequence<I...>) {
  return std::is_invocable_v<F&, std::enable_if_t<(I >= 0), const Tensor&>...>;
}
/// How many tensors F takes: the least number that it can be called with, or -1 for what takes anything else.
template <class F, size_t count = 0>
constexpr int tensors_taken() {
  if constexpr (takes_tensors<F>(std::make_index_sequence<count>{})) {
    return static_cast<int>(count);
  } else if constexpr (count < 32) {
    return tensors_taken<F, count + 1>();
  } else {
    return -1;
  }
}

template <class T>
inline constexpr bool is_step_result = std::is_void_v<T> || std::is_same_v<T, Tensor>;
template <size_t count>
inline constexpr bool is_step_result<std::array<Tensor, count>> = true;

template <class F, size_t... I>
constexpr bool gives_tensors(std::index_sequence<I...>) {
  return is_step_result<std::invoke_result_t<F&, std::enable_if_t<(I >= 0), const Tensor&>...>>;
}

}  // namespace detail

template <class F>
concept TakesTensors = (detail::tensors_taken<F>() >= 0);
/// What capture() takes: a function of tensors that gives none, one, or a std::array of them.
template <class F>
concept StepFunction = TakesTensors<F> &&
    detail::gives_tensors<F>(std::make_index_sequence<size_t(detail::tensors_taken<F>())>{});

/// A step of one kind of function; calling it is one step.
template <StepFunction F>
class Captured {
 public:
  Captured(F function, CaptureOptions options, Caller caller) : step_(wrap(std::move(function)), options, caller) {}

  template <class... Arguments>
  auto operator()(const Arguments&... arguments) {
    const std::array<Tensor, sizeof...(Arguments)> given{arguments...};
    using Result = std::invoke_result_t<F&, const Arguments&...>;
    if constexpr (std::is_void_v<Result>) {
      step_.run(given, {});
    } else if constexpr (std::is_same_v<Result, Tensor>) {
      std::array<Tensor, 1> result;
      step_.run(given, result);
      return std::move(result[0]);
    } else {
      Result results{};
      step_.run(given, results);
      return results;
    }
  }
  CaptureStats stats() const { return step_.stats(); }

 private:
  template <size_t... I>
  static auto call(F& f, [[maybe_unused]] std::span<const Tensor> arguments, std::index_sequence<I...>) {
    return f(arguments[I]...);
  }
  static CapturedStep::Function wrap(F function) {
    return [f = std::move(function)](std::span<const Tensor> arguments) mutable {
      constexpr auto indices = std::make_index_sequence<static_cast<size_t>(detail::tensors_taken<F>())>{};
      if constexpr (std::is_void_v<decltype(call(f, arguments, indices))>) {
        call(f, arguments, indices);
        return std::vector<Tensor>{};
      } else {
        auto made = call(f, arguments, indices);
        if constexpr (std::is_same_v<decltype(made), Tensor>) {
          return std::vector<Tensor>{made};
        } else {
          return std::vector<Tensor>(made.begin(), made.end());
        }
      }
    };
  }

  CapturedStep step_;
};

/// A step (of training, of inference) that is recorded and then run again without shape checks, graph building and
/// allocations: the same kernels on the same numbers, so that every bit is what it would be otherwise.
///
///     auto step = capture([&](const Tensor& tokens, const Tensor& labels) {
///       optimizer.zero_grad();
///       Tensor loss = cross_entropy(model.forward(tokens), labels);
///       loss.backward();
///       optimizer.step();
///       return loss;
///     });
///     for (const Batch& batch : loader) losses.push_back(step(batch.tokens, batch.labels));
///
/// The function takes tensors and returns none, one, or a std::array of them, which are new and outside the graph at
/// every call. It runs as written until two runs in a row did the same (usually twice), and once more for each new
/// combination of shapes. What it does beyond kernels happens then only, but for optimizers' steps and what stands in
/// each_run. Tensors that it uses without being given them are those of the recording: give it what changes. What it
/// uses must outlive the step. Random numbers of the default generator, learning rates and step counts go on as they
/// would. Leaves have their gradients after each call, so that an optimizer or zero_grad() may as well stand outside: a
/// step that adds to gradients has one plan for where there are none yet and one for where there are, in whatever memory.
/// Other tensors that the function leaves elsewhere than in its result are overwritten by the next run. Within another
/// captured step it is a part of that one; under AnomalyMode it runs as written.
///
/// There is a plan for each combination of the modes of those modules that the step asks (training or evaluation), of
/// Autocast and of NoGrad around the call, so that an evaluation between two steps costs nothing. After
/// set_requires_grad(), register_hook(), remove_hook() or Module::replace_parameters() on something that the step uses, and
/// after Module::to(), it is recorded anew. stats() says how many runs were replays.
///
/// A run that ends by an error leaves no gradients that it would have replaced, as a step that begins with zero_grad() and
/// fails behind it; where zero_grad() stands later in the step, those of the run before are lost with them.
///
/// A ValueError names what cannot be captured: a value read by the host, with its line; a number that changes from run to
/// run, with that of its operation; an argument whose memory the step also writes in another way. A number that changes
/// is to be an argument (`scalar(beta)`), or a tensor that the step finds by itself and that each_run fills.
template <StepFunction F>
Captured<F> capture(F function, CaptureOptions options = {}, Caller caller = {}) {
  return {std::move(function), options, caller};
}

}  // namespace fovea

#include "fovea/nn/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "fovea/tensor/creation.h"

namespace fovea::nn {
namespace schedule {
namespace {

void check_positive(const char* name, int64_t steps, Caller caller) {
  if (steps < 1) raise<ValueError>(caller, "{}: {} steps; at least 1 is needed", name, steps);
}

/// From a (part 0) to b (part 1) by half a cosine.
double half_cosine(double a, double b, double part) {
  return b + (a - b) / 2 * (1 + std::cos(std::numbers::pi * part));
}

}  // namespace

Curve constant() {
  return [](double base, int64_t) { return base; };
}

Curve step(int64_t size, double gamma, Caller caller) {
  check_positive("schedule::step", size, caller);
  return [size, gamma](double base, int64_t t) { return base * std::pow(gamma, static_cast<double>(t / size)); };
}

Curve multi_step(std::vector<int64_t> milestones, double gamma, Caller caller) {
  if (!std::is_sorted(milestones.begin(), milestones.end())) {
    raise<ValueError>(caller, "schedule::multi_step: the milestones do not rise");
  }
  return [milestones = std::move(milestones), gamma](double base, int64_t t) {
    const auto passed = std::upper_bound(milestones.begin(), milestones.end(), t) - milestones.begin();
    return base * std::pow(gamma, static_cast<double>(passed));
  };
}

Curve exponential(double gamma) {
  return [gamma](double base, int64_t t) { return base * std::pow(gamma, static_cast<double>(t)); };
}

Curve cosine(int64_t period, double min_lr, Caller caller) {
  check_positive("schedule::cosine", period, caller);
  return [period, min_lr](double base, int64_t t) {
    return half_cosine(base, min_lr, static_cast<double>(t) / static_cast<double>(period));
  };
}

Curve linear(double from, double to, int64_t steps, Caller caller) {
  check_positive("schedule::linear", steps, caller);
  return [from, to, steps](double base, int64_t t) {
    return base * (from + (to - from) * static_cast<double>(std::min(t, steps)) / static_cast<double>(steps));
  };
}

Curve warm_up(int64_t steps, Curve after, double from, Caller caller) {
  if (steps < 0) raise<ValueError>(caller, "schedule::warm_up: {} steps", steps);
  return [steps, after = std::move(after), from](double base, int64_t t) {
    if (t >= steps) return after(base, t - steps);
    return base * (from + (1 - from) * static_cast<double>(t) / static_cast<double>(steps));
  };
}

Curve one_cycle(OneCycleOptions o, Caller caller) {
  check_positive("schedule::one_cycle", o.steps, caller);
  if (!(o.pct_start >= 0 && o.pct_start <= 1) || !(o.div_factor > 0) || !(o.final_div_factor > 0)) {
    raise<ValueError>(caller, "schedule::one_cycle: pct_start {} or a division by {} or {} makes no cycle", o.pct_start,
                      o.div_factor, o.final_div_factor);
  }
  return [o](double, int64_t t) {
    const double start = o.max_lr / o.div_factor, end = start / o.final_div_factor;
    const double top = o.pct_start * static_cast<double>(o.steps) - 1;  // the step of the peak, fractions included
    const double last = static_cast<double>(o.steps) - 1;
    const double at = std::min(static_cast<double>(t), last);
    if (at <= top) return half_cosine(start, o.max_lr, top > 0 ? at / top : 1);
    return half_cosine(o.max_lr, end, (at - top) / (last - top));
  };
}

}  // namespace schedule

namespace {

/// The number under a name. Throws ValueError where there is none.
double number(const StateDict& state, const std::string& name, const char* of, Caller caller) {
  const auto found = state.find(name);
  if (found == state.end() || found->second.numel() != 1) {
    raise<ValueError>(caller, "load_state_dict: no number \"{}\" in the state of a {}", name, of);
  }
  return found->second.item();
}

/// A number of steps under a name. Throws ValueError where there is none, or one that no schedule counts to.
int64_t count(const StateDict& state, const std::string& name, const char* of, Caller caller) {
  const double value = number(state, name, of, caller);
  if (!(value >= 0 && value < 1e15 && value == std::floor(value))) {
    raise<ValueError>(caller, "load_state_dict: {} is no count for \"{}\" in the state of a {}", value, name, of);
  }
  return static_cast<int64_t>(value);
}

Tensor number(double value) { return scalar(value, {.dtype = f64}); }

}  // namespace

Schedule::Schedule(Optimizer& optimizer, schedule::Curve curve, Caller caller)
    : optimizer_(optimizer), curve_(std::move(curve)) {
  for (size_t g = 0; g < optimizer.groups(); ++g) base_.push_back(optimizer.lr(g));
  apply(base_, 0, caller);
}

void Schedule::apply(const std::vector<double>& base, int64_t steps, Caller caller) {
  std::vector<double> rates;
  for (double rate : base) rates.push_back(curve_(rate, steps));
  for (double rate : rates) {
    if (is_rate(rate)) continue;
    raise<ValueError>(caller, "schedule: lr = {} of step {} is outside [0, inf)", rate, steps);
  }
  for (size_t g = 0; g < rates.size(); ++g) optimizer_.set_lr(g, rates[g], caller);
}

void Schedule::step(Caller caller) {
  apply(base_, steps_ + 1, caller);
  ++steps_;
}

StateDict Schedule::state_dict() const {
  StateDict state{{"steps", number(static_cast<double>(steps_))}};
  for (size_t g = 0; g < base_.size(); ++g) state[fmt::format("base_lr.{}", g)] = number(base_[g]);
  return state;
}

void Schedule::load_state_dict(const StateDict& state, Caller caller) {
  const int64_t steps = count(state, "steps", "schedule", caller);
  std::vector<double> base;
  for (size_t g = 0; g < base_.size(); ++g) {
    base.push_back(number(state, fmt::format("base_lr.{}", g), "schedule", caller));
  }
  apply(base, steps, caller);
  steps_ = steps;
  base_ = std::move(base);
}

ReduceOnPlateau::ReduceOnPlateau(Optimizer& optimizer, ReduceOnPlateauOptions options, Caller caller)
    : optimizer_(optimizer), options_(options), best_(options.maximize ? -HUGE_VAL : HUGE_VAL) {
  if (!(options.factor > 0 && options.factor < 1)) {
    raise<ValueError>(caller, "ReduceOnPlateau: factor {} is not between 0 and 1", options.factor);
  }
  if (options.patience < 0 || options.cooldown < 0 || !(options.threshold >= 0) || !(options.min_lr >= 0)) {
    raise<ValueError>(caller, "ReduceOnPlateau: patience {}, threshold {}, cooldown {} and min_lr {} must be 0 or more",
                      options.patience, options.threshold, options.cooldown, options.min_lr);
  }
}

void ReduceOnPlateau::step(double metric, Caller caller) {
  const double sign = options_.maximize ? -1 : 1;
  const double margin = options_.absolute   ? options_.threshold
                        : std::isinf(best_) ? 0
                                            : options_.threshold * std::abs(best_);
  if (sign * metric < sign * best_ - margin) {
    best_ = metric;
    bad_ = 0;
  } else {
    ++bad_;
  }
  if (cooling_ > 0) {
    --cooling_;
    bad_ = 0;
  }
  if (bad_ <= options_.patience) return;
  bad_ = 0;
  cooling_ = options_.cooldown;
  for (size_t g = 0; g < optimizer_.groups(); ++g) {
    const double lr = optimizer_.lr(g);
    // A group may lie below min_lr from the start: it stays there.
    optimizer_.set_lr(g, std::min(lr, std::max(lr * options_.factor, options_.min_lr)), caller);
  }
}

StateDict ReduceOnPlateau::state_dict() const {
  return {{"best", number(best_)},
          {"bad", number(static_cast<double>(bad_))},
          {"cooling", number(static_cast<double>(cooling_))}};
}

void ReduceOnPlateau::load_state_dict(const StateDict& state, Caller caller) {
  const double best = number(state, "best", "ReduceOnPlateau", caller);
  if (std::isnan(best)) raise<ValueError>(caller, "load_state_dict: \"best\" in the state of a ReduceOnPlateau is nan");
  const int64_t bad = count(state, "bad", "ReduceOnPlateau", caller);
  const int64_t cooling = count(state, "cooling", "ReduceOnPlateau", caller);
  best_ = best;
  bad_ = bad;
  cooling_ = cooling;
}

}  // namespace fovea::nn

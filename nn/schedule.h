#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "fovea/nn/optimizer.h"

namespace fovea::nn {

namespace schedule {

/// The learning rate of a step (counted from 0), from the rate that the optimizer was made with.
using Curve = std::function<double(double base, int64_t step)>;

/// base.
Curve constant();
/// base gamma^floor(t / size).
Curve step(int64_t size, double gamma = 0.1, Caller caller = {});
/// base gamma^(how many milestones lie at or before t); milestones rise.
Curve multi_step(std::vector<int64_t> milestones, double gamma = 0.1, Caller caller = {});
/// base gamma^t.
Curve exponential(double gamma);
/// min_lr + (base - min_lr) (1 + cos(pi t / period)) / 2 (Loshchilov and Hutter 2017, without restarts).
Curve cosine(int64_t period, double min_lr = 0, Caller caller = {});
/// base times a factor that goes straight from `from` to `to` in `steps` steps and stays.
Curve linear(double from, double to, int64_t steps, Caller caller = {});
/// For `steps` steps base times a factor that rises straight from `from` (step 0) towards 1; then `after`, whose step 0
/// is the first at full rate.
Curve warm_up(int64_t steps, Curve after = constant(), double from = 0, Caller caller = {});

struct OneCycleOptions {
  double max_lr;
  int64_t steps;                  // of the whole cycle
  double pct_start = 0.3;         // the part of it that rises
  double div_factor = 25;         // it starts at max_lr / div_factor
  double final_div_factor = 1e4;  // and ends at that over final_div_factor
};
/// Up to max_lr and down again, by half cosines (Smith and Topin 2018); base plays no part.
Curve one_cycle(OneCycleOptions options, Caller caller = {});

}  // namespace schedule

/// Moves an optimizer's learning rates along a curve, one point a step():
///
///     Schedule rates(optimizer, schedule::warm_up(500, schedule::cosine(10000)));
///     for (...) { ...; optimizer.step(); rates.step(); }
class Schedule {
 public:
  /// Sets the rates of step 0. The optimizer must outlive the schedule. Throws ValueError, as step() does, where the curve
  /// gives a rate that is negative or not finite.
  Schedule(Optimizer& optimizer, schedule::Curve curve, Caller caller = {});

  void step(Caller caller = {});
  int64_t steps() const { return steps_; }

  /// The count of steps and the base rates.
  StateDict state_dict() const;
  /// Goes on from there. Throws ValueError where it is no such state, and changes nothing then.
  void load_state_dict(const StateDict& state, Caller caller = {});

 private:
  void apply(const std::vector<double>& base, int64_t steps, Caller caller);

  Optimizer& optimizer_;
  schedule::Curve curve_;
  std::vector<double> base_;
  int64_t steps_ = 0;
};

struct ReduceOnPlateauOptions {
  bool maximize = false;    // a greater metric is better
  double factor = 0.1;      // what the rate is multiplied by
  int64_t patience = 10;    // how many calls without improvement are let pass
  double threshold = 1e-4;  // what counts as improvement: relative to the best
  bool absolute = false;    // ... or in the metric's own units
  int64_t cooldown = 0;     // calls after a reduction that do not count
  double min_lr = 0;        // below which no rate is reduced
};

/// Reduces the rates when a metric stops improving: call step(metric) once an epoch.
class ReduceOnPlateau {
 public:
  /// Throws ValueError where an option is out of its range.
  ReduceOnPlateau(Optimizer& optimizer, ReduceOnPlateauOptions options = {}, Caller caller = {});

  void step(double metric, Caller caller = {});
  double best() const { return best_; }

  StateDict state_dict() const;
  void load_state_dict(const StateDict& state, Caller caller = {});

 private:
  Optimizer& optimizer_;
  ReduceOnPlateauOptions options_;
  double best_;
  int64_t bad_ = 0;
  int64_t cooling_ = 0;
};

}  // namespace fovea::nn

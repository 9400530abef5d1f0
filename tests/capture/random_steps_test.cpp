#include <bit>
#include <deque>

#include "capture/random_step.h"
#include "support/device.h"

// Steps that are drawn at random leave the same bits captured as written, whatever happens between their runs.
namespace fovea::test {
namespace {

/// The bits of x, so that a NaN is like itself; those of nothing differ from any.
std::vector<uint32_t> bits_of(const Tensor& x) {
  if (!x.defined()) return {0xffffffffu};
  std::vector<uint32_t> bits;
  for (const float value : x.to_vector<float>()) bits.push_back(std::bit_cast<uint32_t>(value));
  return bits;
}

/// The arguments of a run and what stands around it.
struct Occasion {
  Tensor fresh(const Shape& shape) { return randn(shape, {}, data).to(device); }

  const Device device;
  Generator data{5, 0};
  int64_t rows = 3;
  Tensor x = {}, y = {}, again = {};
  DType products = f32;
  bool gradients = true;
  std::vector<Tensor> kept = {};
  std::vector<std::pair<Tensor, int64_t>> hooks = {};
};

/// What a user may do between two runs, to a parameter p say, whose gradient is g where it has one.
using StepEvent = void (*)(Occasion&, RandomStep&, Tensor& p, Tensor g);
const std::vector<StepEvent> step_events{
    [](Occasion& o, RandomStep&, Tensor&, Tensor g) { o.kept.push_back(g); },
    [](Occasion&, RandomStep&, Tensor& p, Tensor) { p.zero_grad(); },
    [](Occasion&, RandomStep&, Tensor& p, Tensor) { p.set_grad(full(p.shape(), 0.25, p.options())); },
    [](Occasion&, RandomStep& s, Tensor& p, Tensor g) {
      if (p.shape() == s.norm.weight.shape()) s.norm.weight.set_grad(g);
    },
    [](Occasion&, RandomStep&, Tensor& p, Tensor g) { p.set_grad(g.defined() ? g.clone() : g); },
    [](Occasion&, RandomStep&, Tensor& p, Tensor g) {
      if (g.defined() && p.rank() == 2) p.set_grad(g.mT().clone().mT());
    },
    [](Occasion&, RandomStep&, Tensor&, Tensor g) {
      if (g.defined()) g.mul_(0.5);
    },
    [](Occasion&, RandomStep&, Tensor& p, Tensor) { p.set_requires_grad(!p.requires_grad()); },
    [](Occasion& o, RandomStep&, Tensor& p, Tensor) {
      o.hooks.emplace_back(p, p.register_hook([](const Tensor& gradient) { return gradient * 0.5; }));
    },
    [](Occasion& o, RandomStep&, Tensor&, Tensor) {
      for (const auto& [hooked, key] : o.hooks) hooked.remove_hook(key);
      o.hooks.clear();
    },
    [](Occasion&, RandomStep&, Tensor& p, Tensor) { p.fill_(0.125); },
    [](Occasion&, RandomStep&, Tensor&, Tensor) { manual_seed(7); },
    [](Occasion& o, RandomStep&, Tensor&, Tensor) { o.products = bf16; },
    [](Occasion& o, RandomStep&, Tensor&, Tensor) { o.gradients = false; },
    [](Occasion& o, RandomStep&, Tensor&, Tensor) { o.y = o.x.slice(0, 0, 2); },
    [](Occasion& o, RandomStep&, Tensor&, Tensor) {
      o.x = o.fresh({4, o.rows}).mT();
    },
    [](Occasion& o, RandomStep&, Tensor&, Tensor) {
      o.x = o.fresh({o.rows + 2, 4}).slice(0, 1, o.rows + 1);
    },
    [](Occasion& o, RandomStep&, Tensor&, Tensor) { o.x.set_requires_grad(); },
    [](Occasion& o, RandomStep&, Tensor&, Tensor) { o.again = o.x.set_requires_grad(); },
    [](Occasion& o, RandomStep&, Tensor&, Tensor) {
      if (o.again.defined() && o.again.size(0) == o.rows) o.x = o.again;
    },
    [](Occasion&, RandomStep& s, Tensor&, Tensor) { s.norm.train(!s.norm.training()); },
    [](Occasion&, RandomStep& s, Tensor&, Tensor) { s.zero_grad(); },
    [](Occasion&, RandomStep& s, Tensor&, Tensor) { s.descend(0.01); },
};

struct Course {
  std::vector<std::vector<uint32_t>> bits;  // of all that each run left
  uint64_t replays = 0;
};

/// Twelve runs of a step, of some seeds of two that take turns, or with two shapes.
Course run_random_steps(uint64_t seed, Device device, bool captured) {
  manual_seed(seed);
  std::deque<RandomStep> steps;
  steps.emplace_back(seed, device);
  if (seed % 4 == 1) steps.emplace_back(seed + 1000000, device);
  const int64_t other_rows = seed % 7 == 2 ? 5 : 3;
  Occasion occasion{device};
  std::mt19937_64 dice(seed);
  const auto as_captured = [](RandomStep& step) {
    return capture([&step](const Tensor& x, const Tensor& y) { return step(x, y); });
  };
  std::vector<decltype(as_captured(steps[0]))> replayed;
  for (RandomStep& step : steps) {  // makes the parameters
    for (const int64_t rows : {int64_t{3}, other_rows}) step(occasion.fresh({rows, 4}), occasion.fresh({2, 4}));
    step.zero_grad();
    replayed.push_back(as_captured(step));
  }
  Course course;
  std::vector<Tensor> results;
  for (int run = 0; run < 12; ++run) {
    for (size_t i = 0; i < steps.size(); ++i) {
      RandomStep& step = steps[i];
      occasion.rows = run % 2 ? other_rows : 3;
      occasion.x = occasion.fresh({occasion.rows, 4});
      occasion.y = occasion.fresh({2, 4});
      occasion.products = f32;
      occasion.gradients = true;
      std::vector<Tensor> parameters = step.parameters();
      {
        const NoGrad off;
        Tensor& p = parameters[dice() % parameters.size()];
        step_events[dice() % step_events.size()](occasion, step, p, p.grad());
      }
      {
        const Autocast products(occasion.products);
        const GradMode mode(occasion.gradients);
        results.push_back(captured ? replayed[i](occasion.x, occasion.y) : step(occasion.x, occasion.y));
      }
      std::vector<Tensor> left{occasion.x, occasion.x.grad(), step.state, step.norm.running_mean};
      left.insert(left.end(), occasion.kept.begin(), occasion.kept.end());
      for (const Tensor& p : parameters) {
        left.push_back(p);
        left.push_back(p.grad());
      }
      for (const Tensor& x : left) course.bits.push_back(bits_of(x));
      course.bits.push_back({static_cast<uint32_t>(default_generator().offset)});
    }
  }
  for (const Tensor& x : results) course.bits.push_back(bits_of(x));
  for (const auto& step : replayed) course.replays += step.stats().replays;
  return course;
}

TEST_P(OnEveryDevice, RandomStepsLeaveTheSameBitsCaptured) {
  const uint64_t seeds = device() == Device::cpu() ? 300 : 30;  // a shader is compiled for each new program
  uint64_t replays = 0, refused = 0;
  for (uint64_t seed = 0; seed < seeds; ++seed) {
    Course written;
    try {
      written = run_random_steps(seed, device(), false);
    } catch (const Error&) {
      ++refused;  // what was drawn cannot be
      continue;
    }
    const Course captured = run_random_steps(seed, device(), true);
    ASSERT_EQ(captured.bits, written.bits) << "seed " << seed;
    replays += captured.replays;
  }
  EXPECT_LT(refused, seeds / 10);
  EXPECT_GT(replays, 4 * seeds);
}

}  // namespace
}  // namespace fovea::test

#pragma once

#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "fovea/fovea.h"

// Steps that are drawn at random.
namespace fovea::test {

class RandomStep;
/// Of a step's value that is no scalar, and one of its axes.
using StepOperation = Tensor (*)(RandomStep&, const Tensor&, int);

/// A step that draws what it does from a seed, the same for arguments of the same shapes: it makes values of its arguments
/// [rows, 4] and [2, 4], of parameters and of a state, has gradients of a loss of some, and changes parameters and state.
class RandomStep {
 public:
  RandomStep(uint64_t seed, Device of_step) : device(of_step), seed_(seed) {
    norm.to(device);
    state = full({2, 4}, 0.5, {f32, device});
  }

  Tensor operator()(const Tensor& x, const Tensor& y) {
    engine_.seed(seed_);
    drawn_ = 0;
    values_ = {x, y, state};
    if (chance(60)) zero_grad();
    for (int i = 3 + below(10); i > 0; --i) values_.push_back(next_value());
    Tensor loss = mean(square(tanh(values_.back() * parameter({1}))));
    for (int i = 0; i < 2; ++i) loss = loss + mean(square(tanh(any())));
    if (chance(20) && loss.requires_grad()) {
      for (const Tensor& g : autograd::grad({loss}, trained(), {}, {.create_graph = true})) {
        if (g.defined()) loss = loss + mean(square(g)) * 0.1;
      }
    }
    if (loss.requires_grad()) {
      if (chance(15)) autograd::backward({loss}, {}, {.retain_graph = true});
      loss.backward();
    }
    const NoGrad off;
    if (chance(30)) descend(0.05);
    const Tensor mean_of_any = mean(any().detach());
    const int change = below(6);
    if (change == 0) state.mul_(0.9);
    if (change == 1) state.add_(mean_of_any, 0.1);
    if (change == 2) state.copy_(tanh(mean_of_any));
    if (change == 3) state.slice(1, 1, 3).copy_(state.slice(1, 0, 2));
    const Tensor result = chance(30) ? any() : loss;
    values_.clear();
    return result.detach().clone();
  }

  void zero_grad() {
    for (Tensor& p : parameters()) p.zero_grad();
  }
  void descend(double rate) {
    for (Tensor& p : parameters()) {
      if (p.grad().defined()) p.add_(p.grad(), -rate);
    }
  }
  std::vector<Tensor> parameters() const {
    std::vector<Tensor> all{norm.weight, norm.bias};
    for (const auto& [place, p] : parameters_) all.push_back(p);
    return all;
  }

  // For the operations.

  int below(int n) { return static_cast<int>(engine_() % static_cast<uint64_t>(n)); }
  bool chance(int percent) { return below(100) < percent; }
  Tensor any() { return values_[static_cast<size_t>(below(static_cast<int>(values_.size())))]; }
  /// Another value of x's shape, or what broadcasts to it.
  Tensor like(const Tensor& x) {
    for (const Tensor& other : values_) {
      if (other.shape() == x.shape() && chance(60)) return other;
    }
    return mean(x, below(x.rank()), true);
  }
  Tensor parameter(const Shape& shape) {
    Tensor& p = parameters_[{drawn_++, to_string(shape)}];
    if (!p.defined()) {
      Generator own{seed_ + static_cast<uint64_t>(drawn_), 0};
      p = (randn(shape, {}, own) * 0.5).to(device).set_requires_grad();
    }
    return p;
  }
  Tensor row_parameter(const Tensor& x) { return parameter({x.size(-1)}); }
  Axes axes(int axis) { return chance(70) ? Axes(axis) : Axes(); }
  Tensor integers(int64_t low, int64_t high, const Shape& shape) {
    return randint(low, high, shape, {.device = device});
  }

  const Device device;
  nn::BatchNorm2d norm{1};
  Tensor state;
  Tensor told;   // what each_run fills
  int runs = 0;  // that it was filled in

 private:
  Tensor next_value();
  std::vector<Tensor> trained() const {
    std::vector<Tensor> all = parameters();
    std::erase_if(all, [](const Tensor& p) { return !p.requires_grad(); });
    return all;
  }

  uint64_t seed_;
  std::mt19937_64 engine_;
  int drawn_ = 0;
  std::map<std::pair<int, std::string>, Tensor> parameters_;
  std::vector<Tensor> values_;
};

inline Tensor as_images(const Tensor& x) { return x.reshape({1, 1, x.size(0), -1}); }
inline Tensor as_volumes(const Tensor& x) {
  return x.rank() > 1 ? x.reshape({1, 1, x.size(0), x.size(1), -1}) : as_images(x).unsqueeze(2);
}
inline Tensor as_sequence(const Tensor& x) { return x.reshape({1, x.size(0), -1}); }

inline const std::vector<StepOperation> step_operations{
    // Element by element.
    [](RandomStep&, const Tensor& x, int) { return gelu(x); },
    [](RandomStep&, const Tensor& x, int) { return tanh(x * 1.5 + 0.1); },
    [](RandomStep& s, const Tensor& x, int) { return x + s.like(x); },
    [](RandomStep& s, const Tensor& x, int axis) {
      Shape shape = x.shape();
      shape[axis] = 1;
      return x * s.parameter(shape);
    },
    [](RandomStep&, const Tensor& x, int) { return masked_fill(x, x < 0.0, -0.5); },
    [](RandomStep& s, const Tensor& x, int) { return x.to(s.chance(50) ? f16 : bf16).to(f32); },
    [](RandomStep&, const Tensor& x, int) {
      return x * arange(0, static_cast<double>(x.numel()), 1, x.options()).reshape(x.shape()) * 0.01;
    },
    // Views, and what moves elements.
    [](RandomStep& s, const Tensor& x, int axis) { return x.transpose(axis, s.below(x.rank())); },
    [](RandomStep&, const Tensor& x, int) { return x.reshape({-1}); },
    [](RandomStep& s, const Tensor& x, int axis) { return x.slice(axis, 0, INT64_MAX, 1 + s.below(2)); },
    [](RandomStep&, const Tensor& x, int axis) { return x.flip(axis); },
    [](RandomStep& s, const Tensor& x, int axis) {
      return x.rank() < 5 ? x.unfold(axis, std::min<int64_t>(x.size(axis), 1 + s.below(3)), 1 + s.below(2)) : x;
    },
    [](RandomStep& s, const Tensor& x, int) {
      const int64_t step = 1 + s.below(2);
      return x.rank() > 1 ? overlap_add(x, 0, (x.size(0) - 1) * step + x.size(-1) + s.below(2), step) : x;
    },
    [](RandomStep&, const Tensor& x, int axis) {
      Shape shape = x.shape();
      shape.insert(axis, 2);
      return x.rank() < 5 ? x.unsqueeze(axis).expand(shape) : x;
    },
    [](RandomStep&, const Tensor& x, int) { return x.rank() > 1 ? x.diagonal(0, 0, -1) : x; },
    [](RandomStep&, const Tensor& x, int axis) { return roll(x, {1}, axis); },
    [](RandomStep&, const Tensor& x, int) {
      return pad(x, {1, 2}, 0.5);
    },
    [](RandomStep&, const Tensor& x, int axis) {
      return concat({x, x * 0.5, x}, axis);
    },
    [](RandomStep& s, const Tensor& x, int axis) {
      return stack({x, s.like(x).expand(x.shape())}, axis);
    },
    [](RandomStep& s, const Tensor& x, int axis) { return index_select(x, axis, s.integers(0, x.size(axis), {3})); },
    [](RandomStep& s, const Tensor&, int) {
      return embedding(s.integers(0, 5, {3}), s.parameter({5, 2}));
    },
    // Folds and rows.
    [](RandomStep& s, const Tensor& x, int axis) { return sum(x, s.axes(axis), s.chance(50)); },
    [](RandomStep& s, const Tensor& x, int axis) { return amax(x, s.axes(axis), s.chance(50)); },
    [](RandomStep& s, const Tensor& x, int axis) { return logsumexp(x, s.axes(axis), s.chance(50)); },
    [](RandomStep& s, const Tensor& x, int axis) { return var(x, s.axes(axis), 0, s.chance(50)); },
    [](RandomStep& s, const Tensor& x, int axis) { return prod(x, s.axes(axis), s.chance(50)); },
    [](RandomStep&, const Tensor& x, int axis) { return softmax(x, axis); },
    [](RandomStep& s, const Tensor& x, int) { return layer_norm(x, s.row_parameter(x), s.row_parameter(x)); },
    [](RandomStep&, const Tensor& x, int axis) { return cumsum(x, axis); },
    [](RandomStep&, const Tensor& x, int axis) { return sort(x, axis).values; },
    [](RandomStep& s, const Tensor& x, int) {
      const Tensor rows = x.flatten(0, -2);
      return cross_entropy(as_images(rows), s.integers(0, as_images(rows).size(-1), {1, 1, rows.size(0)}));
    },
    // Products, pictures and sequences.
    [](RandomStep& s, const Tensor& x, int) {
      return matmul(as_images(x), s.parameter({as_images(x).size(-1), 3}));
    },
    [](RandomStep& s, const Tensor& x, int) {
      return conv1d(as_sequence(x), s.parameter({2, x.size(0), 2}), s.parameter({2}), {.padding = 1});
    },
    [](RandomStep& s, const Tensor& x, int) {
      return conv3d(as_volumes(x), s.parameter({2, 1, 2, 2, 2}), s.parameter({2}), {.padding = 1});
    },
    [](RandomStep& s, const Tensor& x, int) {
      return conv_transpose3d(as_volumes(x), s.parameter({1, 2, 2, 2, 1}), s.parameter({2}), {.stride = 2});
    },
    [](RandomStep&, const Tensor& x, int) { return max_pool3d(as_volumes(x), 2, {.stride = 1, .padding = 1}); },
    [](RandomStep&, const Tensor& x, int) { return avg_pool2d(as_images(x), 2, {.stride = 1, .padding = 1}); },
    [](RandomStep& s, const Tensor& x, int) {
      return interpolate(as_images(x), {3, 5}, {.mode = static_cast<Interpolation>(s.below(3))});
    },
    [](RandomStep&, const Tensor& x, int) {
      return adaptive_avg_pool2d(as_images(x), {2, 3});
    },
    [](RandomStep& s, const Tensor& x, int) {
      const Tensor rows = as_sequence(x);
      return recurrent(matmul(rows, s.parameter({rows.size(-1), 6})), s.parameter({6, 2}), s.parameter({6}),
                       {.reverse = s.chance(50)})
          .output;
    },
    [](RandomStep& s, const Tensor& x, int) {
      const Tensor rows = as_sequence(x);
      return scaled_dot_product_attention(rows, rows * s.row_parameter(rows), rows,
                                          {.causal = s.chance(50), .dropout = 0.3});
    },
    [](RandomStep& s, const Tensor& x, int) {
      s.norm.train(s.chance(50));
      return x.numel() > 1 ? s.norm.forward(as_images(x)) : x;
    },
    // What is random, or changes how others run.
    [](RandomStep&, const Tensor& x, int) { return x + randn_like(x) * 0.1; },
    [](RandomStep&, const Tensor& x, int) { return nn::dropout2d(as_images(x), 0.3); },
    [](RandomStep& s, const Tensor& x, int) {
      return autograd::checkpoint(
          [](const std::vector<Tensor>& in) { return tanh(in[0] * in[1]) + where(rand_like(in[0]) < 0.5, in[0], 0.0); },
          {x, s.row_parameter(x)});
    },
    [](RandomStep& s, const Tensor& x, int) {
      const Autocast half(bf16);
      return matmul(as_images(x), s.parameter({as_images(x).size(-1), 2}));
    },
    [](RandomStep&, const Tensor& x, int) {
      const NoGrad off;
      return exp(clamp(x, -1, 1));
    },
    [](RandomStep& s, const Tensor& x, int axis) {
      Tensor copy = x.detach().clone();
      copy.slice(axis, 0, 1).fill_(0.25);
      copy.add_(s.like(x).detach(), 0.5);
      copy.copy_(copy * 2.0);
      return copy + x;
    },
    [](RandomStep&, const Tensor& x, int) {
      return x.requires_grad() ? autograd::grad({sum(x * x * x)}, {x}, {}, {.create_graph = true})[0] : x;
    },
    [](RandomStep&, const Tensor& x, int) {
      Tensor leaf = x.detach().clone().set_requires_grad();
      const EnableGrad on;
      sum(tanh(leaf)).backward();
      return leaf.grad() + x;
    },
    [](RandomStep& s, const Tensor& x, int) {
      if (!s.told.defined()) s.told = zeros({}, {f32, s.device});
      each_run([&s] { s.told.fill_(0.1 * ++s.runs); });
      return x * s.told.clone();
    },
};

inline Tensor RandomStep::next_value() {
  Tensor x = any();
  if (x.rank() == 0 || x.rank() > 5 || x.numel() == 0 || x.numel() > 3000) x = values_[0];
  const int axis = below(x.rank());
  return step_operations[static_cast<size_t>(below(static_cast<int>(step_operations.size())))](*this, x, axis);
}

}  // namespace fovea::test

#pragma once

#include "fovea/nn/module.h"

// Where in a sequence something stands, told to a model that reads all of it at once.
namespace fovea::nn {

/// A learned vector per position, added to x.
///   x, y    [batch, time, dim], standing at the positions offset, offset + 1, ...; time + offset at most `length`
///   weight  [length, dim], normal with deviation 0.02
class LearnedPositions : public Module {
 public:
  LearnedPositions(int64_t length, int64_t dim, Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const { return forward(x, 0, caller); }
  Tensor forward(const Tensor& x, int64_t offset, Caller caller = {}) const;
  std::string description() const override;

  Tensor weight;
};

/// [time, dim]: sin(p / base^(2 i / dim)) at 2 i and cos of the same at 2 i + 1, for the positions p = offset, offset +
/// 1, ... (Vaswani et al. 2017).
Tensor sinusoidal_positions(int64_t time, int64_t dim, int64_t offset = 0, double base = 10000,
                            TensorOptions options = {}, Caller caller = {});

/// sinusoidal_positions added to x [batch, time, dim]; no parameters and no greatest length.
class SinusoidalPositions : public Module {
 public:
  explicit SinusoidalPositions(int64_t dim, double base = 10000, Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const { return forward(x, 0, caller); }
  Tensor forward(const Tensor& x, int64_t offset, Caller caller = {}) const;
  std::string description() const override;
  int64_t dim() const { return dim_; }
  double base() const { return base_; }

 private:
  int64_t dim_;
  double base_;
};

/// Queries or keys x [..., time, d] turned by their positions: the pair (x_i, x_(i + d/2)) by the angle p / base^(2 i /
/// d), so that the product of two depends on the distance between them alone (Su et al. 2021, "RoFormer"). d is even.
Tensor rotary(const Tensor& x, int64_t offset = 0, double base = 10000, Caller caller = {});

/// A bias for causal attention [heads, 1, keys]: slope_h j at key j, where slope_h = 2^(-8 (h + 1) / heads). Up to a
/// constant per query, which softmax takes no notice of, that is -slope_h times the distance to the query (Press et al.
/// 2022, "ALiBi"; for heads that are no power of 2 the slopes of the next power, every other one, fill up). In half
/// precision far keys share values; MultiheadAttention adds it in f32.
Tensor alibi_bias(int64_t heads, int64_t keys, TensorOptions options = {}, Caller caller = {});

struct RelativePositionOptions {
  int64_t num_buckets = 32;    // half of them for each direction where not causal
  int64_t max_distance = 128;  // distances from here on share the last bucket
  bool causal = false;
};

/// A learned bias per head and distance, which attention adds to its scores (Raffel et al. 2020, "T5"): near distances
/// have a bucket each, far ones share buckets that grow with the logarithm.
///   weight  [num_buckets, heads], normal with deviation 0.02
///   bias    [heads, queries, keys]
class RelativePositionBias : public Module {
 public:
  explicit RelativePositionBias(int64_t heads, RelativePositionOptions options = {}, Caller caller = {});
  /// Query i stands at position i + offset.
  Tensor forward(int64_t queries, int64_t keys, int64_t offset = 0, Caller caller = {}) const;
  std::string description() const override;

  /// The bucket of key position - query position.
  int64_t bucket(int64_t distance) const;
  const RelativePositionOptions& options() const { return options_; }

  Tensor weight;

 private:
  RelativePositionOptions options_;
};

}  // namespace fovea::nn

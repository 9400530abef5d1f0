#pragma once

#include "fovea/tensor/tensor.h"

// Attention in three steps that combine freely: scores of queries against keys, weights from scores, a read of the
// values by weights. A query tensor [..., Q, D] asks Q questions of the keys [..., T, D].
namespace fovea::nn {

/// How well a key k answers a query q.
enum class Score : uint8_t {
  dot,         // q . k (Luong et al. 2015)
  scaled_dot,  // q . k / sqrt(D) (Vaswani et al. 2017)
  cosine,      // q . k / (|q| |k|) (Graves et al. 2014)
  bilinear,    // (q W) . k (Luong et al. 2015, "general")
  additive,    // u . tanh(q Wq + k Wk) (Bahdanau et al. 2015)
};

/// How scores s of the keys that are kept become weights.
enum class Weights : uint8_t {
  softmax,    // exp(s) / sum exp(s)
  sum,        // softplus(s) / sum softplus(s)
  exp,        // exp(s), not normalised
  sparsemax,  // the point of the simplex nearest to s: many are exactly 0 (Martins and Astudillo 2016)
};

std::string_view name(Score score);
std::string_view name(Weights weights);

/// The tensors that a score has beside query and keys.
struct ScoreParameters {
  Tensor w = {};   // bilinear: [Dq, D]
  Tensor wq = {};  // additive: [Dq, H]
  Tensor wk = {};  // [D, H]
  Tensor u = {};   // [H]
};

/// query [..., Q, Dq], keys [..., T, D] -> [..., Q, T].
Tensor attention_scores(const Tensor& query, const Tensor& keys, Score score, const ScoreParameters& parameters = {},
                        Caller caller = {});

/// Scores to weights over the last axis. `keep` (bool, broadcast to the scores; undefined: all) says which keys may be
/// read: the others, and all keys of a row that keeps none, weigh 0. Scores are divided by `temperature` first.
Tensor attention_weights(const Tensor& scores, const Tensor& keep = {}, Weights weights = Weights::softmax,
                         double temperature = 1, Caller caller = {});

/// weights [..., Q, T] times values [..., T, Dv] -> [..., Q, Dv].
Tensor attention_read(const Tensor& weights, const Tensor& values, Caller caller = {});

/// Projection of x onto the simplex along the last axis (Martins and Astudillo 2016).
Tensor sparsemax(const Tensor& x, Caller caller = {});

struct AttentionOptions {
  Score score = Score::scaled_dot;
  Weights weights = Weights::softmax;
  double temperature = 1;
  ScoreParameters parameters = {};
};

struct Attended {
  Tensor read;
  Tensor weights;
};

/// The three steps with one query a row: query [B, Dq], keys [B, T, D], values [B, T, Dv], keep [B, T] -> read [B, Dv],
/// weights [B, T].
Attended attention_pool(const Tensor& query, const Tensor& keys, const Tensor& values, const Tensor& keep = {},
                        const AttentionOptions& options = {}, Caller caller = {});

}  // namespace fovea::nn

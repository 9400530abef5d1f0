#pragma once

#include "fovea/autograd/attention.h"
#include "fovea/nn/sparse_weights.h"
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
  location,    // (q W)_t for the key at position t, whatever it holds (Luong et al. 2015)
};

/// How scores s of the keys that are kept become weights.
enum class Weights : uint8_t {
  softmax,    // exp(s) / sum exp(s)
  sum,        // softplus(s) / sum softplus(s)
  exp,        // exp(s), not normalised
  sparsemax,  // the point of the simplex nearest to s: many are exactly 0 (Martins and Astudillo 2016)
  entmax15,   // between softmax and sparsemax: some are exactly 0 (Peters et al. 2019)
};

std::string_view name(Score score);
std::string_view name(Weights weights);

/// The tensors that a score has beside query and keys.
struct ScoreParameters {
  Tensor w = {};   // bilinear: [Dq, D]; location: [Dq, T or more]
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

struct AttentionOptions {
  Score score = Score::scaled_dot;
  Weights weights = Weights::softmax;
  double temperature = 1;
  ScoreParameters parameters = {};
  Tensor temperatures = {};  // [B, Q, 1], of a pool [B, 1]: the scores are divided by these, too; undefined: 1
};

/// The three steps with one query a row: query [B, Dq], keys [B, T, D], values [B, T, Dv], keep [B, T] -> read [B, Dv],
/// weights [B, T].
Attended attention_pool(const Tensor& query, const Tensor& keys, const Tensor& values, const Tensor& keep = {},
                        const AttentionOptions& options = {}, Caller caller = {});

/// The three steps with many queries: query [B, Q, Dq], keys [B, T, D], values [B, T, Dv], keep [B, T] or [B, Q, T] ->
/// [B, Q, Dv]. Where weights are a softmax of products (all scores but additive and location) and keep has two axes, the
/// scores are never held.
Tensor attend(const Tensor& query, const Tensor& keys, const Tensor& values, const Tensor& keep = {},
              const AttentionOptions& options = {}, Caller caller = {});
/// The same and the weights [B, Q, T].
Attended attend_with_weights(const Tensor& query, const Tensor& keys, const Tensor& values, const Tensor& keep = {},
                             const AttentionOptions& options = {}, Caller caller = {});

}  // namespace fovea::nn

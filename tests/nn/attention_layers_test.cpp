#include <fovea/fovea.h>

#include <cmath>

#include "support/layer_table.h"

namespace fovea::test {
namespace {

using nn::Score;
using nn::Weights;

/// The scores of a SequenceAttention by their definitions: query [B, Q, Dq], keys [B, T, D].
Numbers scores_of(Score score, const Known& p, const Numbers& q, const Numbers& k) {
  const int64_t batch = q.size(0), queries = q.size(1), keys = k.size(1);
  switch (score) {
    case Score::dot:
      return naive_products(q, k);
    case Score::scaled_dot:
      return naive_products(q, k, 1 / std::sqrt(static_cast<double>(q.size(2))));
    case Score::bilinear: {
      Numbers turned({batch, queries, k.size(2)});
      for (int64_t b = 0; b < batch; ++b) {
        for (int64_t i = 0; i < queries; ++i) {
          for (int64_t c = 0; c < q.size(2); ++c) {
            for (int64_t d = 0; d < k.size(2); ++d) turned(b, i, d) += q(b, i, c) * p["weight"](c, d);
          }
        }
      }
      return naive_products(turned, k);
    }
    case Score::cosine:
    case Score::additive:
    case Score::location:
      break;
  }
  Numbers s({batch, queries, keys});
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t i = 0; i < queries; ++i) {
      for (int64_t j = 0; j < keys; ++j) {
        if (score == Score::cosine) {
          double qk = 0, qq = 0, kk = 0;
          for (int64_t c = 0; c < q.size(2); ++c) {
            qk += q(b, i, c) * k(b, j, c), qq += q(b, i, c) * q(b, i, c), kk += k(b, j, c) * k(b, j, c);
          }
          s(b, i, j) = qk / std::sqrt(qq * kk);
        } else if (score == Score::location) {
          for (int64_t c = 0; c < q.size(2); ++c) s(b, i, j) += q(b, i, c) * p["weight"](c, j);
        } else {
          for (int64_t h = 0; h < p["u"].size(0); ++h) {
            double inner = 0;
            for (int64_t c = 0; c < q.size(2); ++c) inner += q(b, i, c) * p["wq"](c, h);
            for (int64_t c = 0; c < k.size(2); ++c) inner += k(b, j, c) * p["wk"](c, h);
            s(b, i, j) += p["u"](h) * std::tanh(inner);
          }
        }
      }
    }
  }
  return s;
}

/// Weights of one row of kept scores; the two sparse ones by bisection on their threshold.
std::vector<double> weights_of(Weights kind, const std::vector<double>& s) {
  std::vector<double> w;
  double total = 0;
  const auto above = [&](double v, double tau) {
    const double over = std::max((kind == Weights::entmax15 ? v / 2 : v) - tau, 0.0);
    return kind == Weights::entmax15 ? over * over : over;
  };
  if (kind == Weights::sparsemax || kind == Weights::entmax15) {
    double low = -100, high = 100;
    for (int i = 0; i < 200; ++i) {
      const double middle = (low + high) / 2;
      double sum = 0;
      for (double v : s) sum += above(v, middle);
      (sum > 1 ? low : high) = middle;
    }
    for (double v : s) w.push_back(above(v, low));
    return w;
  }
  for (double v : s) total += w.emplace_back(kind == Weights::sum ? std::log1p(std::exp(v)) : std::exp(v));
  if (kind == Weights::exp) return w;
  for (double& v : w) v /= total;
  return w;
}

/// Weights [.., T] of scores [.., T], where keep holds them.
Numbers weighed(Weights kind, Numbers scores, const Numbers& keep) {
  const auto width = static_cast<size_t>(scores.size(-1));
  for (size_t row = 0; row < scores.values.size(); row += width) {
    std::vector<double> kept;
    for (size_t i = row; i < row + width; ++i) {
      if (keep.values[i] != 0) kept.push_back(scores.values[i]);
    }
    const std::vector<double> w = kept.empty() ? kept : weights_of(kind, kept);
    size_t next = 0;
    for (size_t i = row; i < row + width; ++i) scores.values[i] = keep.values[i] != 0 ? w[next++] : 0;
  }
  return scores;
}

/// keep [B, T] for every query.
Numbers for_queries(const Numbers& keep, int64_t queries) {
  if (keep.shape.rank() == 3) return keep;
  Numbers out({keep.size(0), queries, keep.size(1)});
  for (int64_t b = 0; b < keep.size(0); ++b) {
    for (int64_t i = 0; i < queries; ++i) {
      for (int64_t j = 0; j < keep.size(1); ++j) out(b, i, j) = keep(b, j);
    }
  }
  return out;
}

/// A SequenceAttention of query [2, 2, 3] on keys [2, 4, dk]; keep per key or per query and key.
LayerRow sequence(const std::string& name, nn::SequenceAttentionOptions options, bool per_query = false) {
  const bool one_width =
      options.score == Score::dot || options.score == Score::scaled_dot || options.score == Score::cosine;
  options.length = 5;
  const int64_t dk = one_width ? 3 : 2;
  const std::vector<bool> key_mask{1, 1, 0, 1, 1, 0, 1, 1};
  const std::vector<bool> query_mask{1, 1, 0, 1, 0, 0, 0, 0, 1, 0, 1, 1, 1, 1, 1, 1};
  const Tensor keep = per_query ? from_vector(query_mask, {2, 2, 4}) : from_vector(key_mask, {2, 4});
  return row<nn::SequenceAttention>(
      "SequenceAttention_" + name, built<nn::SequenceAttention>(3, dk, options),
      {random({2, 2, 3}), random({2, 4, dk}, {}, 2), random({2, 4, dk}, {}, 3), keep},
      [](const nn::SequenceAttention& m, const Inputs& x) {
        // Twice: where the weights are not asked for, they may never be made.
        const Attended out = m.forward_with_weights(x[0], x[1], x[2], x[3]);
        return Outputs{m.forward(x[0], x[1], x[2], x[3]), out.read, out.weights};
      },
      [options](const Known& p, const std::vector<Numbers>& x) {
        Numbers scores =
            each(scores_of(options.score, p, x[0], x[1]), [&](double s) { return s / options.temperature; });
        if (options.adaptive_temperature) {
          const Numbers asked = naive_linear(x[0], p["warmth.weight"], p["warmth.bias"]);
          for (int64_t i = 0; i < scores.shape.numel(); ++i) {
            scores.values[static_cast<size_t>(i)] /= std::pow(4, std::tanh(asked.values[static_cast<size_t>(i / 4)]));
          }
        }
        const Numbers weights = weighed(options.weights, scores, for_queries(x[3], 2));
        Numbers read = naive_read(weights, x[2]);
        if (options.gate) {
          const Numbers g = naive_linear(naive_concat(x[0], read), p["gate.weight"], p["gate.bias"]);
          read = each(read, g, [](double r, double z) { return r * naive_sigmoid(z); });
        }
        return std::vector<Numbers>{read, read, weights};
      });
}

/// An AttentionPool of x [2, 4, 3].
LayerRow pool(const std::string& name, const nn::AttentionPoolOptions& options) {
  return row<nn::AttentionPool>(
      "AttentionPool_" + name, built<nn::AttentionPool>(3, options),
      {random({2, 4, 3}), from_vector(std::vector<bool>{1, 1, 0, 1, 1, 0, 1, 1}, {2, 4})},
      [](const nn::AttentionPool& m, const Inputs& x) {
        const Attended out = m.forward_with_weights(x[0], x[1]);
        return Outputs{out.read, out.weights};
      },
      [options](const Known& p, const std::vector<Numbers>& x) {
        Numbers q({2, 1, p["query"].size(0)}), scores;
        for (int64_t b = 0; b < 2; ++b) {
          for (int64_t c = 0; c < q.size(2); ++c) q(b, 0, c) = p["query"](c);
        }
        if (options.score == Score::additive) {
          scores = naive_products(q, each(naive_linear(x[0], p["key.weight"], p["key.bias"]), naive_tanh));
        } else {
          scores = scores_of(options.score, p, q, x[0]);
        }
        const Numbers weights = weighed(options.weights, scores, x[1].as({2, 1, 4}));
        Numbers read = naive_read(weights, x[0]).as({2, 3});
        if (options.gate) {
          read = each(read, naive_linear(read, p["gate.weight"], p["gate.bias"]),
                      [](double r, double z) { return r * naive_sigmoid(z); });
        }
        return std::vector<Numbers>{read, weights.as({2, 4})};
      });
}

std::vector<Numbers> location_aware(const Known& p, const std::vector<Numbers>& x) {
  const Numbers &s = x[0], &h = x[1], &previous = x[2], &keep = x[3];
  const Numbers f = naive_conv2d(previous.as({2, 1, 1, 4}), p["conv.weight"].as({2, 1, 1, 3}), {}, {.padding = {0, 1}});
  const Numbers q = naive_linear(s, p["query.weight"], p["query.bias"]), k = naive_linear(h, p["key.weight"]);
  Numbers scores({2, 4});
  for (int64_t b = 0; b < 2; ++b) {
    for (int64_t t = 0; t < 4; ++t) {
      for (int64_t i = 0; i < 3; ++i) {
        double inner = q(b, i) + k(b, t, i);
        for (int64_t c = 0; c < 2; ++c) inner += p["location.weight"](i, c) * f(b, c, 0, t);
        scores(b, t) += p["weight"](i) * std::tanh(inner);
      }
    }
  }
  const Numbers weights = naive_softmax(scores, keep);
  return {naive_read(weights.as({2, 1, 4}), h).as({2, 2}), weights};
}

std::vector<LayerRow> attention_rows() {
  std::vector<LayerRow> all;
  for (const Score score :
       {Score::dot, Score::scaled_dot, Score::cosine, Score::bilinear, Score::additive, Score::location}) {
    const std::string name(nn::name(score));
    all.push_back(sequence(name, {.score = score}));
    all.push_back(sequence(name + "_per_query", {.score = score}, true));
    all.push_back(pool(name, {.score = score, .hidden = 2, .length = 6}));
  }
  for (const Weights weights : {Weights::sum, Weights::exp, Weights::sparsemax, Weights::entmax15}) {
    const std::string name(nn::name(weights));
    all.push_back(sequence(name, {.weights = weights, .temperature = 0.5}));
    all.push_back(pool(name, {.weights = weights}));
  }
  all.push_back(sequence("adaptive", {.temperature = 2, .adaptive_temperature = true}));
  all.push_back(sequence("gated", {.score = Score::additive, .gate = true}));
  all.push_back(pool("gated", {.gate = true}));
  all.push_back(row<nn::LocationAwareAttention>(
      "LocationAwareAttention",
      built<nn::LocationAwareAttention>(3, 2, 3, nn::LocationAttentionOptions{.filters = 2, .kernel = 3}),
      {random({2, 3}), random({2, 4, 2}, {}, 2), random_between(0, 1, {2, 4}, {}, 3),
       from_vector(std::vector<bool>{1, 1, 0, 1, 1, 0, 1, 1}, {2, 4})},
      [](const nn::LocationAwareAttention& m, const Inputs& x) {
        const Attended out = m.forward(x[0], x[1], x[2], x[3]);
        return Outputs{out.read, out.weights};
      },
      location_aware));
  return all;
}

INSTANTIATE_TEST_SUITE_P(Attention, Layer, ::testing::ValuesIn(attention_rows()), row_name);

TEST(SequenceAttention, HoldsNoScoresThatNobodyAsksFor) {
  const Tensor x = random({1, 4096, 8});  // the scores alone would be 64 MiB
  for (const Score score : {Score::dot, Score::scaled_dot, Score::cosine, Score::bilinear}) {
    const nn::SequenceAttention layer(8, 8, {.score = score, .adaptive_temperature = true});
    const size_t before = backend({}).memory().peak;
    sum(layer.forward(x)).backward();
    EXPECT_LT(backend({}).memory().peak - before, size_t{24} << 20) << nn::name(score);
  }
}

TEST(SequenceAttention, NamesMisuse) {
  const nn::SequenceAttention layer(3, 3);
  const Tensor q = ones({2, 2, 3}), k = ones({2, 4, 3});
  EXPECT_ERROR(layer.forward(q, k, ones({2, 3, 3}), {}), "attend: query [2, 2, 3], keys [2, 4, 3]");
  EXPECT_ERROR(layer.forward(q, k, k, ones({2, 2}, {boolean, {}})),
               "attend: keep [2, 2] is neither [2, 4] nor [2, 2, 4]");
  EXPECT_ERROR(nn::SequenceAttention(3, 3, {.score = Score::location}),
               "SequenceAttention: location scores need a greatest length (attention_layers_test.cpp:");
  const nn::SequenceAttention near(3, 3, {.score = Score::location, .length = 3});
  EXPECT_ERROR(near.forward(q, k, k, {}), "attend: location scores need w of shape [3, 4 or more], not [3, 3]");
}

TEST(LocationAwareAttention, ALowTemperatureSharpens) {
  const nn::LocationAwareAttention layer(3, 2, 3, {});
  nn::LocationAwareAttention cold(3, 2, 3, {.temperature = 0.5});
  cold.load_state_dict(layer.state_dict());
  const Tensor s = random({2, 3}), h = random({2, 4, 2});
  const Tensor squares = square(layer.forward(s, h, {}).weights.detach());
  EXPECT_CLOSE(cold.forward(s, h, {}).weights.detach(), squares / sum(squares, -1, true));
}

TEST(LocationAwareAttention, StartsWithoutWeights) {
  const nn::LocationAwareAttention layer(3, 2, 3, {.filters = 2, .kernel = 3});
  const Tensor s = random({2, 3}), h = random({2, 4, 2});
  EXPECT_CLOSE(layer.forward(s, h, {}).weights.detach(), layer.forward(s, h, zeros({2, 4})).weights.detach());
}

}  // namespace
}  // namespace fovea::test

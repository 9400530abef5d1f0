#include "fovea/nn/attention.h"

#include <cmath>

#include "layer_checks.h"

namespace fovea {
namespace {

using nn::AttentionOptions;
using nn::Score;
using nn::ScoreParameters;
using nn::Weights;

constexpr int64_t B = 3, T = 5, D = 4, H = 6, Dv = 2;

Tensor kept_values() {  // the last row keeps nothing
  return from_vector(std::vector<bool>{1, 1, 0, 1, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0}, {B, T});
}

using Rows = std::vector<std::vector<double>>;

/// The score of one query against the key at position t by the definition.
double naive_score(Score score, const std::vector<double>& q, const std::vector<double>& k, int64_t t,
                   const ScoreParameters& p) {
  double dot = 0, qq = 0, kk = 0;
  for (size_t i = 0; i < q.size(); ++i) {
    dot += q[i] * k[i];
    qq += q[i] * q[i];
    kk += k[i] * k[i];
  }
  switch (score) {
    case Score::dot:
      return dot;
    case Score::scaled_dot:
      return dot / std::sqrt(static_cast<double>(q.size()));
    case Score::cosine:
      return dot / (std::sqrt(qq) * std::sqrt(kk));
    case Score::bilinear: {
      const std::vector<double> w = p.w.to_vector<double>();
      double total = 0;
      for (size_t i = 0; i < q.size(); ++i) {
        for (size_t j = 0; j < k.size(); ++j) total += q[i] * w[i * k.size() + j] * k[j];
      }
      return total;
    }
    case Score::additive: {
      const std::vector<double> wq = p.wq.to_vector<double>(), wk = p.wk.to_vector<double>(),
                                u = p.u.to_vector<double>();
      double total = 0;
      for (size_t h = 0; h < u.size(); ++h) {
        double inner = 0;
        for (size_t i = 0; i < q.size(); ++i) inner += q[i] * wq[i * u.size() + h] + k[i] * wk[i * u.size() + h];
        total += u[h] * std::tanh(inner);
      }
      return total;
    }
    case Score::location: {
      const std::vector<double> column = p.w.select(1, t).to_vector<double>();
      double total = 0;
      for (size_t i = 0; i < q.size(); ++i) total += q[i] * column[i];
      return total;
    }
  }
  return 0;
}

/// Sparsemax by bisection on its threshold.
std::vector<double> naive_sparsemax(const std::vector<double>& s) {
  double low = -1e3, high = 1e3;
  const auto total = [&](double tau) {
    double sum = 0;
    for (double v : s) sum += std::max(v - tau, 0.0);
    return sum;
  };
  for (int i = 0; i < 200; ++i) {
    const double middle = (low + high) / 2;
    (total(middle) > 1 ? low : high) = middle;
  }
  std::vector<double> out;
  for (double v : s) out.push_back(std::max(v - low, 0.0));
  return out;
}

/// entmax-1.5 by bisection on its threshold.
std::vector<double> naive_entmax(const std::vector<double>& s) {
  double low = -1e3, high = 1e3;
  const auto part = [](double v, double tau) { return v / 2 > tau ? (v / 2 - tau) * (v / 2 - tau) : 0; };
  for (int i = 0; i < 200; ++i) {
    const double middle = (low + high) / 2;
    double sum = 0;
    for (double v : s) sum += part(v, middle);
    (sum > 1 ? low : high) = middle;
  }
  std::vector<double> out;
  for (double v : s) out.push_back(part(v, low));
  return out;
}

/// Weights of the kept scores.
std::vector<double> naive_weights(Weights weights, std::vector<double> s) {
  double total = 0;
  if (weights == Weights::sparsemax) return naive_sparsemax(s);
  if (weights == Weights::entmax15) return naive_entmax(s);
  for (double& v : s) total += v = weights == Weights::sum ? std::log1p(std::exp(v)) : std::exp(v);
  if (weights == Weights::exp) return s;
  for (double& v : s) v /= total;
  return s;
}

ScoreParameters parameters_for(Score score, DType dtype = f64) {
  const TensorOptions options{.dtype = dtype};
  if (score == Score::bilinear) return {.w = test::random({D, D}, options, 11)};
  if (score == Score::location) return {.w = test::random({D, T}, options, 11)};
  if (score == Score::additive) {
    return {.wq = test::random({D, H}, options, 12),
            .wk = test::random({D, H}, options, 13),
            .u = test::random({H}, options, 14)};
  }
  return {};
}

const std::vector<Score> scores{Score::dot,      Score::scaled_dot, Score::cosine,
                                Score::bilinear, Score::additive,   Score::location};
const std::vector<Weights> weightings{Weights::softmax, Weights::sum, Weights::exp, Weights::sparsemax,
                                      Weights::entmax15};

TEST(AttentionWeights, SumHoldsWhereEveryScoreIsFarBelowZero) {
  Tensor scores = tensor({-200, -201}).set_requires_grad();
  const Tensor weights = nn::attention_weights(scores, {}, Weights::sum);
  const double first = 1 / (1 + std::exp(-1.0));  // softplus(s) is e^s there
  EXPECT_CLOSE(weights.detach(), tensor({first, 1 - first}));
  weights.select(0, 0).backward();
  EXPECT_CLOSE(scores.grad(), tensor({first * (1 - first), -first * (1 - first)}));
}

TEST(AttentionWeights, AMaskedScoreLeavesNoNaN) {
  const Tensor keep = from_vector(std::vector<bool>{1, 0}, {2});
  for (const Weights weights : weightings) {
    SCOPED_TRACE(nn::name(weights));
    Tensor scores = tensor({1, 1000}).set_requires_grad();
    sum(nn::attention_weights(scores, keep, weights)).backward();
    EXPECT_CLOSE(scores.grad(), tensor({weights == Weights::exp ? std::exp(1.0) : 0, 0}));
  }
}

TEST(AttentionPoolFunction, EqualsADirectComputation) {
  const Tensor query = test::random({B, D}, {.dtype = f64}, 1), keys = test::random({B, T, D}, {.dtype = f64}, 2),
               values = test::random({B, T, Dv}, {.dtype = f64}, 3), keep = kept_values();
  const std::vector<int> kept = keep.to_vector<int>();
  for (const Score score : scores) {
    for (const Weights weights : weightings) {
      SCOPED_TRACE(fmt::format("{} {}", nn::name(score), nn::name(weights)));
      const ScoreParameters p = parameters_for(score);
      const Attended got = nn::attention_pool(query, keys, values, keep, {score, weights, 0.5, p});
      std::vector<double> want_weights, want_read;
      for (int64_t b = 0; b < B; ++b) {
        std::vector<double> s;
        for (int64_t t = 0; t < T; ++t) {
          if (!kept[static_cast<size_t>(b * T + t)]) continue;
          s.push_back(2 * naive_score(score, query.select(0, b).to_vector<double>(),
                                      keys.select(0, b).select(0, t).to_vector<double>(), t, p));
        }
        const std::vector<double> w = naive_weights(weights, s);
        std::vector<double> read(Dv, 0);
        size_t next = 0;
        for (int64_t t = 0; t < T; ++t) {
          const double weight = kept[static_cast<size_t>(b * T + t)] ? w[next++] : 0;
          want_weights.push_back(weight);
          const std::vector<double> v = values.select(0, b).select(0, t).to_vector<double>();
          for (size_t c = 0; c < Dv; ++c) read[c] += weight * v[c];
        }
        want_read.insert(want_read.end(), read.begin(), read.end());
      }
      EXPECT_CLOSE(got.weights, want_weights);
      EXPECT_CLOSE(got.read, want_read);
    }
  }
}

TEST(AttentionPoolFunction, Gradients) {
  const Tensor query = test::random({B, D}, {}, 1), keys = test::random({B, T, D}, {}, 2),
               values = test::random({B, T, Dv}, {}, 3);
  for (const Score score : scores) {
    for (const Weights weights : weightings) {
      SCOPED_TRACE(fmt::format("{} {}", nn::name(score), nn::name(weights)));
      std::vector<Tensor> inputs{query, keys, values, kept_values()};
      const ScoreParameters p = parameters_for(score);
      for (const Tensor& x : {p.w, p.wq, p.wk, p.u}) {
        if (x.defined()) inputs.push_back(x);
      }
      EXPECT_TRUE(test::gradients_hold(
          [&](const std::vector<Tensor>& x) -> std::vector<Tensor> {
            ScoreParameters given;
            if (score == Score::bilinear || score == Score::location) given.w = x[4];
            if (score == Score::additive) given = {.wq = x[4], .wk = x[5], .u = x[6]};
            const Attended out = nn::attention_pool(x[0], x[1], x[2], x[3], {score, weights, 2, given});
            return {out.read, out.weights};
          },
          inputs));
    }
  }
}

TEST(AttentionPoolFunction, ARowThatKeepsNothingReadsZeroAndPassesNoGradient) {
  for (const Score score : scores) {
    for (const Weights weights : weightings) {
      SCOPED_TRACE(fmt::format("{} {}", nn::name(score), nn::name(weights)));
      Tensor query = test::random({1, D}).set_requires_grad(), keys = test::random({1, T, D}).set_requires_grad();
      const Attended out = nn::attention_pool(query, keys, keys, zeros({1, T}, {.dtype = boolean}),
                                              {score, weights, 1, parameters_for(score, f32)});
      EXPECT_CLOSE(out.weights.detach(), zeros({1, T}), 0, 0);
      EXPECT_CLOSE(out.read.detach(), zeros({1, D}), 0, 0);
      autograd::backward({out.read, out.weights}, {ones({1, D}), ones({1, T})});
      EXPECT_CLOSE(keys.grad(), zeros({1, T, D}), 0, 0);
    }
  }
}

TEST(AttentionPoolFunction, WithoutAMaskEverythingIsKept) {
  const Tensor query = test::random({B, D}), keys = test::random({B, T, D}, {}, 2);
  for (const Weights weights : weightings) {
    const AttentionOptions options{Score::dot, weights, 1, {}};
    EXPECT_CLOSE(nn::attention_pool(query, keys, keys, {}, options).weights,
                 nn::attention_pool(query, keys, keys, ones({B, T}, {.dtype = boolean}), options).weights);
  }
}

TEST(AttentionScores, ManyQueriesEqualOneByOne) {
  const Tensor queries = test::random({B, 3, D}, {.dtype = f64}), keys = test::random({B, T, D}, {.dtype = f64}, 2);
  for (const Score score : scores) {
    const ScoreParameters p = parameters_for(score);
    const Tensor all = nn::attention_scores(queries, keys, score, p);
    EXPECT_EQ(all.shape(), (Shape{B, 3, T}));
    for (int64_t q = 0; q < 3; ++q) {
      const Tensor one = nn::attention_scores(queries.slice(1, q, q + 1), keys, score, p);
      EXPECT_CLOSE(all.slice(1, q, q + 1), one);
    }
  }
}

TEST(AttentionWeights, OfHalvesLeaveOutMaskedKeys) {
  // More keys than f16 counts.
  const int64_t time = 5000, kept = 300;
  const Tensor scores = test::random({2, time}, {f32, {}}).to(f16), mask = arange(0, time, 1, {i32, {}});
  const Tensor keep = lt(mask, static_cast<double>(kept)).expand({2, time}).contiguous();
  for (const Weights weights : {Weights::softmax, Weights::sparsemax, Weights::entmax15}) {
    const Tensor got = nn::attention_weights(scores, keep, weights).to(f32);
    EXPECT_CLOSE(got, nn::attention_weights(scores.to(f32), keep, weights), 2e-3, 2e-3);
    EXPECT_EQ(sum(abs(got.slice(1, kept, time))).item(), 0);
  }
}

TEST(AttentionWeights, OverflowNowhere) {
  const Tensor huge = tensor({1e4, -1e4, 0, 5e3}).reshape({1, 4});
  const Tensor keep = from_vector(std::vector<bool>{0, 1, 1, 1}, {1, 4});
  EXPECT_CLOSE(nn::attention_weights(huge, keep), {0, 0, 0, 1});
  EXPECT_CLOSE(nn::attention_weights(huge, keep, Weights::sparsemax), {0, 0, 0, 1});
  const Tensor greatest = tensor({3e38, 1, 2e38}).reshape({1, 3});
  const Tensor last = from_vector(std::vector<bool>{0, 0, 1}, {1, 3});
  EXPECT_CLOSE(nn::attention_weights(greatest, last, Weights::sparsemax), {0, 0, 1});
  EXPECT_CLOSE(nn::attention_weights(greatest, last), {0, 0, 1});
  EXPECT_CLOSE(nn::attention_weights(huge, keep, Weights::entmax15), {0, 0, 0, 1});
  EXPECT_CLOSE(nn::attention_weights(greatest, last, Weights::entmax15), {0, 0, 1});
  EXPECT_CLOSE(nn::attention_weights(huge.slice(1, 1, 2), {}, Weights::sum), ones({1, 1}));
}

TEST(Sparsemax, IsTheProjectionOntoTheSimplex) {
  const Tensor x = test::random({7, 9}, {.dtype = f64}) * 0.7;
  const Tensor p = nn::sparsemax(x);
  for (int64_t r = 0; r < 7; ++r) {
    EXPECT_CLOSE(p.select(0, r), naive_sparsemax(x.select(0, r).to_vector<double>()));
  }
  EXPECT_CLOSE(nn::sparsemax(zeros({2, 4})), full({2, 4}, 0.25));
  EXPECT_CLOSE(nn::sparsemax(x + 1e3), p, 1e-9, 1e-9);
  EXPECT_EQ(nn::sparsemax(zeros({3, 0})).shape(), (Shape{3, 0}));
  EXPECT_GRADIENTS([](const Tensor& z) { return nn::sparsemax(z); }, test::random({3, 5}));
}

TEST(Entmax15, SumsToOneBetweenSoftmaxAndSparsemax) {
  const Tensor x = test::random({7, 9}, {.dtype = f64}) * 1.5;
  const Tensor p = nn::entmax15(x);
  for (int64_t r = 0; r < 7; ++r) {
    EXPECT_CLOSE(p.select(0, r), naive_entmax(x.select(0, r).to_vector<double>()));
  }
  const auto zeros_in = [](const Tensor& w) { return sum(eq(w, 0.0).to(i32)).item<int>(); };
  EXPECT_GT(zeros_in(p), 0);
  EXPECT_LT(zeros_in(p), zeros_in(nn::sparsemax(x)));
  EXPECT_CLOSE(nn::entmax15(zeros({2, 4})), full({2, 4}, 0.25));
  EXPECT_CLOSE(nn::entmax15(x + 1e3), p, 1e-9, 1e-9);
  EXPECT_CLOSE(sum(nn::entmax15(test::random({3, 4000})), -1), ones({3}), 1e-5, 1e-5);
  EXPECT_EQ(nn::entmax15(zeros({3, 0})).shape(), (Shape{3, 0}));
}

TEST(AttentionPoolFunction, EachQueryMayHaveItsTemperature) {
  const Tensor query = test::random({B, D}), keys = test::random({B, T, D}, {}, 2);
  const std::vector<double> each{0.5, 1, 4};
  const Attended got =
      nn::attention_pool(query, keys, keys, {}, {.temperatures = from_vector(each).to(f32).unsqueeze(1)});
  for (int64_t row = 0; row < B; ++row) {
    const auto of = [&](const Tensor& x) { return x.slice(0, row, row + 1); };
    const Attended want =
        nn::attention_pool(of(query), of(keys), of(keys), {}, {.temperature = each[static_cast<size_t>(row)]});
    EXPECT_CLOSE(of(got.weights), want.weights);
    EXPECT_CLOSE(of(got.read), want.read);
  }
}

TEST(AttentionPoolFunction, NamesMisuse) {
  const Tensor query = ones({B, D}), keys = ones({B, T, D});
  EXPECT_ERROR(
      nn::attention_pool(query, ones({B, T, 3}), keys),
      "attention_pool: scaled_dot scores need one width: query [3, 1, 4], keys [3, 5, 3] (attention_test.cpp:");
  EXPECT_ERROR(nn::attention_pool(query, ones({2, T, D}), keys), "attention_pool: query [3, 4], keys [2, 5, 4] and");
  EXPECT_ERROR(nn::attention_pool(query, keys, keys, ones({B, 4}, {.dtype = boolean})),
               "attention_pool: keep [3, 4] is not [3, 5] (attention_test.cpp:");
  EXPECT_ERROR(nn::attention_pool(query, keys, keys, ones({B, T})), "attention_pool: keep must be bool, not f32");
  EXPECT_ERROR(nn::attention_pool(query, keys, keys, {}, {.score = Score::bilinear}),
               "attention_pool: bilinear scores need w of shape [4, 4], not none (attention_test.cpp:");
  EXPECT_ERROR(nn::attention_pool(query, keys, keys, {}, {.temperature = 0}),
               "attention_pool: temperature 0 is not positive");
  EXPECT_ERROR(nn::attention_pool(query, keys, keys, {}, {.temperatures = ones({B, 1, 1})}),
               "attention_pool: temperatures [3, 1, 1] are not [3, 1] (attention_test.cpp:");
  EXPECT_ERROR(nn::attend(keys, keys, keys, {}, {.temperatures = ones({B, 1})}),
               "attend: temperatures [3, 1] are not [3, 5, 1] (attention_test.cpp:");
}

}  // namespace
}  // namespace fovea

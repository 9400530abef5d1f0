#include "fovea/nn/multihead_attention.h"

#include <gmock/gmock.h>

#include <cmath>

#include "layer_checks.h"
#include "support/device.h"

namespace fovea::test {
namespace {

using nn::AttendOptions;
using nn::KeyValueCache;
using nn::MultiheadAttention;
using ::testing::ElementsAre;

/// A matrix in double, row by row.
struct Matrix {
  int64_t rows, columns;
  std::vector<double> values;
  explicit Matrix(const Tensor& x) : rows(x.shape()[0]), columns(x.shape()[1]), values(x.to_vector<double>()) {}
  Matrix(int64_t r, int64_t c) : rows(r), columns(c), values(static_cast<size_t>(r * c)) {}
  double& operator()(int64_t r, int64_t c) { return values[static_cast<size_t>(r * columns + c)]; }
  double operator()(int64_t r, int64_t c) const { return values[static_cast<size_t>(r * columns + c)]; }
};

/// x W^T + b, of the rows `first` and so on of W and b.
Matrix project(const Matrix& x, const Matrix& w, const std::vector<double>& b, int64_t first, int64_t count) {
  Matrix y(x.rows, count);
  for (int64_t i = 0; i < x.rows; ++i) {
    for (int64_t o = 0; o < count; ++o) {
      double sum = b.empty() ? 0 : b[static_cast<size_t>(first + o)];
      for (int64_t c = 0; c < x.columns; ++c) sum += x(i, c) * w(first + o, c);
      y(i, o) = sum;
    }
  }
  return y;
}

struct Naive {
  Matrix output;
  std::vector<Matrix> weights;  // by head
};

/// One example, head by head, query by query, from the formula.
Naive naive(const MultiheadAttention& m, int64_t key_heads, const Tensor& query, const Tensor& key, const Tensor& value,
            bool causal, const std::vector<bool>& keep) {
  const int64_t dim = query.shape()[1], d = dim / m.heads(), kw = key_heads * d, shared = m.heads() / key_heads;
  const Tensor wq = m.in_proj_weight.defined() ? m.in_proj_weight.slice(0, 0, dim) : m.q_proj_weight;
  const Tensor wk = m.in_proj_weight.defined() ? m.in_proj_weight.slice(0, dim, dim + kw) : m.k_proj_weight;
  const Tensor wv = m.in_proj_weight.defined() ? m.in_proj_weight.slice(0, dim + kw) : m.v_proj_weight;
  const auto bias = [&](int64_t begin, int64_t end) {
    return m.in_proj_bias.defined() ? m.in_proj_bias.slice(0, begin, end).to_vector<double>() : std::vector<double>();
  };
  const Matrix q = project(Matrix(query), Matrix(wq), bias(0, dim), 0, dim);
  const Matrix k = project(Matrix(key), Matrix(wk), bias(dim, dim + kw), 0, kw);
  const Matrix v = project(Matrix(value), Matrix(wv), bias(dim + kw, dim + 2 * kw), 0, kw);
  Matrix joined(q.rows, dim);
  std::vector<Matrix> all;
  for (int64_t h = 0; h < m.heads(); ++h) {
    Matrix weights(q.rows, k.rows);
    for (int64_t i = 0; i < q.rows; ++i) {
      double total = 0;
      for (int64_t j = 0; j < k.rows; ++j) {
        if ((causal && j > i) || (!keep.empty() && !keep[static_cast<size_t>(j)])) continue;
        double score = 0;
        for (int64_t c = 0; c < d; ++c) score += q(i, h * d + c) * k(j, h / shared * d + c);
        total += weights(i, j) = std::exp(score / std::sqrt(static_cast<double>(d)));
      }
      for (int64_t j = 0; j < k.rows; ++j) {
        weights(i, j) /= total;
        for (int64_t c = 0; c < d; ++c) joined(i, h * d + c) += weights(i, j) * v(j, h / shared * d + c);
      }
    }
    all.push_back(weights);
  }
  const auto out_bias = m.out_proj->bias.defined() ? m.out_proj->bias.to_vector<double>() : std::vector<double>();
  return {project(joined, Matrix(m.out_proj->weight), out_bias, 0, dim), all};
}

Tensor tensor_of(const Matrix& m) { return from_vector(m.values, {m.rows, m.columns}); }

void fill(nn::Module& module) {
  module.to(f64);
  const NoGrad off;
  uint64_t seed = 40;
  for (Tensor& p : module.parameters()) p.copy_(random(p.shape(), {f64, {}}, seed++) * 0.4);
}

struct Case {
  const char* name;
  nn::MultiheadAttentionOptions options;
  bool self, causal, padded;
};

TEST(MultiheadAttention, FollowsItsFormula) {
  const int64_t dim = 6, heads = 3, batch = 2, queries = 4;
  for (const Case& c : {Case{"self", {}, true, false, false}, Case{"self, causal, padded", {}, true, true, true},
                        Case{"cross", {}, false, false, true}, Case{"no bias", {.bias = false}, true, false, false},
                        Case{"one key head", {.key_heads = 1}, true, true, false},
                        Case{"own widths", {.key_dim = 5, .value_dim = 4}, false, false, true}}) {
    SCOPED_TRACE(c.name);
    MultiheadAttention m(dim, heads, c.options);
    fill(m);
    const Tensor x = random({batch, queries, dim}, {f64, {}}, 1);
    const int64_t key_dim = c.options.key_dim ? c.options.key_dim : dim;
    const int64_t value_dim = c.options.value_dim ? c.options.value_dim : dim;
    const Tensor key = c.self ? x : random({batch, 5, key_dim}, {f64, {}}, 2);
    const Tensor value = c.self ? x : value_dim == key_dim ? key : random({batch, 5, value_dim}, {f64, {}}, 3);
    AttendOptions o{.causal = c.causal};
    const int64_t keys = key.shape()[1];
    std::vector<bool> keep(static_cast<size_t>(batch * keys), true);
    if (c.padded) {
      keep[static_cast<size_t>(2 * keys - 1)] = keep[static_cast<size_t>(2 * keys - 2)] = false;
      o.key_padding_keep = from_vector(keep, {batch, keys});
    }
    const Attended got = m.forward_with_weights(x, key, value, o);
    const Tensor plain = c.self ? m.forward(x, o) : m.forward(x, key, value, o);
    EXPECT_CLOSE(plain, got.read, 1e-10, 1e-11);
    for (int64_t b = 0; b < batch; ++b) {
      const std::vector<bool> kept(keep.begin() + b * keys, keep.begin() + (b + 1) * keys);
      const Naive want = naive(m, c.options.key_heads ? c.options.key_heads : heads, x.select(0, b), key.select(0, b),
                               value.select(0, b), c.causal, kept);
      EXPECT_CLOSE(got.read.select(0, b), tensor_of(want.output), 1e-10, 1e-11);
      for (int64_t h = 0; h < heads; ++h) {
        EXPECT_CLOSE(got.weights.select(0, b).select(0, h), tensor_of(want.weights[static_cast<size_t>(h)]), 1e-10,
                     1e-11);
      }
    }
  }
}

TEST(MultiheadAttention, WindowAndAlibiAreABiasBesideTheOneThatIsGiven) {
  const int64_t time = 5;
  std::vector<double> near;
  for (int64_t i = 0; i < time; ++i) {
    for (int64_t j = 0; j < time; ++j) near.push_back(std::abs(i - j) < 2 ? 0 : -INFINITY);
  }
  const Tensor x = random({2, time, 8}, {f64, {}}, 1), bias = random({2, 2, time, time}, {f64, {}}, 2);
  const auto with = [&](const nn::MultiheadAttentionOptions& options, const AttendOptions& attend, bool weights) {
    MultiheadAttention m(8, 2, options);
    fill(m);
    return weights ? m.forward_with_weights(x, x, x, attend).read : m.forward(x, attend);
  };
  const Tensor mask = from_vector(near, {time, time}), slope = nn::alibi_bias(2, time, {f64, {}});
  for (const bool weights : {false, true}) {
    EXPECT_CLOSE(with({.window = 2}, {.bias = bias}, weights), with({}, {.bias = bias + mask}, weights));
    const AttendOptions both{.causal = true, .bias = bias}, sum{.causal = true, .bias = bias + slope};
    EXPECT_CLOSE(with({.alibi = true}, both, weights), with({}, sum, weights));
  }
}

TEST(MultiheadAttention, TurnsQueriesAndKeysByItsBase) {
  MultiheadAttention m(4, 1, {.bias = false, .rotary = true, .rotary_base = 100});
  m.to(f64);
  const Tensor x = random({1, 6, 4}, {f64, {}}, 1);
  const auto turned = [&](int64_t begin) {
    return nn::rotary(linear(x, m.in_proj_weight.slice(0, begin, begin + 4)), 0, 100);
  };
  const Tensor weights = softmax(matmul(turned(0), turned(4).mT()) * 0.5, -1);
  EXPECT_CLOSE(m.forward_with_weights(x, x, x).weights.squeeze(1), weights);
}

TEST(MultiheadAttention, GradientsHold) {
  const Tensor x = random({1, 3, 4}), memory = random({1, 2, 4}, {}, 2);
  MultiheadAttention m(4, 2, {.rotary = true}), cross(4, 2);
  fill(m);
  fill(cross);
  EXPECT_TRUE(
      layer_gradients_hold(m, {x}, [&](const std::vector<Tensor>& in) { return m.forward(in[0], {.causal = true}); }));
  EXPECT_TRUE(layer_gradients_hold(cross, {x, memory}, [&](const std::vector<Tensor>& in) {
    const Attended made = cross.forward_with_weights(in[0], in[1], in[1]);
    return std::vector<Tensor>{made.read, made.weights};
  }));
}

TEST(MultiheadAttention, NamesAndStartingValues) {
  EXPECT_THAT(described(MultiheadAttention(4, 2)), ElementsAre("in_proj_weight [12, 4]", "in_proj_bias [12]",
                                                               "out_proj.weight [4, 4]", "out_proj.bias [4]"));
  EXPECT_THAT(
      described(MultiheadAttention(4, 2, {.bias = false, .key_dim = 3, .value_dim = 5})),
      ElementsAre("q_proj_weight [4, 4]", "k_proj_weight [4, 3]", "v_proj_weight [4, 5]", "out_proj.weight [4, 4]"));
  const MultiheadAttention m(64, 4);
  EXPECT_CLOSE(m.in_proj_bias.detach(), zeros({192}));
  const double bound = std::sqrt(6.0 / (64 + 192));
  EXPECT_LE(amax(abs(m.in_proj_weight)).item(), bound);
  EXPECT_GT(amax(abs(m.in_proj_weight)).item(), 0.98 * bound);
}

TEST(MultiheadAttention, StepByStepIsTheSameAsAtOnce) {
  const NoGrad off;
  for (const nn::MultiheadAttentionOptions& o :
       {nn::MultiheadAttentionOptions{}, nn::MultiheadAttentionOptions{.key_heads = 2},
        nn::MultiheadAttentionOptions{.window = 3}, nn::MultiheadAttentionOptions{.rotary = true},
        nn::MultiheadAttentionOptions{.alibi = true}}) {
    MultiheadAttention m(8, 4, o);
    SCOPED_TRACE(m.description());
    fill(m);
    const Tensor x = random({2, 70, 8}, {f64, {}});  // more than the cache has room for at first
    const Tensor whole = m.forward(x, {.causal = true});
    KeyValueCache cache;
    std::vector<Tensor> parts;
    for (const auto& [begin, end] : {std::pair<int64_t, int64_t>{0, 5}, {5, 6}, {6, 66}, {66, 70}}) {
      parts.push_back(m.forward(x.slice(1, begin, end), {.causal = true, .cache = &cache}));
    }
    EXPECT_CLOSE(concat(parts, 1), whole, 1e-10, 1e-11);
    EXPECT_EQ(cache.length(), 70);
    cache.clear();
    EXPECT_CLOSE(m.forward(x.slice(1, 0, 5), {.causal = true, .cache = &cache}), whole.slice(1, 0, 5), 1e-10, 1e-11);
  }
}

TEST(MultiheadAttention, ProjectsAMemoryOnce) {
  const NoGrad off;
  for (const nn::MultiheadAttentionOptions& o :
       {nn::MultiheadAttentionOptions{}, nn::MultiheadAttentionOptions{.key_dim = 5, .value_dim = 5}}) {
    MultiheadAttention m(8, 2, o);
    fill(m);
    const Tensor x = random({2, 3, 8}, {f64, {}}), memory = random({2, 6, o.key_dim ? 5 : 8}, {f64, {}}, 2);
    const Tensor whole = m.forward(x, memory, memory);
    KeyValueCache cache;
    const auto step = [&](int64_t i, const Tensor& from) {
      return m.forward(x.slice(1, i, i + 1), from, from, {.cache = &cache});
    };
    EXPECT_CLOSE(step(0, memory), whole.slice(1, 0, 1), 1e-10, 1e-11);
    // Only the cache is read from here on.
    EXPECT_CLOSE(step(1, zeros_like(memory)), whole.slice(1, 1, 2), 1e-10, 1e-11);
    EXPECT_CLOSE(step(2, zeros_like(memory)), whole.slice(1, 2, 3), 1e-10, 1e-11);
    EXPECT_EQ(cache.length(), 6);
    EXPECT_ERROR(step(0, memory.slice(1, 0, 5)), "MultiheadAttention: the cache holds 6 keys, not those of [2, 5,");
  }
}

TEST(MultiheadAttention, DropsWeightsInTrainingAlone) {
  MultiheadAttention m(8, 2, {.dropout = 0.5});
  const Tensor x = random({1, 5, 8});
  EXPECT_FALSE(close(m.forward(x).detach(), m.forward(x).detach()));
  m.eval();
  EXPECT_CLOSE(m.forward(x).detach(), m.forward(x).detach(), 0, 0);
}

TEST_P(OnEveryDevice, MultiheadAttentionIsTheSame) {
  MultiheadAttention m(12, 4, {.key_heads = 2, .rotary = false});
  const auto run = [&](Device on) {
    m.to(on);
    m.zero_grad();
    Tensor x = random({2, 9, 12}).to(on).set_requires_grad();
    Tensor memory = random({2, 7, 12}, {}, 2).to(on).set_requires_grad();
    const Tensor y = m.forward(m.forward(x, {.causal = true}), memory, memory);
    y.backward(random(y.shape(), {}, 3).to(on));
    std::vector<Tensor> out{y.detach().to(Device{}), x.grad().to(Device{}), memory.grad().to(Device{})};
    for (const Tensor& p : m.parameters()) out.push_back(p.grad().to(Device{}));
    return out;
  };
  const auto want = run({}), got = run(device());
  for (size_t i = 0; i < want.size(); ++i) EXPECT_CLOSE(got[i], want[i], 1e-4, 1e-5) << i;
}

TEST(MultiheadAttention, NamesMisuse) {
  EXPECT_ERROR(MultiheadAttention(6, 4), "MultiheadAttention: a width of 6 does not divide into 4 heads");
  const MultiheadAttention layer(8, 2);
  EXPECT_ERROR(
      layer.forward(zeros({2, 5, 8}), {.key_padding_keep = ones({2, 4}, {boolean})}),
      "MultiheadAttention: key_padding_keep [2, 4] is not [batch, keys] = [2, 5] (multihead_attention_test.cpp:");
  EXPECT_ERROR(layer.forward(zeros({2, 5, 8}), {.key_padding_keep = ones({2, 5})}),
               "MultiheadAttention: key_padding_keep must be bool, not f32 (multihead_attention_test.cpp:");
  EXPECT_ERROR(layer.forward(zeros({2, 5, 8}), {.bias = ones({5, 4})}), "MultiheadAttention: ");
  EXPECT_ERROR(layer.forward(zeros({2, 5, 8}), {.bias = ones({5, 5}, {boolean})}),
               "MultiheadAttention: bias is added to the scores and cannot be bool; of a mask of what may be read, "
               "where(mask, 0, -inf) is one (multihead_attention_test.cpp:");
  EXPECT_ERROR(MultiheadAttention(8, 4, {.key_heads = 3}), "MultiheadAttention: 4 heads do not share 3 key heads");
  EXPECT_ERROR(MultiheadAttention(8, 4, {.dropout = 1}), "MultiheadAttention: dropout 1 is outside [0, 1)");
  EXPECT_ERROR(MultiheadAttention(6, 2, {.rotary = true}), "MultiheadAttention: rotary positions need an even width");
  EXPECT_ERROR(MultiheadAttention(8, 2, {.rotary = true, .rotary_base = 0}),
               "MultiheadAttention: rotary_base 0 is not positive (multihead_attention_test.cpp:");
  EXPECT_ERROR(nn::rotary(zeros({1, 2, 4}), 0, -1), "rotary: base -1 is not positive (multihead_attention_test.cpp:");
  EXPECT_ERROR(nn::sinusoidal_positions(2, 4, 0, NAN), "sinusoidal_positions: base nan is not positive (multihead");
  const MultiheadAttention m(8, 2), alibi(8, 2, {.alibi = true});
  EXPECT_ERROR(m.forward(zeros({2, 3, 7})), "MultiheadAttention: query [2, 3, 7], key [2, 3, 7] and value");
  EXPECT_ERROR(alibi.forward(zeros({1, 2, 8})), "MultiheadAttention: ALiBi's scores are for causal attention");
  KeyValueCache cache;
  EXPECT_ERROR(m.forward(zeros({1, 2, 8}), {.cache = &cache}), "KeyValueCache: what is cached has no gradient");
  const NoGrad off;
  m.forward(zeros({1, 2, 8}), {.cache = &cache});
  EXPECT_ERROR(m.forward(zeros({2, 1, 8}), {.cache = &cache}), "KeyValueCache: [2, 2, 1, 4] after [1, 2, 2, 4]");
  EXPECT_ERROR(m.forward(zeros({1, 1, 8}), {.key_padding_keep = ones({1, 2}, {boolean}), .cache = &cache}),
               "MultiheadAttention: key_padding_keep [1, 2] is not [batch, keys] = [1, 3]");
  EXPECT_EQ(cache.length(), 2) << "what was refused is not read";
  const Tensor one = zeros({1, 2, 1, 4}), wide = one.to(f64);
  EXPECT_ERROR(cache.append(wide, wide), "KeyValueCache: f64 after f32 (multihead_attention_test.cpp:");
  EXPECT_ERROR(cache.append(one, wide), "KeyValueCache: f32 keys and values of f64 (multihead_attention_test.cpp:");
  EXPECT_ERROR(cache.append(one, zeros({1, 1, 1, 4})), "KeyValueCache: keys [1, 2, 1, 4] and values [1, 1, 1, 4]");
  EXPECT_EQ(cache.length(), 2);
  cache.clear();
  cache.append(wide, wide);
  EXPECT_EQ(cache.k().dtype(), f64);
}

}  // namespace
}  // namespace fovea::test

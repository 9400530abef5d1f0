#include "fovea/autograd/attention.h"

#include <cmath>
#include <limits>

#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"

namespace fovea::test {
namespace {

struct Sizes {
  int64_t batch, heads, key_heads, queries, keys, d, dv;
};

/// By the definition, element by element in double.
Tensor naive(const Tensor& q, const Tensor& k, const Tensor& v, const DotAttentionOptions& o) {
  const Shape &a = q.shape(), &b = k.shape();
  const int64_t batch = a[0], heads = a[1], queries = a[2], d = a[3], keys = b[2], dv = v.shape()[3];
  const int64_t shared = heads / b[1];
  const auto qs = q.to_vector<double>(), ks = k.to_vector<double>(), vs = v.to_vector<double>();
  const auto keep = o.key_padding_keep.defined() ? o.key_padding_keep.to_vector<bool>() : std::vector<bool>();
  const auto bias =
      o.bias.defined() ? o.bias.expand({batch, heads, queries, keys}).to_vector<double>() : std::vector<double>();
  const double scale = o.scale.value_or(1 / std::sqrt(static_cast<double>(d)));
  std::vector<double> out;
  for (int64_t n = 0; n < batch; ++n) {
    for (int64_t h = 0; h < heads; ++h) {
      const int64_t kh = n * b[1] + h / shared;
      for (int64_t i = 0; i < queries; ++i) {
        const int64_t row = (n * heads + h) * queries + i;
        std::vector<double> weight(static_cast<size_t>(keys), 0.0);
        double total = 0;
        for (int64_t j = 0; j < keys; ++j) {
          const int64_t position = i + o.offset;
          if (o.causal && j > position) continue;
          if (o.window > 0 && std::abs(position - j) >= o.window) continue;
          if (!keep.empty() && !keep[static_cast<size_t>(n * keys + j)]) continue;
          double score = 0;
          for (int64_t c = 0; c < d; ++c) {
            score += qs[static_cast<size_t>(row * d + c)] * ks[static_cast<size_t>((kh * keys + j) * d + c)];
          }
          score *= scale;
          if (!bias.empty()) score += bias[static_cast<size_t>(row * keys + j)];
          total += weight[static_cast<size_t>(j)] = std::exp(score);
        }
        for (int64_t c = 0; c < dv; ++c) {
          double sum = 0;
          for (int64_t j = 0; j < keys; ++j) {
            sum += weight[static_cast<size_t>(j)] * vs[static_cast<size_t>((kh * keys + j) * dv + c)];
          }
          out.push_back(total > 0 ? sum / total : 0);
        }
      }
    }
  }
  return from_vector(out, {batch, heads, queries, dv});
}

struct Case {
  const char* name;
  Sizes sizes;
  DotAttentionOptions options;
  Shape bias;  // empty: none
  bool padding = false;
};

std::vector<Case> cases() {
  return {
      {"plain", {2, 3, 3, 5, 7, 4, 6}, {}, {}},
      {"one key", {1, 1, 1, 3, 1, 2, 2}, {}, {}},
      {"causal", {2, 2, 2, 6, 6, 3, 3}, {.causal = true}, {}},
      {"causal, fewer keys than queries", {1, 2, 2, 7, 4, 3, 3}, {.causal = true}, {}},
      {"causal with an offset", {1, 2, 2, 3, 8, 3, 3}, {.causal = true, .offset = 5}, {}},
      {"causal with a negative offset", {1, 1, 1, 4, 4, 3, 3}, {.causal = true, .offset = -2}, {}},
      {"window", {1, 2, 2, 9, 9, 3, 3}, {.window = 3}, {}},
      {"causal window", {1, 2, 2, 9, 9, 3, 3}, {.causal = true, .window = 3}, {}},
      {"window beside all keys", {1, 1, 1, 3, 3, 2, 2}, {.offset = 10, .window = 2}, {}},
      {"scale", {1, 2, 2, 4, 5, 3, 3}, {.scale = 0.3}, {}},
      {"grouped heads", {2, 6, 2, 4, 5, 3, 2}, {}, {}},
      {"one key head", {2, 4, 1, 4, 5, 3, 2}, {.causal = true}, {}},
      {"padding", {3, 2, 2, 4, 6, 3, 3}, {}, {}, true},
      {"bias", {2, 3, 3, 4, 5, 3, 3}, {}, {2, 3, 4, 5}},
      {"bias of heads", {2, 3, 3, 4, 5, 3, 3}, {}, {3, 4, 5}},
      {"bias of keys", {2, 3, 3, 4, 5, 3, 3}, {}, {5}},
      {"bias of batch and keys", {2, 4, 2, 4, 5, 3, 3}, {}, {2, 1, 1, 5}},
      {"bias of queries", {2, 4, 2, 4, 5, 3, 3}, {.causal = true}, {1, 4, 4, 1}},
      {"everything", {2, 4, 2, 7, 7, 3, 5}, {.scale = 0.7, .causal = true, .window = 4}, {4, 7, 7}, true},
      {"larger than a tile", {1, 2, 1, 130, 1100, 8, 8}, {}, {}},
      {"more blocks of keys than a thread keeps", {1, 2, 1, 130, 2200, 4, 6}, {}, {}},
      {"larger than a tile, causal", {1, 2, 2, 700, 700, 8, 8}, {.causal = true}, {}},
      {"larger than a tile, all",
       {1, 2, 1, 150, 1100, 4, 8},
       {.causal = true, .offset = 940, .window = 700},
       {2, 1, 1100},
       true},
  };
}

struct AttentionInputs {
  Tensor q, k, v;
  DotAttentionOptions options;
};

AttentionInputs make(const Case& c, TensorOptions like) {
  const Sizes& s = c.sizes;
  AttentionInputs in{random({s.batch, s.heads, s.queries, s.d}, like, 1),
                     random({s.batch, s.key_heads, s.keys, s.d}, like, 2),
                     random({s.batch, s.key_heads, s.keys, s.dv}, like, 3), c.options};
  if (c.bias.rank() > 0) in.options.bias = random(c.bias, like, 4);
  if (c.padding) {
    // The first row keeps no key at all.
    const Tensor u = random({s.batch, s.keys}, {f32, like.device}, 5);
    const Tensor row = arange(0, static_cast<double>(s.batch), 1, {f32, like.device}).unsqueeze(1);
    in.options.key_padding_keep = logical_and(gt(u, -0.5), gt(row, s.batch > 1 ? 0.0 : -1.0));
  }
  return in;
}

TEST_P(OnEveryDevice, AttentionWindowsMayBeWiderThanAnyNumberOfKeys) {
  const Tensor q = random({1, 2, 5, 3}, options()), k = random({1, 2, 5, 3}, options(), 2);
  const Tensor all = scaled_dot_product_attention(q, k, k, {});
  for (const int64_t window : {int64_t{1} << 31, (int64_t{1} << 32) + 2, std::numeric_limits<int64_t>::max()}) {
    for (const int64_t offset : {0, -5, 4}) {
      EXPECT_CLOSE(scaled_dot_product_attention(q, k, k, {.offset = offset, .window = window}), all, 0, 0) << window;
    }
  }
}

TEST_P(OnEveryDevice, AttentionFollowsItsDefinition) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const AttentionInputs in = make(c, options());
    const Tensor want = naive(in.q, in.k, in.v, in.options).to(f32).to(device());
    EXPECT_CLOSE(scaled_dot_product_attention(in.q, in.k, in.v, in.options), want, 1e-4, 2e-5);
    EXPECT_CLOSE(attention_with_weights(in.q, in.k, in.v, in.options).read, want, 1e-4, 2e-5);
  }
}

TEST(Attention, FusedGradientsAreThoseOfTheDefinition) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const auto gradients = [&](bool fused, DType dtype) {
      AttentionInputs in = make(c, {dtype, {}});
      for (Tensor* x : {&in.q, &in.k, &in.v}) x->set_requires_grad();
      if (in.options.bias.defined()) in.options.bias.set_requires_grad();
      const Tensor out = fused ? scaled_dot_product_attention(in.q, in.k, in.v, in.options)
                               : attention_with_weights(in.q, in.k, in.v, in.options).read;
      out.backward(random(out.shape(), {dtype, {}}, 9));
      std::vector<Tensor> g{in.q.grad(), in.k.grad(), in.v.grad()};
      if (in.options.bias.defined()) g.push_back(in.options.bias.grad());
      return g;
    };
    const auto got = gradients(true, f64), want = gradients(false, f64), floats = gradients(true, f32);
    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_CLOSE(got[i], want[i], 1e-9, 1e-10) << "input " << i;
      EXPECT_CLOSE(floats[i], want[i].to(f32), 1e-4, 2e-5) << "input " << i << " in f32";
    }
  }
}

TEST(Attention, GradientsHold) {
  for (const Case& c : cases()) {
    if (c.sizes.batch * c.sizes.heads * c.sizes.queries * c.sizes.keys > 170) continue;
    SCOPED_TRACE(c.name);
    const AttentionInputs in = make(c, {});
    const auto f = [&](const Tensor& q, const Tensor& k, const Tensor& v) {
      DotAttentionOptions o = in.options;
      o.bias = {};
      return scaled_dot_product_attention(q, k, v, o);
    };
    EXPECT_GRADIENTS(f, in.q, in.k, in.v);
    if (!in.options.bias.defined()) continue;
    const auto with_bias = [&](const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& bias) {
      DotAttentionOptions o = in.options;
      o.bias = bias;
      return scaled_dot_product_attention(q, k, v, o);
    };
    EXPECT_GRADIENTS(with_bias, in.q, in.k, in.v, in.options.bias);
  }
}

TEST(Attention, WeightsAreDifferentiableAndSumToOne) {
  const Tensor q = random({1, 2, 3, 4}), k = random({1, 2, 5, 4}, {}, 2), v = random({1, 2, 5, 4}, {}, 3);
  EXPECT_CLOSE(sum(attention_with_weights(q, k, v).weights, -1), ones({1, 2, 3}), 1e-5, 1e-6);
  const auto f = [](const Tensor& q, const Tensor& k, const Tensor& v) {
    const Attended made = attention_with_weights(q, k, v, {.causal = true});
    return std::vector<Tensor>{made.read, made.weights};
  };
  EXPECT_GRADIENTS(f, q, k, v);
}

TEST_P(OnEveryDevice, AttentionDropoutIsTheSameInTheKernelAndTheDefinition) {
  for (const DType dtype : {f32, f64}) {
    if (dtype == f64 && device() != Device::cpu()) continue;
    const Sizes s{2, 4, 2, 70, 530, 8, 4};
    AttentionInputs in = make({"", s, {.causal = true, .offset = 460, .dropout = 0.3}, {}}, {dtype, device()});
    for (Tensor* x : {&in.q, &in.k, &in.v}) x->set_requires_grad();
    const auto run = [&](bool fused) {
      for (Tensor* x : {&in.q, &in.k, &in.v}) x->zero_grad();
      manual_seed(7);
      const Tensor out = fused ? scaled_dot_product_attention(in.q, in.k, in.v, in.options)
                               : attention_with_weights(in.q, in.k, in.v, in.options).read;
      out.backward(random(out.shape(), {dtype, device()}, 9));
      return std::vector<Tensor>{out, in.q.grad(), in.k.grad(), in.v.grad()};
    };
    const auto got = run(true), want = run(false);
    for (size_t i = 0; i < got.size(); ++i) EXPECT_CLOSE(got[i], want[i], 1e-3, 1e-4);
    const uint64_t after = default_generator().offset;
    EXPECT_EQ(after, static_cast<uint64_t>((s.batch * s.heads * s.queries * s.keys + 3) / 4));
  }
}

TEST(Attention, PackedIsTheSameAsApart) {
  const int64_t heads = 4, key_heads = 2, d = 3;
  const Tensor packed = random({2, 3, (heads + 2 * key_heads) * d}, {f64, {}});
  const auto apart = [&](const Tensor& x) {
    const Tensor all = x.reshape({2, 3, heads + 2 * key_heads, d}).transpose(1, 2);
    return scaled_dot_product_attention(all.slice(1, 0, 4), all.slice(1, 4, 6), all.slice(1, 6, 8), {.causal = true})
        .transpose(1, 2)
        .reshape({2, 3, heads * d});
  };
  const auto joined = [&](const Tensor& x) { return packed_attention(x, heads, key_heads, {.causal = true}); };
  EXPECT_CLOSE(joined(packed), apart(packed));
  EXPECT_GRADIENTS(joined, packed);
}

TEST(Attention, MissingAxesAndLayouts) {
  const Tensor q = random({2, 3, 5, 4}), k = random({2, 3, 6, 4}, {}, 2), v = random({2, 3, 6, 4}, {}, 3);
  const Tensor out = scaled_dot_product_attention(q, k, v);
  EXPECT_CLOSE(scaled_dot_product_attention(q.select(1, 0), k.select(1, 0), v.select(1, 0)), out.select(1, 0));
  EXPECT_CLOSE(scaled_dot_product_attention(q.select(1, 0).select(0, 1), k.select(1, 0).select(0, 1),
                                            v.select(1, 0).select(0, 1)),
               out.select(1, 0).select(0, 1));
  for (const DType dtype : {f32, f64}) {
    const Tensor a = q.to(dtype), b = k.to(dtype), c = v.to(dtype), want = out.to(dtype);
    const auto same = [&](const Tensor& got) { return close(got, want, 1e-5, 1e-6); };
    for (const LaidOut& l : layouts_of(a)) EXPECT_TRUE(same(scaled_dot_product_attention(l.tensor, b, c))) << l.name;
    for (const LaidOut& l : layouts_of(b)) EXPECT_TRUE(same(scaled_dot_product_attention(a, l.tensor, c))) << l.name;
    for (const LaidOut& l : layouts_of(c)) EXPECT_TRUE(same(scaled_dot_product_attention(a, b, l.tensor))) << l.name;
  }
}

TEST(Attention, TakesGradientsInEveryLayout) {
  for (const DType dtype : {f32, f64}) {
    const auto gradients = [&](const Tensor& g) {
      std::vector<Tensor> x;
      for (uint64_t seed = 1; seed <= 3; ++seed)
        x.push_back(random({2, 3, 6, 4}, {dtype, {}}, seed).set_requires_grad());
      const Tensor packed = random({2, 6, 36}, {dtype, {}}, 4).set_requires_grad();
      scaled_dot_product_attention(x[0], x[1], x[2]).backward(g);
      packed_attention(packed, 3, 3).backward(g.transpose(1, 2).reshape({2, 6, 12}));
      return concat({concat({x[0].grad(), x[1].grad(), x[2].grad()}, 3).reshape({-1}), packed.grad().reshape({-1})});
    };
    const Tensor g = random({2, 3, 6, 4}, {dtype, {}}, 5);
    for (const LaidOut& l : layouts_of(g)) EXPECT_CLOSE(gradients(l.tensor), gradients(g)) << l.name;
    const Tensor of_mean =
        g.slice(2, 0, 1).expand({2, 3, 6, 4});  // a mean over queries gives each of them the same row
    EXPECT_CLOSE(gradients(of_mean), gradients(of_mean.contiguous()));
  }
}

TEST(Attention, NothingToReadGivesZeros) {
  const Tensor q = random({1, 2, 3, 4});
  EXPECT_CLOSE(scaled_dot_product_attention(q, zeros({1, 2, 0, 4}), zeros({1, 2, 0, 5})), zeros({1, 2, 3, 5}));
  EXPECT_EQ(scaled_dot_product_attention(zeros({1, 2, 0, 4}), q, q).shape(), (Shape{1, 2, 0, 4}));
}

TEST(Attention, DoesNotDependOnTheNumberOfThreads) {
  const Tensor q = random({1, 2, 300, 8}), k = random({1, 2, 600, 8}, {}, 2), v = random({1, 2, 600, 8}, {}, 3);
  const auto results = [&] {
    Tensor a = q.clone().set_requires_grad(), b = k.clone().set_requires_grad(), c = v.clone().set_requires_grad();
    const Tensor out = scaled_dot_product_attention(a, b, c);
    out.backward(q);
    return std::array{out.to_vector<float>(), a.grad().to_vector<float>(), b.grad().to_vector<float>(),
                      c.grad().to_vector<float>()};
  };
  const int before = num_threads();
  set_num_threads(1);
  const auto one = results();
  set_num_threads(3);
  const auto three = results();
  set_num_threads(before);
  EXPECT_EQ(one, three);
}

TEST(Attention, MemoryGrowsWithTimeAndNotWithItsSquare) {
  const auto peak = [](int64_t time) {
    Tensor q = random({1, 1, time, 16}).set_requires_grad();
    const size_t before = backend({}).memory().peak;
    sum(scaled_dot_product_attention(q, q, q, {.causal = true})).backward();
    return backend({}).memory().peak - std::min(before, backend({}).memory().peak);
  };
  peak(64);
  EXPECT_LT(peak(8192), size_t{64} << 20);  // the scores alone would be 256 MiB
}

TEST_P(OnEveryDevice, AttentionMemoryIsInProportionToTime) {
  const size_t start = backend(device()).memory().peak;
  for (const int64_t time : {512, 2048, 8192, 16384}) {
    Tensor q = random({1, 1, time, 8}, options()).set_requires_grad();
    // A window keeps the work small; it is no part of what is held.
    sum(scaled_dot_product_attention(q, q, q, {.causal = true, .window = 256})).backward();
    const size_t grown = backend(device()).memory().peak - start;
    EXPECT_LT(grown, static_cast<size_t>(time) * 2048 + (size_t{2} << 20)) << time;  // the scores alone: 4 time^2
    RecordProperty(fmt::format("peak_kib_{}", time), static_cast<int>(grown >> 10));
  }
}

TEST_P(OnEveryDevice, AttentionHidesNoNaN) {
  for (int64_t time : {3, 700}) {
    for (int64_t place : {int64_t{0}, time - 1}) {
      Tensor k = ones({1, 1, time, 4});
      k.slice(2, place, place + 1).fill_(NAN);
      const Tensor q = ones({1, 1, 2, 4}, options()), v = ones({1, 1, time, 4}, options());
      const std::vector<float> read = scaled_dot_product_attention(q, k.to(device()), v).to_vector<float>();
      for (float x : read) EXPECT_TRUE(std::isnan(x)) << time << " " << place;
    }
  }
}

TEST(Attention, ErrorsNameShapesAndCaller) {
  EXPECT_ERROR(scaled_dot_product_attention(zeros({1, 3, 5, 4}), zeros({1, 2, 6, 4}), zeros({1, 2, 6, 4})),
               "scaled_dot_product_attention: queries [1, 3, 5, 4], keys [1, 2, 6, 4] and values [1, 2, 6, 4] do not "
               "fit each other (attention_test.cpp:");
  const Tensor x = zeros({1, 2, 6, 4});
  EXPECT_ERROR(scaled_dot_product_attention(x, x, x, {.key_padding_keep = zeros({1, 5}, {boolean, {}})}),
               "scaled_dot_product_attention: key_padding_keep [1, 5] is not [batch, keys] = [1, 6]");
  EXPECT_ERROR(scaled_dot_product_attention(x, x, x, {.bias = zeros({3, 6, 6})}), "scaled_dot_product_attention: ");
  EXPECT_ERROR(scaled_dot_product_attention(x, x, x, {.dropout = 1}),
               "scaled_dot_product_attention: dropout 1 is outside [0, 1)");
  EXPECT_ERROR(packed_attention(zeros({2, 3, 6}), 2, INT64_MAX),
               "packed_attention: [2, 3, 6] is not [batch, time, 2 + ");
  EXPECT_ERROR(packed_attention(zeros({2, 3, 7}), 2, 1),
               "packed_attention: [2, 3, 7] is not [batch, time, 2 + 2 * 1 heads");
}

}  // namespace
}  // namespace fovea::test

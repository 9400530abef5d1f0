#include <fovea/fovea.h>

#include <cmath>

#include "support/layer_table.h"

namespace fovea::test {
namespace {

/// What a direct multi-head attention may not read: later keys, and those not kept [batch, keys].
struct Mask {
  bool causal = false;
  Numbers keep = {};
};

/// Heads one after the other; result and weights [batch, heads, queries, keys].
std::pair<Numbers, Numbers> multi_head(const Known& p, const Numbers& query, const Numbers& key, const Numbers& value,
                                       int64_t heads, const Mask& mask) {
  const int64_t batch = query.size(0), queries = query.size(1), dim = query.size(2), keys = key.size(1),
                d = dim / heads;
  const bool packed = p.has("in_proj_weight");
  const auto weight = [&](const char* own, int64_t part) {
    return packed ? naive_rows(p["in_proj_weight"], part * dim, (part + 1) * dim) : p[own];
  };
  const auto bias = [&](int64_t part) { return naive_rows(p["in_proj_bias"], part * dim, (part + 1) * dim); };
  const Numbers q = naive_linear(query, weight("q_proj_weight", 0), bias(0)),
                k = naive_linear(key, weight("k_proj_weight", 1), bias(1)),
                v = naive_linear(value, weight("v_proj_weight", 2), bias(2));
  Numbers weights({batch, heads, queries, keys}), keep({batch, queries, keys}), joined;
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t i = 0; i < queries; ++i) {
      for (int64_t j = 0; j < keys; ++j) {
        keep(b, i, j) = (!mask.causal || j <= i) && (mask.keep.values.empty() || mask.keep(b, j) != 0);
      }
    }
  }
  for (int64_t h = 0; h < heads; ++h) {
    const auto head = [&](const Numbers& x) { return naive_columns(x, h * d, (h + 1) * d); };
    const Numbers w = naive_softmax(naive_products(head(q), head(k), 1 / std::sqrt(static_cast<double>(d))), keep);
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t i = 0; i < queries; ++i) {
        for (int64_t j = 0; j < keys; ++j) weights(b, h, i, j) = w(b, i, j);
      }
    }
    const Numbers read = naive_read(w, head(v));
    joined = h == 0 ? read : naive_concat(joined, read);
  }
  return {naive_linear(joined, p["out_proj.weight"], p["out_proj.bias"]), weights};
}

Numbers normed(const Known& p, const std::string& name, const Numbers& x) {
  return naive_layer_norm(x, p[name + ".weight"], p[name + ".bias"], 1e-5);
}

Numbers feed_forward(const Known& p, const Numbers& x) {
  return naive_linear(each(naive_linear(x, p["linear1.weight"], p["linear1.bias"]), naive_relu), p["linear2.weight"],
                      p["linear2.bias"]);
}

Numbers encoder_layer(const Known& p, const Numbers& x, bool pre_norm, const Mask& mask, int64_t heads = 2) {
  const auto attention = [&](const Numbers& y) { return multi_head(p.under("self_attn"), y, y, y, heads, mask).first; };
  if (pre_norm) {
    const Numbers y = x + attention(normed(p, "norm1", x));
    return y + feed_forward(p, normed(p, "norm2", y));
  }
  const Numbers y = normed(p, "norm1", x + attention(x));
  return normed(p, "norm2", y + feed_forward(p, y));
}

Numbers decoder_layer(const Known& p, const Numbers& x, const Numbers& memory) {
  const Numbers y = normed(p, "norm1", x + multi_head(p.under("self_attn"), x, x, x, 2, {.causal = true}).first);
  const Numbers z = normed(p, "norm2", y + multi_head(p.under("multihead_attn"), y, memory, memory, 2, {}).first);
  return normed(p, "norm3", z + feed_forward(p, z));
}

/// The pool and the classifier of one way out.
Numbers left(const Known& pool, const Known& exit, const Numbers& x, const Numbers& keep) {
  const Numbers hidden = each(naive_linear(x, pool["key.weight"], pool["key.bias"]), naive_tanh);
  const Numbers scores = naive_linear(hidden, pool["query"].as({1, x.size(2)})).as({x.size(0), 1, x.size(1)});
  const Numbers read = naive_read(naive_softmax(scores, keep), x).as({x.size(0), x.size(2)});
  return naive_linear(read, exit["weight"], exit["bias"]);
}

const nn::TransformerOptions small{.feedforward = 3, .dropout = 0};
const nn::TransformerOptions small_pre_norm{.feedforward = 3, .dropout = 0, .pre_norm = true};

std::vector<LayerRow> transformer_rows() {
  const Tensor x = random({2, 3, 4}), memory = random({2, 2, 4}, {}, 2);
  const Tensor keep = from_vector(std::vector<bool>{1, 1, 0, 0, 1, 1}, {2, 3});
  const auto in_order = [](const auto& m, const Inputs& x) { return m.forward(x[0], {.causal = true}); };
  const auto of_two = [](const auto& m, const Inputs& x) { return m.forward(x[0], x[1]); };
  return {
      row<nn::MultiheadAttention>(
          "MultiheadAttention", built<nn::MultiheadAttention>(4, 2), {x, memory},
          [](const nn::MultiheadAttention& m, const Inputs& x) {
            const Attended out = m.forward_with_weights(x[0], x[1], x[1]);
            return Outputs{out.read, out.weights, m.forward(x[0], x[1], x[1])};
          },
          [](const Known& p, const std::vector<Numbers>& x) {
            const auto [y, weights] = multi_head(p, x[0], x[1], x[1], 2, {});
            return std::vector<Numbers>{y, weights, y};
          }),
      row<nn::MultiheadAttention>(
          "MultiheadAttention_masked", built<nn::MultiheadAttention>(4, 2), {x, keep},
          [](const nn::MultiheadAttention& m, const Inputs& x) {
            return m.forward(x[0], {.causal = true, .key_padding_keep = x[1]});
          },
          [](const Known& p, const std::vector<Numbers>& x) {
            return multi_head(p, x[0], x[0], x[0], 2, {.causal = true, .keep = x[1]}).first;
          }),
      row<nn::MultiheadAttention>(
          "MultiheadAttention_widths",
          built<nn::MultiheadAttention>(4, 2, nn::MultiheadAttentionOptions{.key_dim = 3, .value_dim = 2}),
          {x, random({2, 2, 3}, {}, 2), random({2, 2, 2}, {}, 3)},
          [](const nn::MultiheadAttention& m, const Inputs& x) { return m.forward(x[0], x[1], x[2]); },
          [](const Known& p, const std::vector<Numbers>& x) { return multi_head(p, x[0], x[1], x[2], 2, {}).first; }),
      row<nn::TransformerEncoderLayer>("TransformerEncoderLayer", built<nn::TransformerEncoderLayer>(4, 2, small), {x},
                                       in_order,
                                       [](const Known& p, const std::vector<Numbers>& x) {
                                         return encoder_layer(p, x[0], false, {.causal = true});
                                       }),
      row<nn::TransformerEncoderLayer>(
          "TransformerEncoderLayer_pre_norm", built<nn::TransformerEncoderLayer>(4, 2, small_pre_norm), {x}, in_order,
          [](const Known& p, const std::vector<Numbers>& x) { return encoder_layer(p, x[0], true, {.causal = true}); }),
      row<nn::TransformerEncoder>(
          "TransformerEncoder", built<nn::TransformerEncoder>(4, 2, 2, small_pre_norm), {random({1, 2, 4})}, in_order,
          [](const Known& p, const std::vector<Numbers>& x) {
            const Numbers y = encoder_layer(p.under("layers.0"), x[0], true, {.causal = true});
            return normed(p, "norm", encoder_layer(p.under("layers.1"), y, true, {.causal = true}));
          }),
      row<nn::TransformerDecoderLayer>(
          "TransformerDecoderLayer", built<nn::TransformerDecoderLayer>(4, 2, small),
          {random({1, 3, 4}), random({1, 2, 4}, {}, 2)}, of_two,
          [](const Known& p, const std::vector<Numbers>& x) { return decoder_layer(p, x[0], x[1]); }),
      row<nn::TransformerDecoder>(
          "TransformerDecoder",
          built<nn::TransformerDecoder>(2, 2, 2, nn::TransformerOptions{.feedforward = 2, .dropout = 0}),
          {random({1, 2, 2}), random({1, 2, 2}, {}, 2)}, of_two,
          [](const Known& p, const std::vector<Numbers>& x) {
            return decoder_layer(p.under("layers.1"), decoder_layer(p.under("layers.0"), x[0], x[1]), x[1]);
          }),
      row<nn::EarlyExitEncoder>(
          "EarlyExitEncoder",
          built<nn::EarlyExitEncoder>(2, 1, 2, 2, nn::TransformerOptions{.feedforward = 2, .dropout = 0}),
          {random({2, 3, 2}), keep}, of_two,
          [](const Known& p, const std::vector<Numbers>& x) {
            std::vector<Numbers> logits;
            Numbers state = x[0];
            for (const std::string i : {"0", "1"}) {
              state = encoder_layer(p.under("layers." + i), state, false, {.keep = x[1]}, 1);
              logits.push_back(left(p.under("pools." + i), p.under("exits." + i), state, x[1]));
            }
            return logits;
          }),
      row<nn::CrossModalAttention>(
          "CrossModalAttention", built<nn::CrossModalAttention>(4, 2, nn::CrossModalOptions{.heads = 2}),
          {random({2, 3, 4}), random({2, 2, 2}, {}, 2), keep},
          [](const nn::CrossModalAttention& m, const Inputs& x) {
            const auto out = m.forward_with_weights(x[0], x[1], x[2]);
            const nn::Fused again = m.forward(x[0], x[1], x[2]);
            return Outputs{out.fused.a, out.fused.b, out.a_weights, out.b_weights, again.a, again.b};
          },
          [](const Known& p, const std::vector<Numbers>& x) {
            const auto [for_a, a_weights] = multi_head(p.under("a_reads_b"), x[0], x[1], x[1], 2, {});
            const auto [for_b, b_weights] = multi_head(p.under("b_reads_a"), x[1], x[0], x[0], 2, {.keep = x[2]});
            const Numbers a = normed(p, "norm_a", x[0] + for_a), b = normed(p, "norm_b", x[1] + for_b);
            return std::vector<Numbers>{a, b, a_weights, b_weights, a, b};
          }),
      row<nn::GatedFusion>(
          "GatedFusion", built<nn::GatedFusion>(3, 2, 4), {random({2, 3}), random({2, 2}, {}, 2)},
          [](const nn::GatedFusion& m, const Inputs& x) {
            const Attended out = m.forward_with_weights(x[0], x[1]);
            return Outputs{out.read, out.weights};
          },
          [](const Known& p, const std::vector<Numbers>& x) {
            const Numbers z = each(naive_linear(naive_concat(x[0], x[1]), p["gate.weight"]), naive_sigmoid);
            const Numbers a = each(naive_linear(x[0], p["source_a.weight"], p["source_a.bias"]), naive_tanh);
            const Numbers b = each(naive_linear(x[1], p["source_b.weight"], p["source_b.bias"]), naive_tanh);
            const auto times = [](double s, double t) { return s * t; };
            return std::vector<Numbers>{each(z, a, times) + each(each(z, [](double s) { return 1 - s; }), b, times), z};
          }),
  };
}

INSTANTIATE_TEST_SUITE_P(Transformer, Layer, ::testing::ValuesIn(transformer_rows()), row_name);

}  // namespace
}  // namespace fovea::test

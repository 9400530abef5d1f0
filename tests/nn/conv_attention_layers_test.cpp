#include <fovea/fovea.h>

#include <cmath>

#include "support/layer_table.h"

namespace fovea::test {
namespace {

/// f over the height and width of each channel: [batch, channels].
template <class F>
Numbers over_space(const Numbers& x, double start, const F& f) {
  Numbers y({x.size(0), x.size(1)});
  for (int64_t b = 0; b < x.size(0); ++b) {
    for (int64_t c = 0; c < x.size(1); ++c) {
      y(b, c) = start;
      for (int64_t i = 0; i < x.size(2); ++i) {
        for (int64_t j = 0; j < x.size(3); ++j) y(b, c) = f(y(b, c), x(b, c, i, j));
      }
    }
  }
  return y;
}

Numbers space_mean(const Numbers& x) {
  const auto count = static_cast<double>(x.size(2) * x.size(3));
  return over_space(x, 0, [=](double sum, double v) { return sum + v / count; });
}
Numbers space_maximum(const Numbers& x) {
  return over_space(x, -INFINITY, [](double most, double v) { return std::max(most, v); });
}

/// x times weights [batch, channels] or [batch, height, width].
Numbers times(Numbers x, const Numbers& weights) {
  for (int64_t b = 0; b < x.size(0); ++b) {
    for (int64_t c = 0; c < x.size(1); ++c) {
      for (int64_t i = 0; i < x.size(2); ++i) {
        for (int64_t j = 0; j < x.size(3); ++j) {
          x(b, c, i, j) *= weights.shape.rank() == 2 ? weights(b, c) : weights(b, i, j);
        }
      }
    }
  }
  return x;
}

std::vector<Numbers> squeezed(const Known& p, const Numbers& x) {
  const Numbers hidden = each(naive_linear(space_mean(x), p["fc1.weight"], p["fc1.bias"]), naive_relu);
  const Numbers weights = each(naive_linear(hidden, p["fc2.weight"], p["fc2.bias"]), naive_sigmoid);
  return {times(x, weights), weights};
}

std::vector<Numbers> by_channel(const Known& p, const Numbers& x) {
  const auto branch = [&](const Numbers& seen) {
    return naive_linear(each(naive_linear(seen, p["fc1.weight"]), naive_relu), p["fc2.weight"]);
  };
  const Numbers weights = each(branch(space_mean(x)) + branch(space_maximum(x)), naive_sigmoid);
  return {times(x, weights), weights};
}

std::vector<Numbers> by_place(const Known& p, const Numbers& x) {
  Numbers seen({x.size(0), 2, x.size(2), x.size(3)});
  for (int64_t b = 0; b < x.size(0); ++b) {
    for (int64_t i = 0; i < x.size(2); ++i) {
      for (int64_t j = 0; j < x.size(3); ++j) {
        seen(b, 1, i, j) = -INFINITY;
        for (int64_t c = 0; c < x.size(1); ++c) {
          seen(b, 0, i, j) += x(b, c, i, j) / static_cast<double>(x.size(1));
          seen(b, 1, i, j) = std::max(seen(b, 1, i, j), x(b, c, i, j));
        }
      }
    }
  }
  const Numbers& w = p["conv.weight"];
  const Numbers weights =
      each(naive_conv2d(seen, w, {}, {.padding = w.size(2) / 2}), naive_sigmoid).as({x.size(0), x.size(2), x.size(3)});
  return {times(x, weights), weights};
}

std::vector<Numbers> by_both(const Known& p, const Numbers& x) {
  const std::vector<Numbers> channels = by_channel(p.under("channel"), x);
  const std::vector<Numbers> places = by_place(p.under("spatial"), channels[0]);
  Numbers ones(x.shape);
  for (double& v : ones.values) v = 1;
  return {places[0], times(times(ones, channels[1]), places[1])};
}

/// [batch, channels, h, w] as [batch, h w, channels].
Numbers places_of(const Numbers& x) {
  const int64_t space = x.size(2) * x.size(3);
  const Numbers flat = x.as({x.size(0), x.size(1), space});
  Numbers y({x.size(0), space, x.size(1)});
  for (int64_t b = 0; b < y.size(0); ++b) {
    for (int64_t i = 0; i < space; ++i) {
      for (int64_t c = 0; c < y.size(2); ++c) y(b, i, c) = flat(b, c, i);
    }
  }
  return y;
}

/// A convolution with a kernel of one place, on rows of places.
Numbers pointwise(const Numbers& rows, const Numbers& weight, const Numbers& bias = {}) {
  return naive_linear(rows, weight.as({weight.size(0), weight.size(1)}), bias);
}

std::vector<Numbers> self_attended(const Known& p, const Numbers& x) {
  const Numbers rows = places_of(x);
  const Numbers weights =
      naive_softmax(naive_products(pointwise(rows, p["query.weight"]), pointwise(rows, p["key.weight"])));
  const Numbers read = pointwise(naive_read(weights, pointwise(rows, p["value.weight"])), p["out.weight"]);
  Numbers y = x;
  for (int64_t b = 0; b < x.size(0); ++b) {
    for (int64_t c = 0; c < x.size(1); ++c) {
      for (int64_t i = 0; i < read.size(1); ++i) {
        y(b, c, i / x.size(3), i % x.size(3)) += p["gamma"](0) * read(b, i, c);
      }
    }
  }
  return {y, weights};
}

std::vector<Numbers> gated(const Known& p, const std::vector<Numbers>& given) {
  const Numbers &x = given[0], &g = given[1];  // 4 x 4 and 2 x 4
  Numbers fine({2, g.size(1), 4, 4});
  for (int64_t b = 0; b < 2; ++b) {
    for (int64_t c = 0; c < g.size(1); ++c) {
      for (int64_t i = 0; i < 4; ++i) {
        for (int64_t j = 0; j < 4; ++j) fine(b, c, i, j) = g(b, c, i / 2, j);
      }
    }
  }
  const Numbers hidden = each(
      pointwise(places_of(x), p["feature.weight"]) + pointwise(places_of(fine), p["gating.weight"], p["gating.bias"]),
      naive_relu);
  const Numbers weights = each(pointwise(hidden, p["psi.weight"], p["psi.bias"]), naive_sigmoid).as({2, 4, 4});
  return {times(x, weights), weights};
}

std::vector<Numbers> patches_read(const Known& p, const Numbers& x) {
  const Numbers patches = places_of(naive_conv2d(x, p["projection.weight"], p["projection.bias"], {.stride = 2}));
  const Numbers hidden = each(naive_linear(patches, p["pool.key.weight"], p["pool.key.bias"]), naive_tanh);
  Numbers scores({2, 1, 6});
  for (int64_t b = 0; b < 2; ++b) {
    for (int64_t i = 0; i < 6; ++i) {
      for (int64_t c = 0; c < hidden.size(2); ++c) scores(b, 0, i) += hidden(b, i, c) * p["pool.query"](c);
    }
  }
  const Numbers weights = naive_softmax(scores);
  return {naive_read(weights, patches).as({2, 3}), weights.as({2, 2, 3})};
}

/// forward and forward_with_weights of one image.
template <class M>
LayerRow image_row(const std::string& name, std::function<std::unique_ptr<M>()> make, const Tensor& x,
                   std::vector<Numbers> (*direct)(const Known&, const Numbers&)) {
  return row<M>(
      name, std::move(make), {x},
      [](const M& m, const Inputs& x) {
        const Attended out = m.forward_with_weights(x[0]);
        return Outputs{out.read, out.weights, m.forward(x[0])};
      },
      [direct](const Known& p, const std::vector<Numbers>& x) {
        std::vector<Numbers> made = direct(p, x[0]);
        made.push_back(made[0]);
        return made;
      });
}

std::vector<LayerRow> conv_attention_rows() {
  const Tensor x = random({2, 4, 3, 2});
  return {
      image_row<nn::SqueezeExcitation>("SqueezeExcitation", built<nn::SqueezeExcitation>(4, 2), x, squeezed),
      image_row<nn::ChannelAttention>("ChannelAttention", built<nn::ChannelAttention>(4, 2), x, by_channel),
      image_row<nn::SpatialAttention>("SpatialAttention", built<nn::SpatialAttention>(3), x, by_place),
      image_row<nn::CBAM>("CBAM", built<nn::CBAM>(4, nn::CBAMOptions{.reduction = 2, .kernel = 3}), x, by_both),
      image_row<nn::SelfAttention2d>("SelfAttention2d", built<nn::SelfAttention2d>(4, 2), x, self_attended),
      row<nn::AttentionGate>(
          "AttentionGate", built<nn::AttentionGate>(2, 3, 2), {random({2, 2, 4, 4}), random({2, 3, 2, 4}, {}, 2)},
          [](const nn::AttentionGate& m, const Inputs& x) {
            const Attended out = m.forward_with_weights(x[0], x[1]);
            return Outputs{out.read, out.weights};
          },
          gated),
      image_row<nn::PatchAttentionPool>("PatchAttentionPool", built<nn::PatchAttentionPool>(2, 3, Extent(2)),
                                        random({2, 2, 5, 6}), patches_read),
  };
}

INSTANTIATE_TEST_SUITE_P(ConvAttention, Layer, ::testing::ValuesIn(conv_attention_rows()), row_name);

TEST(SelfAttention2d, ChangesNothingAtFirst) {
  const Tensor x = random({1, 8, 3, 3});
  EXPECT_CLOSE(nn::SelfAttention2d(8).forward(x).detach(), x, 0, 0);
}

TEST(SelfAttention2d, TakesAnEmptyBatch) {
  EXPECT_EQ(nn::SelfAttention2d(8).forward(ones({0, 8, 3, 2})).shape(), (Shape{0, 8, 3, 2}));
}

TEST(ConvAttention, NamesMisuse) {
  EXPECT_ERROR(nn::SqueezeExcitation(4, 8), "SqueezeExcitation: 4 channels cannot be reduced by 8 (conv_attention_");
  EXPECT_ERROR(nn::SpatialAttention(4), "SpatialAttention: a kernel of 4 is not odd (conv_attention_layers_test.cpp:");
  EXPECT_ERROR(nn::CBAM(4, {.reduction = 2}).forward(ones({2, 3, 4, 4})),
               "ChannelAttention: input [2, 3, 4, 4] is not [batch, 4, height, width] in channel (conv_");
  EXPECT_ERROR(nn::AttentionGate(2, 2, 2).forward(ones({1, 2, 5, 4}), ones({1, 2, 2, 2})),
               "AttentionGate: the grid of [1, 2, 5, 4] is no multiple of that of [1, 2, 2, 2]");
  EXPECT_ERROR(nn::SelfAttention2d(8, -4), "SelfAttention2d: a hidden width of -4 (conv_attention_layers_test.cpp:");
}

}  // namespace
}  // namespace fovea::test

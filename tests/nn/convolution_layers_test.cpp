#include <fovea/fovea.h>

#include <cmath>

#include "support/layer_table.h"

namespace fovea::test {
namespace {

/// [batch, channels, length] as an image of one row.
Numbers as_image(const Numbers& x) { return x.as({x.size(0), x.size(1), 1, x.size(2)}); }
Numbers as_sequence(const Numbers& x) { return x.as({x.size(0), x.size(1), x.size(3)}); }

/// Each input element's weighted kernel laid into the output.
Numbers transposed_convolution(const Numbers& x, const Numbers& w, const Numbers& b, int64_t stride) {
  Numbers y({x.size(0), w.size(1), (x.size(2) - 1) * stride + w.size(2), (x.size(3) - 1) * stride + w.size(3)});
  for (int64_t n = 0; n < y.size(0); ++n) {
    for (int64_t o = 0; o < y.size(1); ++o) {
      for (int64_t i = 0; i < y.size(2); ++i) {
        for (int64_t j = 0; j < y.size(3); ++j) y(n, o, i, j) = b(o);
      }
      for (int64_t c = 0; c < x.size(1); ++c) {
        for (int64_t i = 0; i < x.size(2); ++i) {
          for (int64_t j = 0; j < x.size(3); ++j) {
            for (int64_t p = 0; p < w.size(2); ++p) {
              for (int64_t q = 0; q < w.size(3); ++q) {
                y(n, o, i * stride + p, j * stride + q) += x(n, c, i, j) * w(c, o, p, q);
              }
            }
          }
        }
      }
    }
  }
  return y;
}

struct Window {
  int64_t kernel[3], stride[3], padding[3];
};

/// The greatest or the mean of every window, in which padding counts as 0.
Numbers pooled(const Numbers& x, const Window& w, bool greatest) {
  if (x.shape.rank() == 4) {
    const Numbers y = pooled(x.as({x.size(0), x.size(1), 1, x.size(2), x.size(3)}), w, greatest);
    return y.as({y.size(0), y.size(1), y.size(3), y.size(4)});
  }
  const auto positions = [&](int axis) {
    return (x.size(axis + 2) + 2 * w.padding[axis] - w.kernel[axis]) / w.stride[axis] + 1;
  };
  Numbers y({x.size(0), x.size(1), positions(0), positions(1), positions(2)});
  for (size_t at = 0; at < y.values.size(); ++at) {
    int64_t place[5], rest = static_cast<int64_t>(at);
    for (int axis = 4; axis >= 0; rest /= y.size(axis--)) place[axis] = rest % y.size(axis);
    double most = -INFINITY, sum = 0;
    const int64_t elements = w.kernel[0] * w.kernel[1] * w.kernel[2];
    for (int64_t k = 0; k < elements; ++k) {
      const int64_t tap[] = {k / (w.kernel[1] * w.kernel[2]), k / w.kernel[2] % w.kernel[1], k % w.kernel[2]};
      int64_t from[3];
      bool inside = true;
      for (int axis = 0; axis < 3; ++axis) {
        from[axis] = place[2 + axis] * w.stride[axis] + tap[axis] - w.padding[axis];
        inside &= from[axis] >= 0 && from[axis] < x.size(2 + axis);
      }
      if (!inside) continue;
      const double value = x(place[0], place[1], from[0], from[1], from[2]);
      most = std::max(most, value);
      sum += value;
    }
    y.values[at] = greatest ? most : sum / static_cast<double>(elements);
  }
  return y;
}

/// The means of parts that run from floor(i size / n) to ceil((i + 1) size / n) along each axis behind the channels.
Numbers part_means(Numbers x, const std::vector<int64_t>& parts) {
  for (size_t i = 0; i < parts.size(); ++i) {
    const int axis = 2 + static_cast<int>(i);
    Shape shape = x.shape;
    shape[axis] = parts[i];
    int64_t inner = 1, outer = 1;
    for (int before = 0; before < axis; ++before) outer *= shape[before];
    for (int behind = axis + 1; behind < shape.rank(); ++behind) inner *= shape[behind];
    const int64_t size = x.size(axis), n = parts[i];
    const Numbers rows = x.as({outer, size, inner});
    Numbers y({outer, n, inner});
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t part = 0; part < n; ++part) {
        const int64_t begin = part * size / n, end = ((part + 1) * size + n - 1) / n;
        for (int64_t c = 0; c < inner; ++c) {
          for (int64_t r = begin; r < end; ++r) y(o, part, c) += rows(o, r, c) / static_cast<double>(end - begin);
        }
      }
    }
    x = y.as(shape);
  }
  return x;
}

/// Normalised over batch and space of each channel, or over each sample's groups of channels.
Numbers normalised(Numbers x, const Known& p, int64_t groups, double eps) {
  const int64_t batch = x.size(0), channels = x.size(1), space = x.shape.numel() / (batch * channels);
  const Shape shape = x.shape;
  x = x.as({batch, channels, space});
  Numbers y = x;
  const auto same = [&](int64_t n, int64_t c, int64_t m, int64_t d) {
    return groups == 0 ? c == d : n == m && c / (channels / groups) == d / (channels / groups);
  };
  for (int64_t n = 0; n < batch; ++n) {
    for (int64_t c = 0; c < channels; ++c) {
      double count = 0, mean = 0, variance = 0;
      const auto over = [&](auto f) {
        for (int64_t m = 0; m < batch; ++m) {
          for (int64_t d = 0; d < channels; ++d) {
            for (int64_t i = 0; i < space && same(n, c, m, d); ++i) f(x(m, d, i));
          }
        }
      };
      over([&](double v) { count += 1, mean += v; });
      mean /= count;
      over([&](double v) { variance += (v - mean) * (v - mean) / count; });
      for (int64_t i = 0; i < space; ++i) {
        y(n, c, i) = (x(n, c, i) - mean) / std::sqrt(variance + eps) * p["weight"](c) + p["bias"](c);
      }
    }
  }
  return y.as(shape);
}

Numbers batch_normalised(const Known& p, const Numbers& x) { return normalised(x, p, 0, 1e-5); }

/// Each element of a larger image from the four around its place in x: weighted by how near they are.
Numbers between(const Numbers& x, int64_t height, int64_t width, bool corners) {
  const auto place = [&](int64_t i, int64_t of, int axis) {
    const auto in = static_cast<double>(x.size(axis)), out = static_cast<double>(of), at = static_cast<double>(i);
    return corners ? at * (in - 1) / (out - 1) : std::clamp((at + 0.5) / out * in - 0.5, 0.0, in - 1);
  };
  Numbers y({x.size(0), x.size(1), height, width});
  for (int64_t b = 0; b < y.size(0); ++b) {
    for (int64_t c = 0; c < y.size(1); ++c) {
      for (int64_t i = 0; i < height; ++i) {
        for (int64_t j = 0; j < width; ++j) {
          for (int64_t r = 0; r < x.size(2); ++r) {
            for (int64_t s = 0; s < x.size(3); ++s) {
              const double down = std::abs(place(i, height, 2) - static_cast<double>(r));
              const double along = std::abs(place(j, width, 3) - static_cast<double>(s));
              y(b, c, i, j) += std::max(1 - down, 0.0) * std::max(1 - along, 0.0) * x(b, c, r, s);
            }
          }
        }
      }
    }
  }
  return y;
}

std::vector<LayerRow> convolution_rows() {
  const Tensor line = random({2, 4, 7}), image = random({2, 4, 5, 6}), volume = random({2, 2, 3, 4, 3});
  return {
      row<nn::Conv1d>(
          "Conv1d", built<nn::Conv1d>(4, 2, 3, nn::Conv1dLayerOptions{.stride = 2, .padding = 2, .dilation = 2}), line,
          [](const Known& p, const Numbers& x) {
            return as_sequence(naive_conv2d(as_image(x), p["weight"].as({2, 4, 1, 3}), p["bias"],
                                            {.stride = {1, 2}, .padding = {0, 2}, .dilation = {1, 2}}));
          }),
      row<nn::Conv1d>("Conv1d_groups", built<nn::Conv1d>(4, 2, 3, nn::Conv1dLayerOptions{.groups = 2, .bias = false}),
                      line,
                      [](const Known& p, const Numbers& x) {
                        return as_sequence(naive_conv2d(as_image(x), p["weight"].as({2, 2, 1, 3}), {}, {.groups = 2}));
                      }),
      row<nn::Conv2d>("Conv2d", built<nn::Conv2d>(4, 3, Extent(3, 2)), image,
                      [](const Known& p, const Numbers& x) { return naive_conv2d(x, p["weight"], p["bias"]); }),
      row<nn::Conv2d>(
          "Conv2d_strided",
          built<nn::Conv2d>(4, 2, Extent(2), nn::Conv2dLayerOptions{.stride = 2, .padding = 1, .dilation = 2}), image,
          [](const Known& p, const Numbers& x) {
            return naive_conv2d(x, p["weight"], p["bias"], {.stride = 2, .padding = 1, .dilation = 2});
          }),
      row<nn::Conv2d>("Conv2d_depthwise",
                      built<nn::Conv2d>(4, 8, Extent(3), nn::Conv2dLayerOptions{.padding = 1, .groups = 4}), image,
                      [](const Known& p, const Numbers& x) {
                        return naive_conv2d(x, p["weight"], p["bias"], {.padding = 1, .groups = 4});
                      }),
      row<nn::Conv3d>("Conv3d", built<nn::Conv3d>(2, 3, Extent3d(2, 3, 2)), volume,
                      [](const Known& p, const Numbers& x) { return naive_conv3d(x, p["weight"], p["bias"]); }),
      row<nn::Conv3d>(
          "Conv3d_options",
          built<nn::Conv3d>(
              2, 4, Extent3d(2),
              nn::Conv3dLayerOptions{
                  .stride = {2, 1, 2}, .padding = {1, 0, 1}, .dilation = {2, 1, 1}, .groups = 2, .bias = false}),
          volume,
          [](const Known& p, const Numbers& x) {
            return naive_conv3d(x, p["weight"], {},
                                {.stride = {2, 1, 2}, .padding = {1, 0, 1}, .dilation = {2, 1, 1}, .groups = 2});
          }),
      row<nn::ConvTranspose3d>(
          "ConvTranspose3d",
          built<nn::ConvTranspose3d>(2, 3, Extent3d(2, 1, 2), nn::ConvTranspose3dOptions{.stride = 2}),
          random({1, 2, 2, 1, 2}),
          [](const Known& p, const Numbers& x) {
            Numbers y({1, 3, 4, 1, 4});
            for (int64_t o = 0; o < 3; ++o) {
              for (int64_t i = 0; i < 4; ++i) {
                for (int64_t j = 0; j < 4; ++j) {
                  y(0, o, i, 0, j) = p["bias"](o);
                  for (int64_t c = 0; c < 2; ++c)
                    y(0, o, i, 0, j) += x(0, c, i / 2, 0, j / 2) * p["weight"](c, o, i % 2, 0, j % 2);
                }
              }
            }
            return y;
          }),
      row<nn::ConvTranspose2d>(
          "ConvTranspose2d", built<nn::ConvTranspose2d>(4, 2, Extent(3), nn::ConvTranspose2dOptions{.stride = 2}),
          random({2, 4, 2, 3}),
          [](const Known& p, const Numbers& x) { return transposed_convolution(x, p["weight"], p["bias"], 2); }),
      row<nn::ConvTranspose1d>(
          "ConvTranspose1d", built<nn::ConvTranspose1d>(4, 2, 3, nn::ConvTranspose1dOptions{.stride = 2}),
          random({2, 4, 5}),
          [](const Known& p, const Numbers& x) {
            const Numbers y = transposed_convolution(as_image(x), p["weight"].as({4, 2, 1, 3}), p["bias"], 2);
            return as_sequence(y);
          }),
      row<nn::ConvTranspose1d>(
          "ConvTranspose1d_padded",
          built<nn::ConvTranspose1d>(
              4, 2, 3, nn::ConvTranspose1dOptions{.stride = 2, .padding = 1, .output_padding = 1, .bias = false}),
          random({2, 4, 5}),
          [](const Known& p, const Numbers& x) {
            const Numbers none({2});
            const Numbers y = as_sequence(transposed_convolution(as_image(x), p["weight"].as({4, 2, 1, 3}), none, 2));
            Numbers cut({2, 2, 10});  // without the first of eleven
            for (int64_t b = 0; b < 2; ++b) {
              for (int64_t c = 0; c < 2; ++c) {
                for (int64_t i = 0; i < 10; ++i) cut(b, c, i) = y(b, c, i + 1);
              }
            }
            return cut;
          }),
      row<nn::MaxPool1d>("MaxPool1d", built<nn::MaxPool1d>(3, Pool1dOptions{.stride = 2, .padding = 1}), line,
                         [](const Known&, const Numbers& x) {
                           return as_sequence(pooled(as_image(x), {{1, 1, 3}, {1, 1, 2}, {0, 0, 1}}, true));
                         }),
      row<nn::MaxPool2d>("MaxPool2d", built<nn::MaxPool2d>(Extent(3, 2), Pool2dOptions{.stride = 2, .padding = 1}),
                         image,
                         [](const Known&, const Numbers& x) {
                           return pooled(x, {{1, 3, 2}, {1, 2, 2}, {0, 1, 1}}, true);
                         }),
      row<nn::MaxPool3d>("MaxPool3d",
                         built<nn::MaxPool3d>(Extent3d(2, 3, 2), Pool3dOptions{.stride = {1, 2, 1}, .padding = 1}),
                         volume,
                         [](const Known&, const Numbers& x) {
                           return pooled(x, {{2, 3, 2}, {1, 2, 1}, {1, 1, 1}}, true);
                         }),
      row<nn::AvgPool1d>("AvgPool1d", built<nn::AvgPool1d>(2), line,
                         [](const Known&, const Numbers& x) {
                           return as_sequence(pooled(as_image(x), {{1, 1, 2}, {1, 1, 2}, {0, 0, 0}}, false));
                         }),
      row<nn::AvgPool2d>("AvgPool2d", built<nn::AvgPool2d>(Extent(3), Pool2dOptions{.stride = {2, 1}, .padding = 1}),
                         image,
                         [](const Known&, const Numbers& x) {
                           return pooled(x, {{1, 3, 3}, {1, 2, 1}, {0, 1, 1}}, false);
                         }),
      row<nn::AvgPool3d>("AvgPool3d",
                         built<nn::AvgPool3d>(Extent3d(3, 2, 2), Pool3dOptions{.stride = {2, 1, 3}, .padding = 1}),
                         volume,
                         [](const Known&, const Numbers& x) {
                           return pooled(x, {{3, 2, 2}, {2, 1, 3}, {1, 1, 1}}, false);
                         }),
      row<nn::AdaptiveAvgPool1d>("AdaptiveAvgPool1d", built<nn::AdaptiveAvgPool1d>(3), line,
                                 [](const Known&, const Numbers& x) { return part_means(x, {3}); }),
      row<nn::AdaptiveAvgPool2d>("AdaptiveAvgPool2d", built<nn::AdaptiveAvgPool2d>(Extent(2, 4)), image,
                                 [](const Known&, const Numbers& x) {
                                   return part_means(x, {2, 4});
                                 }),
      row<nn::AdaptiveAvgPool3d>("AdaptiveAvgPool3d", built<nn::AdaptiveAvgPool3d>(Extent3d(2, 3, 1)), volume,
                                 [](const Known&, const Numbers& x) {
                                   return part_means(x, {2, 3, 1});
                                 }),
      row<nn::Upsample>("Upsample", built<nn::Upsample>(Extent(2, 3)), random({2, 1, 2, 2}),
                        [](const Known&, const Numbers& x) {
                          Numbers y({2, 1, 4, 6});
                          for (int64_t b = 0; b < 2; ++b) {
                            for (int64_t i = 0; i < 4; ++i) {
                              for (int64_t j = 0; j < 6; ++j) y(b, 0, i, j) = x(b, 0, i / 2, j / 3);
                            }
                          }
                          return y;
                        }),
      row<nn::Upsample>("Upsample_bilinear", built<nn::Upsample>(Extent(2, 3), nn::UpsampleOptions{.bilinear = true}),
                        random({2, 2, 2, 3}), [](const Known&, const Numbers& x) { return between(x, 4, 9, false); }),
      row<nn::Upsample>("Upsample_bilinear_corners",
                        built<nn::Upsample>(Extent(3, 2), nn::UpsampleOptions{.bilinear = true, .align_corners = true}),
                        random({2, 2, 2, 3}), [](const Known&, const Numbers& x) { return between(x, 6, 6, true); }),
      row<nn::PixelShuffle>("PixelShuffle", built<nn::PixelShuffle>(2), random({2, 8, 2, 3}),
                            [](const Known&, const Numbers& x) {
                              Numbers y({2, 2, 4, 6});
                              for (int64_t b = 0; b < 2; ++b) {
                                for (int64_t c = 0; c < 2; ++c) {
                                  for (int64_t i = 0; i < 4; ++i) {
                                    for (int64_t j = 0; j < 6; ++j) {
                                      y(b, c, i, j) = x(b, c * 4 + i % 2 * 2 + j % 2, i / 2, j / 2);
                                    }
                                  }
                                }
                              }
                              return y;
                            }),
      row<nn::Flatten>("Flatten", built<nn::Flatten>(), line,
                       [](const Known&, const Numbers& x) {
                         return x.as({2, 28});
                       }),
      row<nn::BatchNorm1d>("BatchNorm1d", built<nn::BatchNorm1d>(4), random({5, 4}), batch_normalised),
      row<nn::BatchNorm1d>("BatchNorm1d_sequences", built<nn::BatchNorm1d>(4), line, batch_normalised),
      row<nn::BatchNorm2d>("BatchNorm2d", built<nn::BatchNorm2d>(4), random({2, 4, 2, 3}), batch_normalised),
      row<nn::BatchNorm2d>(
          "BatchNorm2d_in_evaluation",
          [] {
            auto module = std::make_unique<nn::BatchNorm2d>(4);
            module->eval();
            return module;
          },
          random({2, 4, 2, 3}),
          [](const Known& p, Numbers x) {
            for (int64_t n = 0; n < 2; ++n) {
              for (int64_t c = 0; c < 4; ++c) {
                for (int64_t i = 0; i < 6; ++i) {
                  double& v = x(n, c, i / 3, i % 3);
                  v = (v - p["running_mean"](c)) / std::sqrt(p["running_var"](c) + 1e-5) * p["weight"](c) +
                      p["bias"](c);
                }
              }
            }
            return x;
          }),
      row<nn::BatchNorm3d>("BatchNorm3d", built<nn::BatchNorm3d>(2), volume, batch_normalised),
      row<nn::InstanceNorm3d>("InstanceNorm3d", built<nn::InstanceNorm3d>(2, nn::InstanceNormOptions{.affine = true}),
                              volume, [](const Known& p, const Numbers& x) { return normalised(x, p, 2, 1e-5); }),
      row<nn::InstanceNorm1d>("InstanceNorm1d", built<nn::InstanceNorm1d>(4, nn::InstanceNormOptions{.affine = true}),
                              line, [](const Known& p, const Numbers& x) { return normalised(x, p, 4, 1e-5); }),
      row<nn::InstanceNorm2d>(
          "InstanceNorm2d", built<nn::InstanceNorm2d>(4, nn::InstanceNormOptions{.eps = 0.1, .affine = true}),
          random({2, 4, 2, 3}), [](const Known& p, const Numbers& x) { return normalised(x, p, 4, 0.1); }),
      row<nn::GroupNorm>("GroupNorm", built<nn::GroupNorm>(2, 4), random({2, 4, 2, 2}),
                         [](const Known& p, const Numbers& x) { return normalised(x, p, 2, 1e-5); }),
  };
}

INSTANTIATE_TEST_SUITE_P(Convolution, Layer, ::testing::ValuesIn(convolution_rows()), row_name);

TEST(Layers, NameTheCallerOfSizesThatCannotBe) {
  constexpr int64_t huge = int64_t{1} << 40;
  const auto named = [](const std::function<void()>& make) {
    try {
      make();
    } catch (const Error& error) {
      return std::string(error.what()).find("(convolution_layers_test.cpp:") != std::string::npos;
    }
    return false;
  };
  EXPECT_TRUE(named([] { nn::Conv2d(huge, huge, 3); }));
  EXPECT_TRUE(named([] { nn::Conv1d(1, huge, huge); }));
  EXPECT_TRUE(named([] { nn::Linear(huge, huge); }));
  EXPECT_TRUE(named([] { nn::LayerNorm(int64_t{1} << 62); }));
  EXPECT_TRUE(named([] { nn::Embedding(huge, huge); }));
  EXPECT_TRUE(named([] { nn::MultiheadAttention(huge, 2); }));
  EXPECT_TRUE(named([] { nn::MultiheadAttention(8, 2, {.key_dim = -5}); }));
  EXPECT_TRUE(named([] { nn::AttentionPool(int64_t{1} << 62); }));
}

TEST(Upsample, NamesWhatCannotBe) {
  EXPECT_ERROR(nn::Upsample({2, 0}), "Upsample: factor 2 x 0 is not at least 1 (convolution_layers_test.cpp:");
  EXPECT_ERROR(nn::Upsample(2, {.align_corners = true}),
               "Upsample: repeated elements have no corners to align; align_corners is for bilinear "
               "(convolution_layers_test.cpp:");
  EXPECT_ERROR(nn::Upsample(2, {.bilinear = true}).forward(ones({3, 4})),
               "interpolate: input [3, 4] is not [batch, channels, space...] for a space of [6, 8] "
               "(convolution_layers_test.cpp:");
  EXPECT_ERROR(nn::PixelShuffle(2).forward(ones({1, 3, 4, 4})),
               "pixel_shuffle: input [1, 3, 4, 4] is not [..., channels 2^2, height, width] "
               "(convolution_layers_test.cpp:");
}

TEST(Convolutions, RefuseAKernelThatIsTooLarge) {
  const int64_t side = int64_t{1} << 33;
  EXPECT_ERROR(nn::Conv2d(1, 1, {side, side}),
               "Conv2d: [1, 1, 8589934592, 8589934592] has too many elements (convolution_layers_test.cpp:");
}

}  // namespace
}  // namespace fovea::test

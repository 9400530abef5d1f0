#include <gtest/gtest.h>

#include "backends/array.h"

namespace fovea::test {
namespace {

const Shape norm_shapes[] = {{0, 3}, {1, 1}, {3, 17}, {2, 3, 64}, {65, 130}, {7}, {700, 65}, {3, 1030}, {2, 9001}};

struct Normed {
  std::vector<double> y, mean, rstd;
};

Normed naive(const Array& x, const Array* weight, const Array* bias, double eps, bool rms) {
  Normed result;
  const int64_t n = x.view.shape.back();
  for (int64_t row = 0; row * n < x.numel(); ++row) {
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < n && !rms; ++i) mean += x.get(row * n + i) / static_cast<double>(n);
    for (int64_t i = 0; i < n; ++i) variance += std::pow(x.get(row * n + i) - mean, 2) / static_cast<double>(n);
    const double rstd = 1 / std::sqrt(variance + eps);
    for (int64_t i = 0; i < n; ++i)
      result.y.push_back((x.get(row * n + i) - mean) * rstd * (weight ? weight->get(i) : 1) +
                         (bias ? bias->get(i) : 0));
    result.mean.push_back(mean);
    result.rstd.push_back(rstd);
  }
  return result;
}

Shape rows_of(Shape shape) {
  shape.erase(shape.rank() - 1);
  return shape;
}

TEST(LayerNorm, EqualsTheDefinition) {
  for (DType dtype : {f32, f64, f16, bf16}) {
    for (const Shape& shape : norm_shapes) {
      for (bool rms : {false, true}) {
        for (int affine = 0; affine < 4; ++affine) {
          const bool weighted = affine & 1, shifted = affine & 2;
          const Array x = noise(shape, 1, dtype), y = make(shape, dtype), weight = noise({shape.back()}, 2, dtype),
                      bias = noise({shape.back()}, 3, dtype);
          const Array mean = make(rows_of(shape), dtype), rstd = make(rows_of(shape), dtype);
          for (int64_t i = 0; i < x.numel(); ++i) x.set(i, x.get(i) + 2);
          cpu().layer_norm({.x = x,
                            .weight = weighted ? &weight : nullptr,
                            .bias = shifted ? &bias : nullptr,
                            .y = y,
                            .mean = rms ? nullptr : &mean,
                            .rstd = rstd,
                            .eps = 1e-3,
                            .rms = rms});
          const Normed want = naive(x, weighted ? std::addressof(weight) : nullptr,
                                    shifted ? std::addressof(bias) : nullptr, 1e-3, rms);
          SCOPED_TRACE(fmt::format("{} {} rms {} affine {}", shape, dtype, rms, affine));
          expect_close(y.values(), want.y, 2 * tolerance(dtype));
          expect_close(rstd.values(), want.rstd, 2 * tolerance(dtype));
          if (!rms) expect_close(mean.values(), want.mean, 2 * tolerance(dtype));
        }
      }
    }
  }
}

TEST(LayerNorm, BackwardEqualsFiniteDifferences) {
  for (const Shape& shape : norm_shapes) {
    if (shape.numel() > 1000) continue;
    for (bool rms : {false, true}) {
      for (bool affine : {false, true}) {
        const int64_t n = shape.back();
        const Array x = noise(shape, 1, f64), weight = noise({n}, 2, f64), bias = noise({n}, 3, f64);
        const Array dy = noise(shape, 4, f64), y = make(shape, f64);
        const Array mean = make(rows_of(shape), f64), rstd = make(rows_of(shape), f64);
        const Array dx = make(shape, f64), dweight = full({n}, 9, f64), dbias = full({n}, 9, f64);
        cpu().layer_norm({.x = x,
                          .weight = affine ? &weight : nullptr,
                          .bias = nullptr,
                          .y = y,
                          .mean = rms ? nullptr : &mean,
                          .rstd = rstd,
                          .eps = 1e-3,
                          .rms = rms});
        cpu().layer_norm_backward({.x = x,
                                   .weight = affine ? &weight : nullptr,
                                   .mean = rms ? nullptr : &mean,
                                   .rstd = rstd,
                                   .dy = dy,
                                   .dx = &dx,
                                   .dweight = &dweight,
                                   .dbias = &dbias,
                                   .rms = rms});
        const auto loss = [&] {
          double sum = 0;
          const Normed out = naive(x, affine ? std::addressof(weight) : nullptr, nullptr, 1e-3, rms);
          for (int64_t i = 0; i < x.numel(); ++i) sum += out.y[static_cast<size_t>(i)] * dy.get(i);
          return sum;
        };
        const auto slope = [&](const Array& input, int64_t i) {
          const double value = input.get(i), step = 1e-5;
          input.set(i, value + step);
          const double up = loss();
          input.set(i, value - step);
          const double down = loss();
          input.set(i, value);
          return (up - down) / (2 * step);
        };
        SCOPED_TRACE(fmt::format("{} rms {} affine {}", shape, rms, affine));
        for (int64_t i = 0; i < x.numel(); ++i) ASSERT_NEAR(dx.get(i), slope(x, i), 1e-7);
        for (int64_t i = 0; i < n && affine; ++i) ASSERT_NEAR(dweight.get(i), slope(weight, i), 1e-7);
        for (int64_t i = 0; i < n; ++i) {
          double sum = 0;
          for (int64_t row = 0; row * n < x.numel(); ++row) sum += dy.get(row * n + i);
          ASSERT_NEAR(dbias.get(i), sum, 1e-12);
        }
      }
    }
  }
}

TEST(LayerNorm, BackwardInOtherTypesEqualsThatInDouble) {
  for (DType dtype : {f32, f16, bf16}) {
    for (bool rms : {false, true}) {
      const Shape shape{300, 65}, rows{300}, columns{65};
      std::vector<std::vector<double>> results[2];
      for (DType used : {f64, dtype}) {
        const auto as = [&](const Shape& s, uint64_t seed) {
          const Array rounded = noise(s, seed, dtype);
          return from(s, rounded.values(), used);
        };
        const Array x = as(shape, 1), weight = as(columns, 2), dy = as(shape, 4), y = make(shape, used);
        // Kept values may be wider than the rows.
        const DType kept = used == f64 ? f64 : f32;
        const Array mean = make(rows, kept), rstd = make(rows, kept), dx = make(shape, used);
        const Array dweight = make(columns, used), dbias = make(columns, used);
        cpu().layer_norm({.x = x,
                          .weight = &weight,
                          .bias = nullptr,
                          .y = y,
                          .mean = rms ? nullptr : &mean,
                          .rstd = rstd,
                          .eps = 1e-3,
                          .rms = rms});
        cpu().layer_norm_backward({.x = x,
                                   .weight = &weight,
                                   .mean = rms ? nullptr : &mean,
                                   .rstd = rstd,
                                   .dy = dy,
                                   .dx = &dx,
                                   .dweight = &dweight,
                                   .dbias = &dbias,
                                   .rms = rms});
        results[used == f64] = {dx.values(), dweight.values(), dbias.values()};
      }
      for (size_t i = 0; i < 3; ++i) expect_close(results[0][i], results[1][i], 2 * tolerance(dtype));
    }
  }
}

TEST(LayerNorm, ResultsThatOutgrowTheCachesAreThoseOfTheirParts) {
  const int64_t rows = 2200, n = 1024;  // 8.6 MiB: written past the caches
  const Array x = noise({rows, n}, 1), dy = noise({rows, n}, 2), weight = noise({n}, 3);
  const Array y = make({rows, n}), dx = make({rows, n}), mean = make({rows}), rstd = make({rows});
  const auto norm = [&](int64_t first, int64_t count, const Array& y, const Array& dx) {
    const auto part = [&](const Array& whole, const Shape& shape) {
      View view = whole.view;
      view.offset += first * (shape.rank() == 2 ? n : 1);
      view.shape = shape;
      return view;
    };
    const View of_x = part(x, {count, n}), of_dy = part(dy, {count, n}), of_y = part(y, {count, n}),
               of_dx = part(dx, {count, n}), of_mean = part(mean, {count}), of_rstd = part(rstd, {count});
    cpu().layer_norm(
        {.x = of_x, .weight = &weight, .bias = nullptr, .y = of_y, .mean = &of_mean, .rstd = of_rstd, .eps = 1e-5});
    cpu().layer_norm_backward({.x = of_x,
                               .weight = &weight,
                               .mean = &of_mean,
                               .rstd = of_rstd,
                               .dy = of_dy,
                               .dx = &of_dx,
                               .dweight = nullptr,
                               .dbias = nullptr});
  };
  norm(0, rows, y, dx);
  const Array y_of_parts = make({rows, n}), dx_of_parts = make({rows, n});
  for (int64_t first = 0; first < rows; first += rows / 2) norm(first, rows / 2, y_of_parts, dx_of_parts);
  EXPECT_EQ(y.bytes(), y_of_parts.bytes());
  EXPECT_EQ(dx.bytes(), dx_of_parts.bytes());
}

TEST(LayerNorm, GivesTheSameBytesOnAnyNumberOfThreads) {
  const Array x = noise({1000, 130}, 1), weight = noise({130}, 2), dy = noise({1000, 130}, 3);
  expect_same_bytes_on_any_threads([&] {
    const Array y = make({1000, 130}), mean = make({1000}), rstd = make({1000}), dx = make({1000, 130});
    const Array dweight = make({130}), dbias = make({130});
    cpu().layer_norm({.x = x, .weight = &weight, .bias = nullptr, .y = y, .mean = &mean, .rstd = rstd, .eps = 1e-5});
    cpu().layer_norm_backward({.x = x,
                               .weight = &weight,
                               .mean = &mean,
                               .rstd = rstd,
                               .dy = dy,
                               .dx = &dx,
                               .dweight = &dweight,
                               .dbias = &dbias});
    return std::vector{y, dx, dweight, dbias};
  });
}

}  // namespace
}  // namespace fovea::test

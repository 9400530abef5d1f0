#include <cmath>
#include <limits>

#include "vulkan/mirror.h"

namespace fovea::test {
namespace {

using RowsTest = VulkanTest;

const Shape shapes[] = {{0, 3}, {1, 1}, {3, 17}, {2, 2, 64}, {65, 130}, {3, 1000}, {7}, {2, 0}};

Array scaled(Array array, double factor) {
  for (int64_t i = 0; i < array.numel(); ++i) array.set(i, factor * array.get(i));
  return array;
}

TEST_F(RowsTest, SoftmaxAgreesWithTheCpu) {
  for (DType dtype : {f32, f16, bf16}) {
    for (const Shape& shape : shapes) {
      for (bool log : {false, true}) {
        SCOPED_TRACE(fmt::format("{} {} {}", dtype, shape, log));
        const Array x = scaled(noise(shape, 1, dtype), 9), y = make(shape, dtype), dy = noise(shape, 2, dtype),
                    dx = make(shape, dtype);
        const Mirror gx(x), gy(y), gdy(dy), gdx(dx);
        cpu().softmax({.x = x, .out = y, .log = log});
        gpu().softmax({.x = gx, .out = gy, .log = log});
        expect_same(gy, y, tolerance(dtype));
        cpu().softmax_backward({.y = y, .dy = dy, .dx = dx, .log = log});
        gpu().softmax_backward({.y = gy, .dy = gdy, .dx = gdx, .log = log});
        expect_same(gdx, dx, 2 * tolerance(dtype));
      }
    }
  }
}

TEST_F(RowsTest, SoftmaxFarFromZeroAndOfInfinities) {
  constexpr double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  const Mirror x(from({4, 3}, {1000, 1001, -1e30, -inf, 2, -inf, -inf, -inf, -inf, 1, nan, 2})), y(make({4, 3}));
  const double less = 1 / (1 + std::exp(1.0)), log_more = -std::log1p(std::exp(-1.0));
  gpu().softmax({.x = x, .out = y});
  expect_close(y.pull().values(), {less, 1 - less, 0, 0, 1, 0, nan, nan, nan, nan, nan, nan}, 1e-6);
  gpu().softmax({.x = x, .out = y, .log = true});
  expect_close(y.pull().values(), {log_more - 1, log_more, -1e30, -inf, 0, -inf, nan, nan, nan, nan, nan, nan}, 1e-6);
}

TEST_F(RowsTest, LayerNormAgreesWithTheCpu) {
  for (DType dtype : {f32, f16, bf16}) {
    for (const Shape& shape : shapes) {
      for (bool rms : {false, true}) {
        for (bool affine : {false, true}) {
          SCOPED_TRACE(fmt::format("{} {} {} {}", dtype, shape, rms, affine));
          const Shape row{shape.back()};
          Shape rows = shape;
          rows.erase(shape.rank() - 1);
          const Array x = noise(shape, 1, dtype), weight = noise(row, 2, dtype), bias = noise(row, 3, dtype),
                      y = make(shape, dtype), mean = make(rows), rstd = make(rows), dy = noise(shape, 4, dtype),
                      dx = make(shape, dtype), dweight = make(row, dtype), dbias = make(row, dtype);
          const Mirror gx(x), gweight(weight), gbias(bias), gy(y), gmean(mean), grstd(rstd), gdy(dy), gdx(dx),
              gdweight(dweight), gdbias(dbias);
          const bool has_bias = affine && !rms;
          cpu().layer_norm(
              {x, affine ? &weight : nullptr, has_bias ? &bias : nullptr, y, rms ? nullptr : &mean, rstd, 1e-5, rms});
          gpu().layer_norm({gx, affine ? &gweight : nullptr, has_bias ? &gbias : nullptr, gy, rms ? nullptr : &gmean,
                            grstd, 1e-5, rms});
          expect_same(gy, y, tolerance(dtype));
          expect_same(grstd, rstd, 1e-5);
          if (!rms) expect_same(gmean, mean, 1e-5);
          cpu().layer_norm_backward({x, affine ? &weight : nullptr, rms ? nullptr : &mean, rstd, dy, &dx,
                                     affine ? &dweight : nullptr, has_bias ? &dbias : nullptr, rms});
          gpu().layer_norm_backward({gx, affine ? &gweight : nullptr, rms ? nullptr : &gmean, grstd, gdy, &gdx,
                                     affine ? &gdweight : nullptr, has_bias ? &gdbias : nullptr, rms});
          expect_same(gdx, dx, 10 * tolerance(dtype));
          expect_same(gdweight, dweight, 5 * tolerance(dtype));
          expect_same(gdbias, dbias, 5 * tolerance(dtype));
        }
      }
    }
  }
}

TEST_F(RowsTest, CrossEntropyAgreesWithTheCpu) {
  for (DType dtype : {f32, f16}) {
    for (const auto& [rows, classes] : {std::pair<int64_t, int64_t>{0, 4}, {1, 1}, {5, 3}, {33, 130}, {3, 1000}}) {
      for (double smoothing : {0.0, 0.1}) {
        for (bool weighted : {false, true}) {
          SCOPED_TRACE(fmt::format("{} {} {} {} {}", dtype, rows, classes, smoothing, weighted));
          const Array x = scaled(noise({rows, classes}, 1, dtype), 5), weight = make({classes}, dtype),
                      targets = make({rows}, i32), loss = make({rows}), dloss = noise({rows}, 3),
                      dx = make({rows, classes}, dtype);
          for (int64_t c = 0; c < classes; ++c) weight.set(c, 0.5 + 0.1 * static_cast<double>(c % 7));
          for (int64_t row = 0; row < rows; ++row)
            targets.set(row, row % 4 == 3 ? -100 : static_cast<double>(row * 7 % classes));
          const Mirror gx(x), gweight(weight), gtargets(targets), gloss(loss), gdloss(dloss), gdx(dx);
          cpu().cross_entropy({x, targets, weighted ? &weight : nullptr, loss, smoothing});
          gpu().cross_entropy({gx, gtargets, weighted ? &gweight : nullptr, gloss, smoothing});
          expect_same(gloss, loss, 2e-5);
          cpu().cross_entropy_backward({x, targets, weighted ? &weight : nullptr, dloss, dx, smoothing});
          gpu().cross_entropy_backward({gx, gtargets, weighted ? &gweight : nullptr, gdloss, gdx, smoothing});
          expect_same(gdx, dx, tolerance(dtype));
        }
      }
    }
  }
}

TEST_F(RowsTest, CrossEntropyReportsATargetThatIsNoClassWhenItsResultIsRead) {
  const Mirror x(make({3, 4})), targets(from({3}, {1, 9, 2}, i32)), loss(make({3}));
  gpu().cross_entropy({x, targets, nullptr, loss});
  try {
    loss.pull();
    FAIL() << "no error";
  } catch (const IndexError& error) {
    EXPECT_STREQ(error.what(), "cross_entropy: index 9 is outside [0, 4)");
  }
  EXPECT_EQ(loss.pull().get(1), 0);  // reported once, and the device goes on
}

TEST_F(RowsTest, RefusesF64) {
  const Mirror x(make({3, 4}, f64));
  EXPECT_THROW(gpu().softmax({.x = x, .out = x}), DeviceError);
}

}  // namespace
}  // namespace fovea::test

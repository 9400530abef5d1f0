#include "fovea/autograd/capture.h"

#include "fovea/autograd/sparse_rows.h"
#include "fovea/fovea.h"
#include "support/device.h"
#include "support/expect.h"

// What differs from run to run is noticed, and what is merged stays apart where it must.
namespace fovea::test {
namespace {

TEST_P(OnEveryDevice, CaptureNoticesWhateverChanges) {
  static const Elementwise add{"same", [](Expr x) { return x + 1.0; }}, twice{"same", [](Expr x) { return x * 2.0; }};
  const Tensor a = randn({4, 4}, options()), b = randn({4, 4}, options()), both = randn({8, 4}, options());
  const Tensor index = zeros({4, 4}, options(i32)), rows = from_vector({0, 1, 2, 3}, device());
  const std::vector<std::pair<const char*, std::function<Tensor(const Tensor&, bool)>>> steps{
      {"memory", [&](const Tensor& x, bool odd) { return x + (odd ? a : b); }},
      {"offset", [&](const Tensor& x, bool odd) { return x + both.slice(0, odd ? 1 : 2, odd ? 5 : 6); }},
      {"strides", [&](const Tensor& x, bool odd) { return x + (odd ? a : a.mT()); }},
      {"dtype", [&](const Tensor& x, bool odd) { return x.to(odd ? f16 : bf16).to(f32); }},
      {"program", [&](const Tensor& x, bool odd) { return odd ? add(x) : twice(x); }},
      {"number", [&](const Tensor& x, bool odd) { return x * (odd ? 2.0 : 3.0); }},
      {"host", [&](const Tensor& x, bool odd) { return x + tensor({odd ? 1.0 : 2.0}, options()); }},
      {"matmul",
       [&](const Tensor& x, bool odd) {
         const Autocast precision(odd ? bf16 : f32);
         return matmul(x, a).to(f32);
       }},
      {"softmax", [&](const Tensor& x, bool odd) { return odd ? softmax(x, -1) : log_softmax(x, -1); }},
      {"layer_norm", [&](const Tensor& x, bool odd) { return layer_norm(x, {}, {}, odd ? 1e-5 : 1e-3); }},
      {"cross_entropy",
       [&](const Tensor& x, bool odd) { return cross_entropy(x, rows, {.label_smoothing = odd ? 0.1 : 0.2}); }},
      {"gather", [&](const Tensor& x, bool odd) { return gather(x, odd, index); }},
      {"add_rows",
       [&](const Tensor& x, bool odd) {
         const Tensor table = zeros({4, 4}, options());
         autograd::add_rows(table, rows, x, odd ? 1 : 2);
         return table;
       }},
      {"scan",
       [&](const Tensor& x, bool odd) {
         const Tensor out = raw::empty(x.shape(), x.options());
         x.backend().scan({x.view(), out.view(), odd, false});
         return out;
       }},
      {"max_pool",
       [&](const Tensor& x, bool odd) {
         return max_pool2d(x.reshape({1, 1, 4, 4}), 1, {.stride = odd ? 2 : 3});
       }},
      {"interpolate",
       [&](const Tensor& x, bool odd) {
         return interpolate(x.reshape({1, 4, 4}), {6},
                            {.mode = odd ? Interpolation::nearest : Interpolation::nearest_exact});
       }},
      {"attention",
       [&](const Tensor& x, bool odd) { return scaled_dot_product_attention(x, a, b, {.scale = odd ? 1.0 : 2.0}); }},
      {"sort", [&](const Tensor& x, bool odd) { return sort(x, -1, odd).values; }},
      {"arg_reduce", [&](const Tensor& x, bool odd) { return odd ? argmax(x, -1) : argmin(x, -1); }}};
  for (const auto& [name, f] : steps) {
    SCOPED_TRACE(name);
    int runs = 0;
    auto step = capture([&f = f, &runs](const Tensor& x) { return f(x, runs++ % 2 == 1); });
    const Tensor x = randn({4, 4}, options());
    for (int i = 0; i < 3; ++i) EXPECT_CLOSE(step(x), f(x, i % 2 == 1), 0, 0);
    EXPECT_ERROR(step(x), "capture: no two of 4 runs did the same: ");
  }
}

TEST_P(OnEveryDevice, CaptureTellsAGeneratorOfTheSameSeed) {
  manual_seed(3);
  rand({64});
  for (const uint64_t offset : {default_generator().offset, uint64_t{0}}) {
    auto step = capture([&](const Tensor& x) {
      Generator own{.seed = 3, .offset = offset};
      return x + rand({4}, options(), own);
    });
    EXPECT_ERROR(step(ones({4}, options())),
                 (offset > 0 ? "capture: a captured step draws" : "random: a captured step draws"));
  }
}

/// Whether a step gives what it gives as written, bit for bit, in each of some runs.
void expect_as_written(const std::function<Tensor(const Tensor&)>& f, const std::function<Tensor(int)>& argument) {
  auto step = capture([&f](const Tensor& x) { return f(x); });
  for (int i = 0; i < 5; ++i) {
    const Tensor x = argument(i), want = f(x);
    EXPECT_CLOSE(step(x), want, 0, 0) << i;
  }
  EXPECT_GT(step.stats().replays, 0u);
}

TEST_P(OnEveryDevice, CaptureMergesNothingThatIsApart) {
  const auto numbers = [&](int) { return randn({2, 2}, options()); };
  // One half of what was put together, which is not the half that was written last.
  expect_as_written([](const Tensor& x) { return concat({x * 2.0, x * 5.0}).slice(0, 0, 2) * 3.0; }, numbers);
  // The same elements in another order.
  expect_as_written([](const Tensor& x) { return (x + 1.0).mT() * 2.0; }, numbers);
  // Halves are rounded to between two operations.
  expect_as_written([](const Tensor& x) { return (x.to(f16) * 1.1) * 3.3; }, numbers);
  if (device() == Device::cpu()) {
    expect_as_written([](const Tensor& x) { return exp(x).to(f64) * (1.0 / 3); }, numbers);
  }
}

TEST_P(OnEveryDevice, CaptureTellsFunctionsApartThatLiveWithinTheStep) {
  expect_as_written(
      [](const Tensor& x) {
        Tensor y = x;
        for (int i = 1; i < 6; ++i) {  // each where the one before was
          const Elementwise f{"f", [i](Expr v) { return v * (0.5 * i) + i; }};
          y = sum(f(y).expand({2, 2, 2}), 0);  // nothing that merges
        }
        return y;
      },
      [&](int) {
        return randn({2, 2}, options());
      });
}

TEST_P(OnEveryDevice, CaptureReadsBeforeItWrites) {
  for (const int64_t n : {3, 150}) {  // in one piece, and in many
    std::vector<std::vector<float>> ends;
    for (const bool captured : {false, true}) {
      Tensor p = arange(0, static_cast<double>(n * n), 1, options()).reshape({n, n});
      const auto f = [&](const Tensor& x) { p.add_(p.mT() * 2.0 + x); };
      auto step = capture(f);
      for (int i = 0; i < 4; ++i) captured ? step(zeros({n, n}, options())) : f(zeros({n, n}, options()));
      ends.push_back(p.to_vector<float>());
    }
    EXPECT_EQ(ends[0], ends[1]);
    // p + 2 p^T, four times: 41 p + 40 p^T.
    EXPECT_EQ(ends[0][1], 41.0F + 40.0F * static_cast<float>(n));
  }
}

TEST_P(OnEveryDevice, CaptureMovesNoReadBehindAWrite) {
  for (const bool captured : {false, true}) {
    Tensor state = ones({4}, options()), other = ones({4}, options());
    const auto f = [&](const Tensor& x) {
      const Tensor y = state * 2.0;  // it would run within the last line
      state.copy_(x);
      const Tensor z = y + other;
      other.add_(z);
      return z;
    };
    auto step = capture(f);
    std::vector<float> seen;
    for (int i = 1; i <= 5; ++i) {
      const Tensor x = full({4}, 10 * i, options());
      seen.push_back((captured ? step(x) : f(x)).to_vector<float>()[0]);
    }
    EXPECT_EQ(seen, (std::vector<float>{3, 24, 68, 156, 332})) << captured;
  }
}

TEST_P(OnEveryDevice, CaptureShowsTheHostWhatCameBefore) {
  Tensor state = zeros({2}, options());
  std::vector<float> seen;
  auto step = capture([&](const Tensor& x) {
    state.copy_(x * 2.0);
    each_run([&] { seen.push_back(state.to_vector<float>()[0]); });
    return state * 3.0;
  });
  for (int i = 0; i < 5; ++i) EXPECT_CLOSE(step(full({2}, i, options())), full({2}, 6.0 * i, options()), 0, 0);
  EXPECT_EQ(seen, (std::vector<float>{0, 2, 4, 6, 8}));
}

}  // namespace
}  // namespace fovea::test

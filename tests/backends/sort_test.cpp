#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "backends/array.h"

namespace fovea::test {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();

// Few distinct values, so that there are many ties; with NaN, infinities and both zeros where there are such.
Array ties(const Shape& shape, DType dtype) {
  const Array x = make(shape, dtype);
  const double special[] = {nan, inf, -inf, 0.0, -0.0};
  for (int64_t i = 0; i < x.numel(); ++i) {
    const auto r = static_cast<uint64_t>(i) * 2654435761u % 1009;
    if (dtype == boolean) {
      x.set(i, static_cast<double>(r % 2));
    } else if (dtype != i32 && r % 11 < 5) {
      x.set(i, special[r % 11]);
    } else {
      x.set(i, static_cast<double>(r % 7) - 3);
    }
  }
  if (dtype == i32 && x.numel() > 5) {
    x.set(3, std::numeric_limits<int32_t>::max());
    x.set(5, std::numeric_limits<int32_t>::min());
  }
  return x;
}

bool less(double a, double b) { return std::isnan(b) ? !std::isnan(a) : a < b; }

const Shape sort_shapes[] = {{1}, {3, 17}, {2, 3, 64}, {65, 130}, {3, 255}, {3, 256}, {2, 5000}, {1, 16400}};

TEST(Sort, IsStableBothWaysAndGivesTheFirstK) {
  for (DType dtype : {f32, f64, f16, bf16, i32, boolean}) {
    for (const Shape& shape : sort_shapes) {
      for (bool descending : {false, true}) {
        for (int64_t k : {int64_t{1}, (shape.back() + 15) / 16, (shape.back() + 1) / 2, shape.back()}) {
          const Array x = ties(shape, dtype);
          Shape kept = shape;
          kept[shape.rank() - 1] = k;
          const Array values = make(kept, dtype), indices = make(kept, i32);
          cpu().sort({.x = x, .values = values, .indices = indices, .descending = descending});
          const int64_t n = shape.back();
          for (int64_t row = 0; row * n < x.numel(); ++row) {
            std::vector<int64_t> order(static_cast<size_t>(n));
            std::iota(order.begin(), order.end(), 0);
            std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
              const double u = x.get(row * n + a), v = x.get(row * n + b);
              return descending ? less(v, u) : less(u, v);
            });
            for (int64_t i = 0; i < k; ++i) {
              ASSERT_EQ(static_cast<int64_t>(indices.get(row * k + i)), order[static_cast<size_t>(i)])
                  << name(dtype) << " " << to_string(shape) << " descending " << descending << " k " << k;
              const double want = x.get(row * n + order[static_cast<size_t>(i)]), got = values.get(row * k + i);
              ASSERT_TRUE(got == want || (std::isnan(got) && std::isnan(want)));
            }
          }
        }
      }
    }
  }
}

TEST(Sort, NaNIsTheGreatestWhateverItsSign) {
  for (DType dtype : {f32, f64, f16, bf16}) {
    for (int64_t n : {6, 300}) {
      for (bool descending : {false, true}) {
        const Array x = full({n}, 1, dtype), values = make({n}, dtype), indices = make({n}, i32);
        x.set(1, -nan);
        x.set(2, -inf);
        x.set(3, nan);
        x.set(4, inf);
        cpu().sort({.x = x, .values = values, .indices = indices, .descending = descending});
        const int64_t first = descending ? 0 : n - 2;
        EXPECT_EQ(indices.get(first), 1) << name(dtype);
        EXPECT_EQ(indices.get(first + 1), 3) << name(dtype);
        EXPECT_EQ(indices.get(descending ? 2 : n - 3), 4) << name(dtype);
      }
    }
  }
}

// Without ties, rising, falling and mixed: elements that come late displace the first k.
TEST(Sort, FindsTheFirstKWhereverTheyStand) {
  for (DType dtype : {f32, f64, i32}) {
    for (int64_t n : {128, 400, 3001}) {
      for (int64_t k : {int64_t{1}, int64_t{10}, n / 8, n}) {
        for (int order = 0; order < 3; ++order) {
          const Array x = make({n}, dtype), values = make({k}, dtype), indices = make({k}, i32);
          std::vector<int64_t> place(static_cast<size_t>(n));
          for (int64_t i = 0; i < n; ++i) {
            const int64_t rank = order == 0 ? i : order == 1 ? n - 1 - i : i * 1009 % n;
            place[static_cast<size_t>(rank)] = i;
            x.set(i, static_cast<double>(rank - n / 2));
          }
          for (bool descending : {false, true}) {
            cpu().sort({.x = x, .values = values, .indices = indices, .descending = descending});
            for (int64_t i = 0; i < k; ++i) {
              const int64_t rank = descending ? n - 1 - i : i;
              ASSERT_EQ(values.get(i), static_cast<double>(rank - n / 2));
              ASSERT_EQ(static_cast<int64_t>(indices.get(i)), place[static_cast<size_t>(rank)]);
            }
          }
        }
      }
    }
  }
}

TEST(Sort, GivesTheSameBytesOnAnyNumberOfThreads) {
  const Array x = ties({200, 700}, f32);
  for (int64_t k : {3, 700}) {
    expect_same_bytes_on_any_threads([&] {
      const Array values = make({200, k}), indices = make({200, k}, i32);
      cpu().sort({.x = x, .values = values, .indices = indices});
      return std::vector{values, indices};
    });
  }
}

TEST(Sort, TakesEmptyRowsAndNoneKept) {
  const Array empty = make({3, 0}), none = make({3, 0}), indices = make({3, 0}, i32), x = noise({3, 4}, 1);
  cpu().sort({.x = empty, .values = none, .indices = indices});
  cpu().sort({.x = x, .values = none, .indices = indices});
  EXPECT_EQ(indices.numel(), 0);
}

TEST(ArgReduce, GivesTheFirstOfEqualsAndNaNBeforeAll) {
  for (DType dtype : {f32, f64, f16, i32, boolean}) {
    for (const Shape& shape : sort_shapes) {
      for (bool minimum : {false, true}) {
        const Array x = ties(shape, dtype);
        Shape rows = shape;
        rows.erase(shape.rank() - 1);
        const Array out = make(rows, i32);
        cpu().arg_reduce({.x = x, .out = out, .minimum = minimum});
        const int64_t n = shape.back();
        for (int64_t row = 0; row * n < x.numel(); ++row) {
          int64_t best = 0;
          for (int64_t i = 1; i < n; ++i) {
            const double u = x.get(row * n + best), v = x.get(row * n + i);
            if (std::isnan(u)) break;
            if (std::isnan(v) || (minimum ? v < u : v > u)) best = i;
          }
          ASSERT_EQ(static_cast<int64_t>(out.get(row)), best) << name(dtype) << " " << minimum;
        }
      }
    }
  }
}

TEST(ArgReduce, FindsTheOneWhereverItStands) {
  for (DType dtype : {f32, f64, bf16, i32}) {
    for (int64_t n : {1, 2, 15, 16, 17, 31, 63, 65, 2047, 2048, 2049, 2051, 4100, 6200}) {
      for (int64_t at : {int64_t{0}, int64_t{1}, n / 2, n - 2, n - 1}) {
        if (at < 0 || at >= n) continue;
        for (bool minimum : {false, true}) {
          const Array x = full({n}, -3, dtype), out = make({}, i32);
          const auto found = [&] {
            cpu().arg_reduce({.x = x, .out = out, .minimum = minimum});
            return static_cast<int64_t>(out.get(0));
          };
          ASSERT_EQ(found(), 0);
          x.set(at, minimum ? -4 : -2);
          ASSERT_EQ(found(), at) << name(dtype) << " " << n;
          if (dtype == i32) continue;
          x.set(at, minimum ? -inf : inf);
          ASSERT_EQ(found(), at);
          x.set(n - 1, nan);
          ASSERT_EQ(found(), n - 1);
          x.set(at, nan);
          ASSERT_EQ(found(), at);
        }
      }
    }
  }
}

}  // namespace
}  // namespace fovea::test

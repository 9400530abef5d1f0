#include <gtest/gtest.h>

#include "backends/array.h"

namespace fovea::test {
namespace {

TEST(Scan, EqualsTheDefinition) {
  for (DType dtype : {f32, f64, f16, i32}) {
    for (const Shape& shape :
         {Shape{0}, Shape{1}, Shape{5, 0}, Shape{3, 17}, Shape{2, 3, 65}, Shape{2, 4}, Shape{2, 7}, Shape{300, 130}}) {
      for (int mode = 0; mode < 4; ++mode) {
        const bool reverse = mode & 1, exclusive = mode & 2;
        const Array x = noise(shape, 1, dtype), out = full(shape, 9, dtype);
        for (int64_t i = 0; i < x.numel(); ++i)
          x.set(i, dtype == i32 ? static_cast<double>(i % 3 - 1) : 1 + x.get(i) / 9);
        cpu().scan({.x = x, .out = out, .reverse = reverse, .exclusive = exclusive});
        std::vector<double> want(static_cast<size_t>(x.numel()));
        const int64_t n = shape.back();
        for (int64_t row = 0; row * n < x.numel(); ++row) {
          double running = 0;
          for (int64_t step = 0; step < n; ++step) {
            const int64_t i = row * n + (reverse ? n - 1 - step : step);
            const double next = running + x.get(i);
            want[static_cast<size_t>(i)] = exclusive ? running : next;
            running = next;
          }
        }
        SCOPED_TRACE(fmt::format("{} {} mode {}", shape, dtype, mode));
        expect_close(out.values(), want, 5 * tolerance(dtype));
      }
    }
  }
}

TEST(Scan, EndsAsExactlyAsItBegins) {
  const int64_t n = int64_t{1} << 20;
  const Array x = full({n}, 0.1), out = make({n});
  cpu().scan({.x = x, .out = out, .reverse = false, .exclusive = false});
  EXPECT_NEAR(out.get(n - 1), static_cast<double>(n) * x.get(0), 0.01);
}

}  // namespace
}  // namespace fovea::test

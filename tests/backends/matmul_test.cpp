#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>

#include "backends/array.h"

namespace fovea::test {
namespace {

// Any ranks and layouts, by definition.
std::vector<double> naive(const Array& a, const Array& b, const Shape& out) {
  const int last = out.rank() - 1;
  const int64_t m = out[last - 1], n = out[last], k = a.view.shape[last],
                batch = m > 0 && n > 0 ? out.numel() / (m * n) : 0;
  const std::vector<double> left = a.values(), right = b.values();
  std::vector<double> values;
  for (int64_t s = 0; s < batch; ++s) {
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (int64_t p = 0; p < k; ++p)
          sum += left[static_cast<size_t>((s * m + i) * k + p)] * right[static_cast<size_t>((s * k + p) * n + j)];
        values.push_back(sum);
      }
    }
  }
  return values;
}

Array expand(Array array, const Shape& shape) {
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (array.view.shape[axis] != shape[axis]) array.view.strides[axis] = 0;
  }
  array.view.shape = shape;
  return array;
}

TEST(Matmul, EqualsTheDefinitionForOddShapes) {
  const int64_t sizes[] = {0, 1, 3, 17, 64, 65, 130};
  for (DType dtype : {f32, f64}) {
    for (int64_t m : sizes) {
      for (int64_t n : sizes) {
        for (int64_t k : sizes) {
          const Array a = noise({m, k}, 1, dtype), b = noise({k, n}, 2, dtype), out = full({m, n}, 7, dtype);
          cpu().matmul({.a = a, .b = b, .out = out});
          SCOPED_TRACE(fmt::format("{} x {} x {}", m, n, k));
          expect_close(out.values(), naive(a, b, {m, n}), tolerance(dtype));
        }
      }
    }
  }
}

TEST(Matmul, TakesEveryLayoutOfEveryOperand) {
  for (DType dtype : {f32, f64}) {
    for (Layout la : layouts) {
      for (Layout lb : layouts) {
        for (Layout lo : layouts) {
          for (const auto& [m, n, k] : {std::tuple{5, 7, 9}, {1, 33, 65}, {40, 1, 3}, {33, 20, 70}, {3, 2, 1}}) {
            const Array a = noise({m, k}, 1, dtype, la), b = noise({k, n}, 2, dtype, lb);
            const Array out = make({m, n}, dtype, lo);
            cpu().matmul({.a = a, .b = b, .out = out});
            SCOPED_TRACE(fmt::format("layouts {} {} {}, {} x {} x {}", int(la), int(lb), int(lo), m, n, k));
            expect_close(out.values(), naive(a, b, {m, n}), tolerance(dtype));
          }
        }
      }
    }
  }
}

TEST(Matmul, SkinnyShapesOfEveryLayoutEqualTheDefinition) {
  for (DType dtype : {f32, f64}) {
    for (int64_t few : {1, 2, 3, 4, 5}) {
      for (const auto& [many, k] : {std::pair{130, 70}, {2050, 65}, {65, 1100}, {5000, 1}}) {
        for (Layout la : {Layout::dense, Layout::transposed, Layout::stepped}) {
          for (Layout lb : {Layout::dense, Layout::transposed}) {
            const Array rows = noise({few, k}, 1, dtype, la), b = noise({k, many}, 2, dtype, lb);
            const Array a = noise({many, k}, 3, dtype, la), columns = noise({k, few}, 4, dtype, lb);
            const Array flat = full({few, many}, 2, dtype), tall = full({many, few}, 2, dtype, Layout::padded);
            cpu().matmul({.a = rows, .b = b, .out = flat});
            cpu().matmul({.a = a, .b = columns, .out = tall});
            SCOPED_TRACE(fmt::format("{} of {} x {}, layouts {} {}", few, many, k, int(la), int(lb)));
            expect_close(flat.values(), naive(rows, b, {few, many}), 2 * tolerance(dtype));
            expect_close(tall.values(), naive(a, columns, {many, few}), 2 * tolerance(dtype));
          }
        }
      }
    }
  }
}

// Few rows read the right operand as it lies: every number of rows and of vectors, whole and in part.
TEST(Matmul, RightOperandsThatAreNotPackedEqualTheDefinition) {
  for (int64_t m : {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 47, 50}) {
    for (int64_t n : {2, 7, 16, 17, 50, 95, 96, 100, 193}) {
      for (int64_t k : {1, 5, 64}) {
        for (Layout la : {Layout::dense, Layout::transposed}) {
          const Array a = noise({m, k}, 1, f32, la), b = noise({k, n}, 2, f32, Layout::padded), bias = noise({n}, 3);
          const Array out = full({m, n}, 3, f32, Layout::padded);
          cpu().matmul({.a = a, .b = b, .out = out, .bias = n % 2 ? &bias : nullptr});
          std::vector<double> expected = naive(a, b, {m, n});
          for (size_t i = 0; n % 2 && i < expected.size(); ++i)
            expected[i] += bias.values()[i % static_cast<size_t>(n)];
          SCOPED_TRACE(fmt::format("{} x {} x {}, layout {}", m, n, k, int(la)));
          expect_close(out.values(), expected, tolerance(f32));
        }
      }
    }
  }
}

// Longer than the blocks that operands are packed in, with an edge on every side; rows a page apart among them.
TEST(Matmul, ProductsOfSeveralBlocksEqualTheDefinition) {
  for (const auto& [m, n, k] :
       {std::tuple{101, 530, 650}, {25, 37, 1024}, {200, 16, 700}, {97, 1040, 33}, {259, 580, 514}}) {
    for (Layout la : {Layout::dense, Layout::transposed}) {
      for (Layout lb : {Layout::dense, Layout::transposed}) {
        const Array a = noise({m, k}, 1, f32, la), b = noise({k, n}, 2, f32, lb);
        const Array out = full({m, n}, 3, f32, Layout::padded);
        cpu().matmul({.a = a, .b = b, .out = out});
        SCOPED_TRACE(fmt::format("{} x {} x {}, layouts {} {}", m, n, k, int(la), int(lb)));
        expect_close(out.values(), naive(a, b, {m, n}), 4 * tolerance(f32));
      }
    }
  }
}

TEST(Matmul, BroadcastsAndFoldsBatchAxes) {
  struct Case {
    Shape a, b, out;
  };
  const Case cases[] = {
      {{4, 5, 6}, {1, 6, 7}, {4, 5, 7}},  // one product of 20 rows
      {{1, 5, 6}, {4, 6, 7}, {4, 5, 7}},  // a repeats
      {{3, 1, 9, 8}, {1, 2, 8, 70}, {3, 2, 9, 70}},
      {{2, 3, 1, 8}, {1, 1, 8, 5}, {2, 3, 1, 5}},  // rows of one
      {{2, 3, 4, 8}, {2, 1, 8, 5}, {2, 3, 4, 5}},
      {{2, 3, 4, 8}, {2, 3, 8, 5}, {2, 3, 4, 5}},
      {{0, 3, 4, 8}, {1, 3, 8, 5}, {0, 3, 4, 5}},
      {{200, 8, 8}, {200, 8, 8}, {200, 8, 8}},
      {{3, 70, 40}, {1, 40, 90}, {3, 70, 90}},
  };
  for (const Case& c : cases) {
    for (Layout la : layouts) {
      for (Layout lb : {Layout::dense, Layout::transposed, Layout::stepped}) {
        Shape full_a = c.out, full_b = c.out;
        full_a[c.out.rank() - 1] = c.a.back();
        full_b[c.out.rank() - 2] = c.a.back();
        const Array a = expand(noise(c.a, 3, f32, la), full_a), b = expand(noise(c.b, 4, f32, lb), full_b);
        const Array out = full(c.out, -3);
        cpu().matmul({.a = a, .b = b, .out = out});
        SCOPED_TRACE(fmt::format("{} {} layouts {} {}", c.a, c.b, int(la), int(lb)));
        expect_close(out.values(), naive(a, b, c.out), tolerance(f32));
      }
    }
  }
}

// Rows of a batch that are only some of those in memory, on the left and in the result, do not go on evenly.
TEST(Matmul, TakesSlicesOfABatch) {
  for (DType dtype : {f32, f64}) {
    for (const auto& [rows, n, k] : {std::tuple{5, 7, 6}, {1, 33, 40}, {1, 1, 9}, {64, 30, 20}}) {
      for (bool left : {true, false}) {
        const auto slice = [&, rows = rows](Array array, bool sliced) {
          array.view.shape[1] = rows;
          if (sliced) array.view.offset = array.view.strides[1];
          return array;
        };
        const Shape a_shape{4, left ? rows + 2 : rows, k}, out_shape{4, left ? rows : rows + 2, n};
        const Array a = slice(noise(a_shape, 1, dtype), left), whole = full(out_shape, 7, dtype);
        const Array b = expand(noise({1, k, n}, 2, dtype), {4, k, n}), out = slice(whole, !left);
        cpu().matmul({.a = a, .b = b, .out = out});
        SCOPED_TRACE(fmt::format("{} x {} x {}, left {}", rows, n, k, left));
        expect_close(out.values(), naive(a, b, out.view.shape), tolerance(dtype));
        const std::vector<double> all = whole.values();
        if (left) continue;
        EXPECT_EQ(std::count(all.begin(), all.end(), 7), 4 * 2 * n) << "what lies beside the slices";
      }
    }
  }
}

// Batch axes that are neighbours in the operands and not in the result.
TEST(Matmul, WritesASliceOfABatchOfTwoAxes) {
  for (DType dtype : {f32, f64}) {
    const Array a = noise({2, 3, 5, 6}, 1, dtype), b = noise({2, 3, 6, 7}, 2, dtype);
    Array out = full({2, 4, 5, 7}, 7, dtype);
    out.view.shape[1] = 3;
    cpu().matmul({.a = a, .b = b, .out = out});
    expect_close(out.values(), naive(a, b, {2, 3, 5, 7}), tolerance(dtype));
  }
}

TEST(Matmul, WritesABatchBackwards) {
  for (DType dtype : {f32, f64}) {
    const Array a = noise({4, 1, 9}, 1, dtype), b = expand(noise({1, 9, 1}, 2, dtype), {4, 9, 1});
    Array out = make({4, 1, 1}, dtype);
    out.view.offset = 3;
    out.view.strides[0] = -1;
    cpu().matmul({.a = a, .b = b, .out = out});
    expect_close(out.values(), naive(a, b, {4, 1, 1}), tolerance(dtype));
  }
}

// As a window that moves by one reads a line.
TEST(Matmul, TakesRowsThatOverlap) {
  for (DType dtype : {f32, f64}) {
    for (int64_t step : {1, 8}) {
      Array a = noise({20 * 9}, 1, dtype);
      a.view.shape = {20, 9};
      a.view.strides = {step, 1};
      const Array b = noise({9, 12}, 2, dtype), out = make({20, 12}, dtype);
      cpu().matmul({.a = a, .b = b, .out = out});
      expect_close(out.values(), naive(a, b, {20, 12}), tolerance(dtype));
    }
  }
}

TEST(Matmul, AddsBias) {
  for (DType dtype : {f32, f64, f16, bf16}) {
    for (const auto& [m, n, k] : {std::tuple{3, 5, 4}, {1, 300, 7}, {70, 65, 130}, {260, 65, 190}, {6, 9, 0}}) {
      const Array a = noise({m, k}, 1, dtype), b = noise({k, n}, 2, dtype, Layout::transposed);
      const Array bias = noise({n}, 3, dtype), out = noise({m, n}, 4, dtype);
      std::vector<double> want = naive(a, b, {m, n});
      for (int64_t i = 0; i < m * n; ++i) want[static_cast<size_t>(i)] += bias.get(i % n);
      cpu().matmul({.a = a, .b = b, .out = out, .bias = &bias});
      SCOPED_TRACE(fmt::format("{}, {} x {} x {}", dtype, m, n, k));
      expect_close(out.values(), want, tolerance(dtype));
    }
  }
}

TEST(Matmul, GivesTheSameBytesOnAnyNumberOfThreads) {
  for (const auto& [m, n, k] :
       {std::tuple{32, 384, 128}, {512, 512, 512}, {515, 390, 900}, {2000, 30, 64}, {1, 4000, 400}, {301, 590, 520}}) {
    const Array a = noise({m, k}, 1), b = noise({k, n}, 2, f32, Layout::transposed);
    expect_same_bytes_on_any_threads([&, m = m, n = n] {
      const Array out = make({m, n});
      cpu().matmul({.a = a, .b = b, .out = out});
      return std::vector{out};
    });
  }
}

TEST(Matmul, GivesTheSameBytesOfAnUnpackedOperandOnAnyNumberOfThreads) {
  for (const auto& [m, n, k] : {std::tuple{8, 3000, 700},
                                {2, 4000, 400},
                                {1, 4000, 600},
                                {3, 512, 512},
                                {5, 4096, 300},
                                {2, 1000, 1500},
                                {16, 256, 256},
                                {47, 300, 90},
                                {64, 64, 400},
                                {50, 1030, 33},
                                {80, 97, 99}}) {
    const Array a = noise({m, k}, 1), b = noise({k, n}, 2), bias = noise({n}, 3);
    SCOPED_TRACE(fmt::format("{} x {} x {}", m, n, k));
    expect_same_bytes_on_any_threads([&, m = m, n = n] {
      const Array out = full({m, n}, 3, f32, Layout::padded), plain = make({m, n});
      cpu().matmul({.a = a, .b = b, .out = out, .bias = &bias});
      cpu().matmul({.a = a, .b = b, .out = plain});
      return std::vector{out, plain};
    });
  }
}

TEST(Matmul, GivesTheSameBytesWhereTheRightOperandIsCutIntoBlocks) {
  for (const auto& [m, n, k] : {std::tuple{300, 1155, 1100}, {645, 700, 900}, {267, 1200, 513}, {260, 6337, 100}}) {
    const Array a = noise({m, k}, 1), b = noise({k, n}, 2), bias = noise({n}, 3);
    SCOPED_TRACE(fmt::format("{} x {} x {}", m, n, k));
    expect_same_bytes_on_any_threads([&, m = m, n = n] {
      const Array out = full({m, n}, 3, f32, Layout::padded);
      cpu().matmul({.a = a, .b = b, .out = out, .bias = &bias});
      return std::vector{out};
    });
  }
}

TEST(Matmul, LeavesTheCallersOpenMPStateAlone) {
  const Array a = noise({256, 256}, 1), b = noise({256, 256}, 2), out = make({256, 256});
  const int before = omp_get_max_threads(), threads = num_threads();
  for (int callers : {before, 1, 3, 7}) {
    omp_set_num_threads(callers);
    for (int ours : {1, 2, 4}) {
      set_num_threads(ours);
      cpu().matmul({.a = a, .b = b, .out = out});
      EXPECT_EQ(omp_get_max_threads(), callers);
    }
  }
  omp_set_num_threads(before);
  set_num_threads(threads);
}

TEST(Matmul, WorksInsideACallersParallelRegion) {
  const Array a = noise({300, 200}, 1), b = noise({200, 100}, 2), want = make({300, 100});
  cpu().matmul({.a = a, .b = b, .out = want});
  std::vector<Array> outs;
  for (int i = 0; i < 4; ++i) outs.push_back(make({300, 100}));
#pragma omp parallel for num_threads(2)
  for (size_t i = 0; i < 4; ++i) cpu().matmul({.a = a, .b = b, .out = outs[i]});
  for (const Array& out : outs) EXPECT_EQ(out.bytes(), want.bytes());
}

}  // namespace
}  // namespace fovea::test

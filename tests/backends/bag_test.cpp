#include <gtest/gtest.h>

#include <map>

#include "backends/array.h"

namespace fovea::test {
namespace {

struct BagProblem {
  Array index, offsets;
  int64_t bags, count;

  int64_t end(int64_t bag) const { return bag + 1 < bags ? static_cast<int64_t>(offsets.get(bag + 1)) : count; }
  int64_t begin(int64_t bag) const { return static_cast<int64_t>(offsets.get(bag)); }
};

BagProblem problem(int64_t bags, int64_t each, int64_t rows) {
  std::vector<double> offsets, index;
  for (int64_t b = 0; b < bags; ++b) {
    offsets.push_back(static_cast<double>(index.size()));
    for (int64_t i = 0; i < (each + b) % (each + 2); ++i)
      index.push_back(static_cast<double>((b * 31 + i * i * 7 + 3) * 2654435761 % rows));
  }
  const auto count = static_cast<int64_t>(index.size());
  return {from({count}, index, i32), from({bags}, offsets, i32), bags, count};
}

TEST(Bag, EqualsTheDefinition) {
  for (DType dtype : {f32, f64, f16}) {
    for (int64_t width : {0, 1, 3, 16, 65, 100}) {
      for (int64_t bags : {0, 1, 17, 130}) {
        for (bool mean : {false, true}) {
          const BagProblem p = problem(bags, 5, 40);
          const Array table = noise({40, width}, 1, dtype), out = full({bags, width}, 9, dtype);
          cpu().bag({.table = table, .index = p.index, .offsets = p.offsets, .out = out, .mean = mean});
          std::vector<double> want;
          for (int64_t b = 0; b < bags; ++b) {
            for (int64_t c = 0; c < width; ++c) {
              double sum = 0;
              for (int64_t j = p.begin(b); j < p.end(b); ++j)
                sum += table.get(static_cast<int64_t>(p.index.get(j)) * width + c);
              want.push_back(mean && p.end(b) > p.begin(b) ? sum / static_cast<double>(p.end(b) - p.begin(b)) : sum);
            }
          }
          expect_close(out.values(), want, tolerance(dtype));
        }
      }
    }
  }
}

TEST(Bag, BackwardGivesEachDistinctRowOnceInRisingOrder) {
  for (DType dtype : {f32, f64}) {
    for (int64_t rows : {3, 40, 5000, 3000000, 2000000000}) {
      for (int64_t bags : {0, 1, 130}) {
        for (bool mean : {false, true}) {
          const BagProblem p = problem(bags, 30, rows);
          const int64_t width = 17, skip = p.count ? static_cast<int64_t>(p.index.get(0)) : -1;
          const Array dout = noise({bags, width}, 1, dtype);
          std::map<int64_t, std::vector<double>> want;
          for (int64_t b = 0; b < bags; ++b) {
            for (int64_t j = p.begin(b); j < p.end(b); ++j) {
              const auto row = static_cast<int64_t>(p.index.get(j));
              if (row == skip) continue;
              auto& sums = want.try_emplace(row, static_cast<size_t>(width)).first->second;
              for (int64_t c = 0; c < width; ++c)
                sums[static_cast<size_t>(c)] +=
                    dout.get(b * width + c) / (mean ? static_cast<double>(p.end(b) - p.begin(b)) : 1);
            }
          }
          const RowSparse got =
              cpu().bag_backward({.index = p.index, .offsets = p.offsets, .dout = dout, .mean = mean, .skip = skip});
          ASSERT_EQ(got.count, static_cast<int64_t>(want.size()));
          const auto* ids = reinterpret_cast<const int32_t*>(got.rows->host());
          const Array values{got.values, {got.values.get(), 0, dtype, {got.count, width}, {width, 1}}};
          int64_t u = 0;
          for (const auto& [row, sums] : want) {
            ASSERT_EQ(ids[u], row);
            for (int64_t c = 0; c < width; ++c)
              ASSERT_NEAR(values.get(u * width + c), sums[static_cast<size_t>(c)], 50 * tolerance(dtype));
            ++u;
          }
        }
      }
    }
  }
}

TEST(Bag, RefusesBadOffsetsAndIndices) {
  const Array table = noise({4, 2}, 1), out = make({2, 2}), dout = make({2, 2}), index = from({3}, {0, 1, 2}, i32);
  for (const auto& offsets : {std::vector<double>{0, 4}, {2, 1}, {-1, 2}}) {
    const Array starts = from({2}, offsets, i32);
    EXPECT_THROW(cpu().bag({.table = table, .index = index, .offsets = starts, .out = out}), IndexError);
    EXPECT_THROW(cpu().bag_backward({.index = index, .offsets = starts, .dout = dout}), IndexError);
  }
  const Array starts = from({2}, {0, 1}, i32), outside = from({3}, {0, 1, 4}, i32);
  EXPECT_THROW(cpu().bag({.table = table, .index = outside, .offsets = starts, .out = out}), IndexError);
}

TEST(Bag, GivesTheSameBytesOnAnyNumberOfThreads) {
  const BagProblem p = problem(256, 60, 1000);
  const Array table = noise({1000, 64}, 1), dout = noise({256, 64}, 2);
  expect_same_bytes_on_any_threads([&] {
    const Array out = make({256, 64});
    cpu().bag({.table = table, .index = p.index, .offsets = p.offsets, .out = out, .mean = true});
    const RowSparse d = cpu().bag_backward({.index = p.index, .offsets = p.offsets, .dout = dout, .mean = true});
    return std::vector{out, Array{d.values, {}}, Array{d.rows, {}}};
  });
}

}  // namespace
}  // namespace fovea::test

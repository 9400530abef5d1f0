#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "backends/array.h"

namespace fovea::test {
namespace {

Array indices(const Shape& shape, int64_t bound, uint64_t seed, Layout layout = Layout::dense) {
  Array index = make(shape, i32, layout);
  for (int64_t i = 0; i < index.numel(); ++i)
    index.set(i, static_cast<double>((static_cast<uint64_t>(i) * 2654435761u + seed * 97) / 7 %
                                     static_cast<uint64_t>(bound)));
  return index;
}

Array rising(const Array& index) {
  std::vector<double> values = index.values();
  std::sort(values.begin(), values.end());
  return from(index.view.shape, values, i32);
}

// Row-major position in `shape` of position i of `index_shape`, with `value` along `axis`.
int64_t moved(int64_t i, const Shape& index_shape, const Shape& shape, int axis, int64_t value) {
  int64_t position = 0, scale = 1;
  for (int a = shape.rank() - 1; a >= 0; --a) {
    position += (a == axis ? value : i % index_shape[a]) * scale;
    i /= index_shape[a];
    scale *= shape[a];
  }
  return position;
}

TEST(Gather, RowsEqualTheDefinition) {
  for (DType dtype : {f32, f64, f16, i32, boolean}) {
    for (const Shape& rest : {Shape{}, Shape{1}, Shape{3}, Shape{65}, Shape{4, 5}, Shape{0}}) {
      for (const Shape& positions : {Shape{0}, Shape{1}, Shape{17}, Shape{3, 5}, Shape{130, 4}}) {
        for (Layout layout : {Layout::dense, Layout::transposed, Layout::stepped}) {
          Shape table{9}, result = positions;
          for (int64_t size : rest) table.push_back(size), result.push_back(size);
          const Array source = make(table, dtype), index = indices(positions, 9, 1, layout), out = make(result, dtype);
          for (int64_t i = 0; i < source.numel(); ++i) source.set(i, static_cast<double>(i % 101));
          cpu().gather({.source = source, .index = index, .out = out, .axis = 0, .rows = true});
          const int64_t width = rest.numel();
          for (int64_t i = 0; i < out.numel(); ++i)
            ASSERT_EQ(out.get(i), source.get(static_cast<int64_t>(index.get(i / width)) * width + i % width));
        }
      }
    }
  }
}

TEST(Gather, AlongAnAxisEqualsTheDefinition) {
  for (int axis : {0, 1, 2}) {
    for (Layout layout : layouts) {
      for (int64_t length : {0, 1, 3, 17}) {
        Shape shape{5, 6, 70}, index_shape{5, 6, 65};
        index_shape[axis] = length;
        const Array source = noise(shape, 1, f32, layout), index = indices(index_shape, shape[axis], 2, layout);
        const Array out = make(index_shape, f32, layout);
        cpu().gather({.source = source, .index = index, .out = out, .axis = axis});
        for (int64_t i = 0; i < out.numel(); ++i)
          ASSERT_EQ(out.get(i), source.get(moved(i, index_shape, shape, axis, static_cast<int64_t>(index.get(i)))));
      }
    }
  }
}

// An index of which all lanes share one: of a view that repeats it.
Array shared(const Shape& shape, int axis, int64_t bound) {
  Array index = indices({shape[axis]}, bound, 4);
  Strides strides = shape;
  for (int i = 0; i < shape.rank(); ++i) strides[i] = i == axis ? 1 : 0;
  index.view.shape = shape;
  index.view.strides = strides;
  return index;
}

TEST(Gather, AndItsAdjointTakeAnIndexThatLanesShare) {
  for (int axis : {0, 1, 2}) {
    for (Layout layout : layouts) {
      for (const Shape& shape : {Shape{5, 6, 70}, Shape{1, 7, 1}, Shape{3, 1, 2}, Shape{4, 200, 3}}) {
        for (int64_t length : {0, 1, 3, 17}) {
          Shape index_shape = shape;
          index_shape[axis] = length;
          const Array source = noise(shape, 1, f32, layout), index = shared(index_shape, axis, shape[axis]);
          const Array out = make(index_shape, f32, layout);
          cpu().gather({.source = source, .index = index, .out = out, .axis = axis});
          const Array terms = noise(index_shape, 2, f64, layout), sums = noise(shape, 3, f64, layout);
          std::vector<double> want = sums.values();
          cpu().scatter_add({.source = terms, .index = index, .out = sums, .axis = axis});
          for (int64_t i = 0; i < out.numel(); ++i) {
            const int64_t at = moved(i, index_shape, shape, axis, static_cast<int64_t>(index.get(i)));
            ASSERT_EQ(out.get(i), source.get(at));
            want[static_cast<size_t>(at)] += terms.get(i);
          }
          expect_close(sums.values(), want, 1e-14);
        }
      }
    }
  }
}

TEST(Gather, RefusesAnIndexOutsideAndNamesIt) {
  const Array source = noise({4, 2}, 1), out = make({3, 2});
  for (double wrong : {4.0, -1.0, 2147483647.0}) {
    const Array index = from({3}, {0, wrong, 9}, i32);
    try {
      cpu().gather({.source = source, .index = index, .out = out, .axis = 0, .rows = true});
      FAIL() << wrong;
    } catch (const IndexError& error) {
      EXPECT_THAT(error.what(),
                  testing::HasSubstr(fmt::format("gather: index {:.0f} at position 1 is outside [0, 4)", wrong)));
    }
  }
  const Array empty = make({0, 2}), index = full({1}, 0, i32);
  EXPECT_THROW(cpu().gather({.source = empty, .index = index, .out = make({1, 2}), .axis = 0, .rows = true}),
               IndexError);
}

TEST(ScatterAdd, RowsEqualTheDefinitionAndSkip) {
  for (DType dtype : {f32, f64, f16, bf16}) {
    for (int64_t width : {0, 1, 3, 64, 130, 700}) {
      for (int64_t count : {0, 1, 65, 300}) {
        for (int64_t skip : {-1, 2}) {
          const Array source = make({count, width}, dtype);
          for (int64_t i = 0; i < source.numel(); ++i) source.set(i, static_cast<double>(i % 7 - 3));
          const double scale = skip < 0 ? 1 : -0.5;
          for (const Array& index : {indices({count}, 11, 3), rising(indices({count}, 11, 3))}) {
            const Array out = full({11, width}, 1, dtype);
            std::vector<double> want(static_cast<size_t>(11 * width), 1);
            for (int64_t i = 0; i < source.numel(); ++i) {
              const auto row = static_cast<int64_t>(index.get(i / width));
              if (row != skip) want[static_cast<size_t>(row * width + i % width)] += scale * source.get(i);
            }
            cpu().scatter_add(
                {.source = source, .index = index, .out = out, .axis = 0, .rows = true, .skip = skip, .scale = scale});
            EXPECT_EQ(out.values(), want) << name(dtype) << " " << width << " " << count;
          }
        }
      }
    }
  }
}

TEST(ScatterAdd, AlongAnAxisEqualsTheDefinition) {
  for (int axis : {0, 1, 2}) {
    for (Layout layout : layouts) {
      for (int64_t length : {0, 1, 3, 17}) {
        Shape shape{5, 6, 70}, index_shape{5, 6, 65};
        index_shape[axis] = length;
        const Array source = noise(index_shape, 1, f64, layout), index = indices(index_shape, shape[axis], 2, layout);
        const Array out = noise(shape, 3, f64, layout);
        std::vector<double> want = out.values();
        for (int64_t i = 0; i < source.numel(); ++i)
          want[static_cast<size_t>(moved(i, index_shape, shape, axis, static_cast<int64_t>(index.get(i))))] +=
              source.get(i);
        cpu().scatter_add({.source = source, .index = index, .out = out, .axis = axis});
        expect_close(out.values(), want, 1e-14);
      }
    }
  }
}

TEST(ScatterAdd, ChangesNothingWhenAnIndexIsOutside) {
  const Array source = full({3, 2}, 1), out = make({4, 2}), index = from({3}, {0, 1, 4}, i32);
  EXPECT_THROW(cpu().scatter_add({.source = source, .index = index, .out = out, .axis = 0, .rows = true}), IndexError);
  EXPECT_EQ(out.values(), std::vector<double>(8, 0.0));
}

TEST(ScatterAdd, GivesTheSameBytesOnAnyNumberOfThreads) {
  const Array source = noise({2048, 128}, 1);
  for (const Array& index : {indices({2048}, 300, 5), rising(indices({2048}, 300, 5))}) {
    expect_same_bytes_on_any_threads([&] {
      const Array out = make({300, 128});
      cpu().scatter_add({.source = source, .index = index, .out = out, .axis = 0, .rows = true});
      return std::vector{out};
    });
  }
}

}  // namespace
}  // namespace fovea::test

#include "fovea/backends/row_sparse.h"
#include "vulkan/mirror.h"

namespace fovea::test {
namespace {

using IndexingTest = VulkanTest;

Array indices(const Shape& shape, int64_t bound, uint64_t seed, Layout layout = Layout::dense) {
  const Array random = noise(shape, seed);
  Array index = make(shape, i32, layout);
  for (int64_t i = 0; i < index.numel(); ++i)
    index.set(i, std::floor((random.get(i) + 1) * 0.5 * static_cast<double>(bound)));
  return index;
}

template <class F>
void expect_index_error(F f, const char* text) {
  try {
    f();
    FAIL() << "no error";
  } catch (const IndexError& error) {
    EXPECT_STREQ(error.what(), text);
  }
}

TEST_F(IndexingTest, GathersRowsOfEveryTypeAndWidth) {
  for (DType dtype : {f32, f16, bf16, i32, boolean}) {
    for (int64_t width : {1, 3, 4, 64}) {
      for (const Shape& shape : {Shape{}, Shape{5}, Shape{2, 0}, Shape{3, 4}}) {
        const Array source = noise({7, width}, 1, dtype), index = indices(shape, 7, 2, Layout::transposed);
        for (int64_t i = 0; i < source.numel(); ++i) source.set(i, 10 * source.get(i));
        Shape out_shape = shape;
        out_shape.push_back(width);
        const Array out = make(out_shape, dtype);
        const Mirror gsource(source), gindex(index), gout(out);
        cpu().gather({.source = source, .index = index, .out = out, .rows = true});
        gpu().gather({.source = gsource, .index = gindex, .out = gout, .rows = true});
        SCOPED_TRACE(fmt::format("{} {} {}", dtype, width, shape));
        expect_same(gout, out, 0);
      }
    }
  }
}

TEST_F(IndexingTest, GathersAndScattersAlongAnyAxis) {
  for (DType dtype : {f32, f16, i32}) {
    for (Layout layout : {Layout::dense, Layout::transposed, Layout::reversed}) {
      for (int axis : {0, 1, 2}) {
        const Shape shape{4, 5, 6};
        Shape part = shape;
        part[axis] = 9;
        const Array source = noise(shape, 1, dtype, layout), index = indices(part, shape[axis], 2, layout),
                    out = make(part, dtype, layout), sum = noise(shape, 3, dtype, layout);
        const Mirror gsource(source), gindex(index), gout(out), gsum(sum);
        SCOPED_TRACE(fmt::format("{} layout {} axis {}", dtype, static_cast<int>(layout), axis));
        cpu().gather({.source = source, .index = index, .out = out, .axis = axis});
        gpu().gather({.source = gsource, .index = gindex, .out = gout, .axis = axis});
        expect_same(gout, out, 0);
        cpu().scatter_add({.source = out, .index = index, .out = sum, .axis = axis});
        gpu().scatter_add({.source = gout, .index = gindex, .out = gsum, .axis = axis});
        expect_same(gsum, sum, dtype == f16 ? 4e-3 : 1e-6);
      }
    }
  }
}

TEST_F(IndexingTest, ScattersRowsToTheSameBitsAsTheCpu) {
  for (DType dtype : {f32, i32}) {
    for (int64_t count : {0, 1, 17, 300, 2500}) {
      const Array source = noise({count, 5}, 1, dtype), index = indices({count}, 13, 2), out = noise({13, 5}, 3, dtype);
      const Mirror gsource(source), gindex(index), gout(out);
      for (int64_t skip : {-1, 4}) {
        const double scale = dtype == i32 || skip < 0 ? 1 : -0.5;
        cpu().scatter_add({.source = source, .index = index, .out = out, .rows = true, .skip = skip, .scale = scale});
        gpu().scatter_add(
            {.source = gsource, .index = gindex, .out = gout, .rows = true, .skip = skip, .scale = scale});
        SCOPED_TRACE(fmt::format("{} {} {}", dtype, count, skip));
        expect_same(gout, out, 0);
      }
    }
  }
}

TEST_F(IndexingTest, BagsAgreeWithTheCpu) {
  for (DType dtype : {f32, f16}) {
    for (bool mean : {false, true}) {
      for (int64_t width : {1, 6}) {
        const Array table = noise({11, width}, 1, dtype), index = indices({40}, 11, 2),
                    offsets = from({5}, {0, 0, 13, 14, 40}, i32), out = make({5, width}, dtype),
                    dout = noise({5, width}, 3, dtype);
        const Mirror gtable(table), gindex(index), goffsets(offsets), gout(out), gdout(dout);
        SCOPED_TRACE(fmt::format("{} {} {}", dtype, mean, width));
        cpu().bag({table, index, offsets, out, mean});
        gpu().bag({gtable, gindex, goffsets, gout, mean});
        expect_same(gout, out, tolerance(dtype));
        for (int64_t skip : {-1, 3}) {
          RowSparse want = cpu().bag_backward({index, offsets, dout, mean, skip});
          RowSparse got = gpu().bag_backward({gindex, goffsets, gdout, mean, skip});
          // The device does not wait to learn how many rows there are: its last ones are absent.
          ASSERT_EQ(got.count, index.numel());
          ASSERT_GT(got.count, want.count);
          Mirror every(make({got.count}, i32));
          every.buffer = got.rows;
          const Array pulled = every.pull();
          for (int64_t i = want.count; i < got.count; ++i) EXPECT_EQ(pulled.get(i), absent_row);
          const Shape rows{want.count}, values{want.count, width};
          Mirror grows(make(rows, i32)), gvalues(make(values, dtype));
          grows.buffer = got.rows;
          gvalues.buffer = got.values;
          expect_same(grows, {want.rows, {want.rows.get(), 0, i32, rows, contiguous_strides(rows)}}, 0);
          expect_same(gvalues, {want.values, {want.values.get(), 0, dtype, values, contiguous_strides(values)}},
                      tolerance(dtype));
        }
      }
    }
  }
}

TEST_F(IndexingTest, AnIndexThatDoesNotExistIsReportedWhenAResultIsRead) {
  const Mirror source(full({4, 3}, 7)), index(from({2}, {1, -5}, i32)), out(make({2, 3})), sum(make({4, 3})),
      offsets(from({2}, {0, 1}, i32)), bad_offsets(from({2}, {3, 0}, i32));
  gpu().gather({.source = source, .index = index, .out = out, .rows = true});
  expect_index_error([&] { out.pull(); }, "gather: index -5 is outside [0, 4)");
  EXPECT_EQ(out.pull().values(), (std::vector<double>{7, 7, 7, 0, 0, 0}));
  gpu().scatter_add({.source = out, .index = index, .out = sum, .rows = true});
  expect_index_error([&] { sum.pull(); }, "scatter_add: index -5 is outside [0, 4)");
  gpu().bag({source, index, offsets, out});
  expect_index_error([&] { gpu().synchronize(); }, "bag: index -5 is outside [0, 4)");
  gpu().bag({source, index, bad_offsets, out});
  EXPECT_THROW(out.pull(), IndexError);
  EXPECT_NO_THROW(out.pull());
}

}  // namespace
}  // namespace fovea::test

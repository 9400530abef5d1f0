#include <cmath>

#include "backends/programs.h"

// Programs of bools, which the CPU runs byte by byte, and bools read as numbers.
namespace fovea::test {
namespace {

bool truth_of(Op op, bool a, bool b) {
  switch (op) {
    case Op::logical_not:
      return !a;
    case Op::logical_and:
      return a && b;
    case Op::logical_or:
      return a || b;
    case Op::eq:
      return a == b;
    case Op::ne:
      return a != b;
    case Op::lt:
      return a < b;
    case Op::le:
      return a <= b;
    case Op::gt:
      return a > b;
    default:
      return a >= b;
  }
}

constexpr Op truths[] = {Op::logical_not, Op::logical_and, Op::logical_or, Op::eq, Op::ne,
                         Op::lt,          Op::le,          Op::gt,         Op::ge};

/// Bools that differ from place to place and from seed to seed.
Array coins(const Shape& shape, uint64_t seed, Layout layout = Layout::dense) {
  const Array out = make(shape, boolean, layout), drawn = noise(shape, seed);
  for (int64_t i = 0; i < out.numel(); ++i) out.set(i, drawn.get(i) > 0);
  return out;
}

/// `x` with an axis of that size for each of size 1.
Array spread(Array x, const Shape& shape) {
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (x.view.shape[axis] != shape[axis]) x.view.strides[axis] = 0;
  }
  x.view.shape = shape;
  return x;
}

void expect_truths(const Shape& space, const Array& a, const Array& b, Layout layout) {
  const std::vector<double> left = spread(a, space).values(), right = spread(b, space).values();
  for (const Op op : truths) {
    const Array out = make(space, boolean, layout);
    run(program({input(0), input(1), apply(op, 0, 1)}, {{.value = 2}}), i32, space, {a, b}, {out});
    for (int64_t i = 0; i < out.numel(); ++i) {
      const auto at = static_cast<size_t>(i);
      ASSERT_EQ(out.get(i), truth_of(op, left[at] != 0, right[at] != 0))
          << name(op) << " " << fmt::format("{} {} {}", space, a.view.shape, b.view.shape) << " at " << i;
    }
  }
}

TEST(MapTruths, AreThoseOfEachPair) {
  for (const int64_t n : {0, 1, 2, 15, 16, 17, 63, 64, 65, 1000, 131073, 400001}) {
    expect_truths({n}, coins({n}, 1), coins({n}, 2), Layout::dense);
    expect_truths({n}, coins({n}, 1), coins({1}, 2), Layout::dense);
    expect_truths({n}, coins({1}, 1), coins({n}, 2), Layout::dense);
  }
  expect_truths({}, coins({}, 1), coins({}, 2), Layout::dense);
}

TEST(MapTruths, LieInAnyLayout) {
  for (const Shape& shape : {Shape{7, 33}, Shape{3, 16, 5}, Shape{300, 1001}, Shape{2, 1, 40}, Shape{5, 3}}) {
    for (const Layout a : layouts) {
      for (const Layout b : layouts) {
        for (const Layout out : layouts) expect_truths(shape, coins(shape, 3, a), coins(shape, 4, b), out);
      }
    }
  }
}

TEST(MapTruths, BroadcastAsMasksDo) {
  const Shape space{6, 3, 40, 37};
  const Shape masks[] = {{6, 1, 1, 37}, {1, 1, 40, 37}, {6, 3, 40, 1}, {1, 3, 1, 1}, {1, 1, 1, 1}, space};
  for (const Shape& a : masks) {
    for (const Shape& b : masks) {
      for (const Layout out : layouts) expect_truths(space, coins(a, 5), coins(b, 6), out);
    }
  }
}

TEST(MapTruths, MayBeWrittenOverTheirInputs) {
  for (const int64_t n : {int64_t{5}, int64_t{100}, int64_t{300000}}) {
    const Array a = coins({n}, 7), b = coins({n}, 8), same = coins({n}, 7);
    run(program({input(0), input(1), apply(Op::ne, 0, 1)}, {{.value = 2}}), i32, {n}, {a, b}, {a});
    for (int64_t i = 0; i < n; ++i) ASSERT_EQ(a.get(i), same.get(i) != b.get(i)) << i;
  }
}

TEST(MapTruths, AreFilledWithWhatANumberIsAsI32) {
  Program fill = program({{.op = Op::scalar}}, {{.value = 0}});
  for (const double value : {0.0, 1.0, 0.5, -3.0, 1e300, static_cast<double>(NAN)}) {
    const bool want = value == value && std::trunc(value) != 0;
    for (const Layout layout : layouts) {
      const Array out = full({9, 21}, !want, boolean, layout), all = full({9, 60}, !want, boolean, layout);
      run(fill, i32, {9, 21}, {}, {out}, {value});
      EXPECT_EQ(out.values(), full({9, 21}, want).values()) << value;
      // What lies beside a window stays.
      Array window = all;
      window.view.shape[1] = 30;
      run(fill, i32, {9, 30}, {}, {window}, {value});
      for (int64_t i = 0; i < all.numel(); ++i) ASSERT_EQ(all.get(i), i % 60 < 30 ? want : !want) << value << " " << i;
    }
  }
}

TEST(MapTruths, AreReadAsNumbers) {
  const Program choose = program({input(0), input(1), constant(-7), apply(Op::select, 0, 2, 1)}, {{.value = 3}});
  const Program number = program({input(0)}, {{.value = 0}});
  for (const DType dtype : {f32, f64, i32}) {
    for (const int64_t n : {1, 7, 16, 33, 1000, 4099, 200003}) {
      const Array mask = coins({n}, 9), x = make({n}, dtype), out = make({n}, dtype), count = make({1}, dtype);
      for (int64_t i = 0; i < n; ++i) x.set(i, i % 1001);
      run(choose, dtype, {n}, {mask, x}, {out});
      run(number, dtype, {n}, {mask}, {count});
      double held = 0;
      for (int64_t i = 0; i < n; ++i) {
        ASSERT_EQ(out.get(i), mask.get(i) ? -7 : x.get(i)) << name(dtype) << " " << i;
        held += mask.get(i);
      }
      EXPECT_EQ(count.get(0), held) << name(dtype);
    }
  }
}

}  // namespace
}  // namespace fovea::test

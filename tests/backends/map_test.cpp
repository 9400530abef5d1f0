#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/programs.h"

namespace fovea::test {
namespace {

Program adam() {
  // m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  p = p - lr m / (sqrt(v) + eps)
  return program({input(0),
                  input(1),
                  input(2),
                  input(3),
                  constant(0.9),
                  constant(0.1),
                  constant(0.999),
                  constant(0.001),
                  constant(0.01),
                  constant(1e-8),
                  apply(Op::mul, 2, 4),
                  apply(Op::mul, 1, 5),
                  apply(Op::add, 10, 11),
                  apply(Op::mul, 3, 6),
                  apply(Op::square, 1),
                  apply(Op::mul, 14, 7),
                  apply(Op::add, 13, 15),
                  apply(Op::sqrt, 16),
                  apply(Op::add, 17, 9),
                  apply(Op::mul, 12, 8),
                  apply(Op::div, 19, 18),
                  apply(Op::sub, 0, 20)},
                 {{.value = 21}, {.value = 12}, {.value = 16}});
}

TEST(Map, OutputsMayBeTheViewsOfInputs) {
  for (int64_t n : {int64_t{1}, int64_t{100}, int64_t{5000}, int64_t{300000}}) {
    const Program made = adam();
    std::vector<Array> in, apart, alone;
    for (uint64_t i = 0; i < 4; ++i) {
      in.push_back(noise({n}, i + 1));
      apart.push_back(noise({n}, i + 1));
    }
    for (int64_t i = 0; i < n; ++i) {
      for (const Array& array : {in[3], apart[3]}) array.set(i, std::abs(array.get(i)));
    }
    for (int k = 0; k < 3; ++k) alone.push_back(make({n}));
    run(made, f32, {n}, apart, alone);
    run(made, f32, {n}, in, {in[0], in[2], in[3]});
    EXPECT_EQ(in[0].values(), alone[0].values());
    EXPECT_EQ(in[2].values(), alone[1].values());
    EXPECT_EQ(in[3].values(), alone[2].values());
  }
}

TEST(Map, OutputsMaySwapTheirInputs) {
  const Program swap = program({input(0), input(1)}, {{.value = 1}, {.value = 0}});
  Array a = noise({3000}, 1), b = noise({3000}, 2);
  const std::vector<double> a_was = a.values(), b_was = b.values();
  run(swap, f32, {3000}, {a, b}, {a, b});
  EXPECT_EQ(a.values(), b_was);
  EXPECT_EQ(b.values(), a_was);

  // The first output is written while the second's steps still have to read what it overwrites.
  const Program cross = program({input(0), input(1), apply(Op::add, 0, 1), apply(Op::mul, 0, 1), apply(Op::neg, 3)},
                                {{.value = 2}, {.value = 4}});
  run(cross, f32, {3000}, {a, b}, {a, b});
  for (size_t i = 0; i < 3000; ++i) {
    const auto x = static_cast<float>(b_was[i]), y = static_cast<float>(a_was[i]);
    ASSERT_EQ(a.get(static_cast<int64_t>(i)), x + y);
    ASSERT_EQ(b.get(static_cast<int64_t>(i)), -(x * y));
  }
}

TEST(Map, AnOutputMayBeTheViewOfAnInputThatFoldsRead) {
  const Program fold = program({input(0), apply(Op::neg, 0)}, {{.value = 1}, {.value = 0}});
  const Program folds = program(fold.code, {{.value = 1}, {.value = 0}, {.value = 0}});
  for (const Shape& space : {Shape{3, 5}, Shape{40, 900}}) {
    const Array x = full(space, 1), down = make({1, space[1]}), across = make({space[0], 1});
    run(fold, f32, space, {x}, {x, down});
    EXPECT_EQ(x.values(), full(space, -1).values());
    EXPECT_EQ(down.values(), full({1, space[1]}, static_cast<double>(space[0])).values());
    run(fold, f32, space, {x}, {x, across});
    EXPECT_EQ(x.values(), full(space, 1).values());
    EXPECT_EQ(across.values(), full({space[0], 1}, -static_cast<double>(space[1])).values());
    run(folds, f32, space, {x}, {x, down, across});
    EXPECT_EQ(x.values(), full(space, -1).values());
    EXPECT_EQ(down.values(), full({1, space[1]}, static_cast<double>(space[0])).values());
    EXPECT_EQ(across.values(), full({space[0], 1}, static_cast<double>(space[1])).values());
  }
}

// Where two folded axes with a kept one between them are both cut, each piece has a place of its own for its part.
TEST(Map, PiecesOfSeveralFoldedAxesAreFoldedTogether) {
  const Program sum = program({input(0)}, {{.value = 0}});
  const Array x = full({2, 2, 100000}, 1), out = make({1, 2, 1});
  for (int64_t i = 0; i < x.numel(); i += 7) x.set(i, 3);
  run(sum, f32, {2, 2, 100000}, {x}, {out});
  for (int64_t k = 0; k < 2; ++k) {
    double want = 0;
    for (int64_t i = 0; i < 2; ++i) {
      for (int64_t j = 0; j < 100000; ++j) want += x.get((i * 2 + k) * 100000 + j);
    }
    EXPECT_EQ(out.get(k), want);
  }
}

TEST(Map, FoldsOfNothingAreTheIdentity) {
  const float infinity = std::numeric_limits<float>::infinity();
  const Program folds = program({input(0)}, {{0, Combine::sum}, {0, Combine::maximum}, {0, Combine::minimum}});
  std::vector<Array> out = {full({1, 2}, 7), full({1, 2}, 7), full({1, 2}, 7)};
  run(folds, f32, {0, 2}, {make({0, 2})}, out);
  for (int64_t i = 0; i < 2; ++i) {
    EXPECT_EQ(out[0].get(i), 0);
    EXPECT_EQ(out[1].get(i), -infinity);
    EXPECT_EQ(out[2].get(i), infinity);
  }
}

TEST(Map, MaximumAndMinimumKeepNaN) {
  const Program folds = program({input(0)}, {{0, Combine::maximum}, {0, Combine::minimum}});
  for (int64_t n : {int64_t{3}, int64_t{40}, int64_t{1000}, int64_t{70000}}) {
    for (int64_t at : {int64_t{0}, n / 2, n - 1}) {
      Array in = noise({n}, 5);
      in.set(at, NAN);
      std::vector<Array> out = {make({1}), make({1})};
      run(folds, f32, {n}, {in}, out);
      EXPECT_TRUE(std::isnan(out[0].get(0))) << n << " " << at;
      EXPECT_TRUE(std::isnan(out[1].get(0))) << n << " " << at;
    }
  }
}

TEST(Map, SumsOfManyEqualNumbersStayAccurate) {
  // One after the other in f32, ten million tenths would be wrong in the second digit.
  const int64_t n = 10'000'000;
  const Program sum = program({input(0)}, {{.value = 0}});
  Array tenth = make({1}), total = make({1}), rows = make({1, 4});
  tenth.set(0, 0.1);
  run(sum, f32, {n}, {tenth}, {total});
  EXPECT_NEAR(total.get(0), 0.1f * static_cast<double>(n), 1.0);
  run(sum, f32, {n / 4, 4}, {tenth}, {rows});
  for (int64_t i = 0; i < 4; ++i) EXPECT_NEAR(rows.get(i), 0.1f * static_cast<double>(n / 4), 0.25);
}

TEST(Map, AFoldDoesNotDependOnHowItsInputsLie) {
  // Merging a program into the fold that follows it must not change a bit of the sum.
  const Program sum = program({input(0)}, {{.value = 0}});
  const Program product_sum =
      program({input(0), input(1), apply(Op::mul, 0, 1)}, {{.value = 2}, {.value = 2, .combine = Combine::maximum}});
  const Program product = program({input(0), input(1), apply(Op::mul, 0, 1)}, {{.value = 2}});
  for (const Shape& space :
       {Shape{130, 700}, Shape{700, 130}, Shape{9, 20, 300}, Shape{40, 3, 1500}, Shape{90000, 3}}) {
    for (int axes = 1; axes < 1 << space.rank(); ++axes) {
      Shape folded = space;
      for (int axis = 0; axis < space.rank(); ++axis) {
        if (axes >> axis & 1) folded[axis] = 1;
      }
      const Array x = noise(space, 1), row = noise({space.back()}, 2);
      const Array turned = make(space, f32, Layout::transposed);
      for (int64_t i = 0; i < x.numel(); ++i) turned.set(i, x.get(i));
      Array y = make(space), apart = make(folded), merged = make(folded), top = make(folded);
      run(product, f32, space, {x, row}, {y});
      run(sum, f32, space, {y}, {apart});
      run(product_sum, f32, space, {turned, row}, {merged, top});
      EXPECT_EQ(apart.bytes(), merged.bytes()) << fmt::format("{} to {}", space, folded);
    }
  }
}

TEST(Map, InstructionsInOneKernelGiveTheBytesOfEachOnItsOwn) {
  const int64_t n = 77;
  const Array a = noise({n}, 1), b = noise({n}, 2), c = noise({n}, 3);
  for (DType dtype : {f32, f64}) {
    for (Op function : {Op::exp, Op::expm1, Op::sin, Op::cos, Op::tanh, Op::sigmoid, Op::erf, Op::softplus, Op::neg}) {
      for (Op before : {Op::mul, Op::square, Op::add, Op::abs}) {
        for (const Instruction& after : {apply(Op::add, 4, 2), apply(Op::add, 2, 4), apply(Op::mul, 4, 2),
                                         apply(Op::sub, 2, 4), apply(Op::add, 4, 4)}) {
          std::vector<Instruction> code = {input(0),           input(1), input(2), apply(before, 0, 1),
                                           apply(function, 3), after};
          Array together = make({n}, dtype);
          run(program(code, {{.value = 5}}), dtype, {n}, {a, b, c}, {together});
          // A value that is stored is computed on its own.
          Array x = make({n}, dtype), y = make({n}, dtype), alone = make({n}, dtype);
          run(program(code, {{.value = 3}, {.value = 4}, {.value = 5}}), dtype, {n}, {a, b, c}, {x, y, alone});
          EXPECT_EQ(together.bytes(), alone.bytes()) << name(before) << " " << name(function) << " " << name(after.op);
        }
      }
    }
  }
}

TEST(Map, BothBoundsInOneKernelGiveTheBytesOfEachOnItsOwn) {
  const double values[] = {-3, -1, -0.5, -0.0, 0, 0.25, 1, 2, INFINITY, -INFINITY, NAN};
  for (DType dtype : {f32, f64, i32}) {
    const int64_t n = 77;
    Array x = make({n}, dtype), low = make({n}, dtype), high = make({n}, dtype);
    for (int64_t i = 0; i < n; ++i) {
      const double value = values[i % 11];
      x.set(i, dtype == i32 ? static_cast<double>(i % 7 - 3) : value);
      low.set(i, -1);
      high.set(i, i % 3 == 0 && dtype != i32 ? NAN : 1);
    }
    const std::vector<Instruction> code = {input(0),
                                           input(1),
                                           input(2),
                                           apply(Op::le, 0, 1),
                                           apply(Op::select, 3, 1, 0),
                                           apply(Op::ge, 0, 2),
                                           apply(Op::select, 5, 2, 4)};
    Array together = make({n}, dtype), above = make({n}, dtype), alone = make({n}, dtype);
    run(program(code, {{.value = 6}}), dtype, {n}, {x, low, high}, {together});
    run(program(code, {{.value = 4}, {.value = 6}}), dtype, {n}, {x, low, high}, {above, alone});
    EXPECT_EQ(together.bytes(), alone.bytes()) << name(dtype);
    run(program(code, {{.value = 3}, {.value = 4}, {.value = 5}, {.value = 6}}), dtype, {n}, {x, low, high},
        {make({n}, dtype), above, make({n}, dtype), alone});
    EXPECT_EQ(together.bytes(), alone.bytes()) << name(dtype);
  }
}

TEST(Map, RowsAndColumnsGiveTheBytesOfWhatTheyRepeatInto) {
  const Program sum =
      program({input(0), input(1), input(2), apply(Op::sub, 0, 1), apply(Op::mul, 3, 2)}, {{.value = 4}});
  const Program longer = program(
      {input(0), input(1), input(2), apply(Op::div, 0, 1), apply(Op::sqrt, 3), apply(Op::sub, 4, 2), apply(Op::abs, 5)},
      {{.value = 6}, {.value = 4}});
  const auto repeated = [](const Array& x, const Shape& space) {
    Array all = make(space);
    for (int64_t i = 0; i < all.numel(); ++i) {
      int64_t rest = i, at = 0, step = 1;
      for (int axis = space.rank() - 1; axis >= 0; --axis) {
        const int own = axis - (space.rank() - x.view.rank());
        if (own >= 0 && x.view.shape[own] > 1) {
          at += rest % space[axis] * step;
          step *= x.view.shape[own];
        }
        rest /= space[axis];
      }
      all.set(i, x.get(at));
    }
    return all;
  };
  for (int64_t n : {63, 64, 65, 255, 257, 1500, 70001}) {
    const int64_t rows = n > 2000 ? 2 : 33;
    for (const Shape& space : {Shape{rows, n}, Shape{3, 5, n}, Shape{3, 5, 1, n}}) {
      Shape column = space, rank_of_first = space;
      column[space.rank() - 1] = 1;
      rank_of_first[0] = 1;
      const Array x = noise(space, 1), row = noise({n}, 2), column_of = noise(column, 3),
                  middle = noise(rank_of_first, 4);
      for (const Array& second : {row, column_of, middle}) {
        for (const Program* made : {&sum, &longer}) {
          std::vector<Array> got, want;
          for (size_t k = 0; k < made->outputs.size(); ++k) {
            got.push_back(make(space));
            want.push_back(make(space));
          }
          run(*made, f32, space, {x, second, column_of}, got);
          run(*made, f32, space, {x, repeated(second, space), repeated(column_of, space)}, want);
          for (size_t k = 0; k < got.size(); ++k)
            EXPECT_EQ(got[k].bytes(), want[k].bytes()) << fmt::format("{}", space);
          // In place, where every row of the first input is read before it is written.
          Array own = noise(space, 1);
          got[0] = own;
          run(*made, f32, space, {own, second, column_of}, got);
          EXPECT_EQ(own.bytes(), want[0].bytes()) << fmt::format("{} in place", space);
        }
      }
    }
  }
}

TEST(Map, SameBytesOnAnyThreads) {
  const Shape space{300, 7, 200};
  const Array x = noise(space, 1), y = noise({7, 1}, 2), z = noise(space, 3, f32, Layout::transposed);
  const Program made = program(
      {input(0), input(1), input(2), apply(Op::mul, 0, 1), apply(Op::tanh, 3), apply(Op::add, 4, 2), apply(Op::exp, 5)},
      {{.value = 6}, {.value = 5}, {.value = 6}, {.value = 4, .combine = Combine::maximum}});
  expect_same_bytes_on_any_threads([&] {
    std::vector<Array> out = {make(space), make({1, 1, 1}), make({1, 7, 1}), make({300, 1, 200})};
    run(made, f32, space, {x, y, z}, out);
    return out;
  });
}

TEST(Map, CopiesBetweenAnyLayouts) {
  const Program copy = program({input(0)}, {{.value = 0}});
  for (DType dtype : {f32, f64, f16, boolean}) {
    for (const Shape& shape :
         {Shape{100, 70}, Shape{3, 64, 65}, Shape{33, 17}, Shape{2, 1, 5}, Shape{5000, 20}, Shape{20, 5000}}) {
      for (Layout from : layouts) {
        for (Layout to : layouts) {
          const Array source = make(shape, dtype, from), out = make(shape, dtype, to);
          for (int64_t i = 0; i < source.numel(); ++i) source.set(i, dtype == boolean ? i % 3 == 0 : i % 2039);
          run(copy, f32, shape, {source}, {out});
          ASSERT_EQ(source.values(), out.values()) << fmt::format("{} {}", name(dtype), shape);
        }
      }
    }
  }
}

TEST(Map, CopiesTransposesThatOutgrowTheCaches) {
  const Program copy = program({input(0)}, {{.value = 0}});
  for (DType dtype : {f32, f64, f16}) {
    // 9 MiB and more; rows of out begin on a line of the caches or do not.
    for (const Shape& shape : {Shape{3, 1072, 1456}, Shape{2101, 2304}, Shape{2304, 2101}}) {
      const Array source = make(shape, dtype, Layout::transposed), out = make(shape, dtype);
      for (int64_t i = 0; i < source.numel(); ++i) source.set(i, i % 2039);
      run(copy, f32, shape, {source}, {out});
      ASSERT_EQ(source.values(), out.values()) << fmt::format("{} {}", name(dtype), shape);
    }
  }
}

TEST(Map, CopiesPermutedAxes) {
  const Program copy = program({input(0)}, {{.value = 0}});
  int order[] = {0, 1, 2};
  do {
    Array source = noise({40, 50, 36}, 1);
    const View was = source.view;
    for (int axis = 0; axis < 3; ++axis) {
      source.view.shape[axis] = was.shape[order[axis]];
      source.view.strides[axis] = was.strides[order[axis]];
    }
    Array out = make(source.view.shape);
    run(copy, f32, out.view.shape, {source}, {out});
    ASSERT_EQ(source.values(), out.values());
  } while (std::next_permutation(order, order + 3));
}

TEST(Map, ManyOperandsAndLiveValues) {
  // More inputs, constants and values alive at once than stand in a call's own room.
  constexpr int inputs = 70;
  std::vector<Instruction> code;
  for (int i = 0; i < inputs; ++i) code.push_back(input(i));
  for (int i = 0; i < inputs; ++i) code.push_back(apply(Op::sqrt, i));
  int sum = inputs;
  for (int i = 1; i < inputs; ++i) {
    code.push_back(apply(Op::maximum, sum, inputs + i));
    sum = static_cast<int>(code.size()) - 1;
  }
  const Program made = program(code, {{.value = static_cast<uint16_t>(sum)}});
  std::vector<Array> in;
  for (int i = 0; i < inputs; ++i) in.push_back(full({2000}, i));
  Array out = make({2000});
  run(made, f32, {2000}, in, {out});
  for (int64_t i = 0; i < 2000; ++i) ASSERT_EQ(out.get(i), std::sqrt(static_cast<float>(inputs - 1)));
}

TEST(Map, IntegersWrapAndDivideTowardsZero) {
  const double least = -2147483648.0, greatest = 2147483647.0;
  const Array a = from({6}, {7, -7, least, 5, greatest, least}, i32);
  const Array b = from({6}, {2, 2, -1, 0, 1, 1}, i32);
  const Program made =
      program({input(0), input(1), apply(Op::div, 0, 1), apply(Op::add, 0, 1)}, {{.value = 2}, {.value = 3}});
  std::vector<Array> out = {make({6}, i32), make({6}, i32)};
  run(made, i32, {6}, {a, b}, out);
  EXPECT_EQ(out[0].values(), (std::vector<double>{3, -3, greatest, 0, greatest, least}));
  EXPECT_EQ(out[1].values(), (std::vector<double>{9, -5, greatest, 5, least, least + 1}));
}

TEST(Map, StoresSaturateIntegersAndTestForTruth) {
  const Array x = from({7}, {1.9, -1.9, 3e9, -3e9, NAN, 0, INFINITY});
  const Program copy = program({input(0)}, {{.value = 0}, {.value = 0}});
  std::vector<Array> out = {make({7}, i32), make({7}, boolean)};
  run(copy, f32, {7}, {x}, out);
  EXPECT_EQ(out[0].values(), (std::vector<double>{1, -1, 2147483647.0, -2147483648.0, 0, 0, 2147483647.0}));
  EXPECT_EQ(out[1].values(), (std::vector<double>{1, 1, 1, 1, 1, 0, 1}));
}

}  // namespace
}  // namespace fovea::test

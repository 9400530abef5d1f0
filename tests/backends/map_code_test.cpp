#include <algorithm>

#include "backends/programs.h"

// Programs whose instructions look like those that one kernel computes together, and are not.
namespace fovea::test {
namespace {

const std::vector<double> numbers{-3, -1, -0.5, 0, 0.5, 1, 3};

std::vector<std::vector<double>> results(const Program& made, int inputs) {
  const auto n = static_cast<int64_t>(numbers.size());
  std::vector<Array> in, out;
  for (int i = 0; i < inputs; ++i) {
    in.push_back(make({n}));
    for (int64_t j = 0; j < n; ++j) in.back().set(j, numbers[static_cast<size_t>((j + i) % n)]);
  }
  for (size_t k = 0; k < made.outputs.size(); ++k) out.push_back(make({n}));
  run(made, f32, {n}, in, out);
  std::vector<std::vector<double>> values;
  for (const Array& array : out) values.push_back(array.values());
  return values;
}

TEST(MapCode, WhatIsBoundedBelowIsKeptWhereItIsReadBesides) {
  const Program made = program({input(0), constant(-1), constant(1), apply(Op::le, 0, 1), apply(Op::select, 3, 1, 0),
                                apply(Op::ge, 0, 2), apply(Op::select, 5, 2, 4), apply(Op::neg, 4)},
                               {{.value = 6}, {.value = 7}});
  const auto values = results(made, 1);
  for (size_t i = 0; i < numbers.size(); ++i) {
    EXPECT_EQ(values[0][i], std::clamp(numbers[i], -1.0, 1.0));
    EXPECT_EQ(values[1][i], -std::max(numbers[i], -1.0));
  }
}

TEST(MapCode, BoundsOfTwoValuesAreNoClamp) {
  // x where x <= -1 becomes -1 and else y; then 1 where x >= 1.
  const Program made = program({input(0), input(1), constant(-1), constant(1), apply(Op::le, 0, 2),
                                apply(Op::select, 4, 2, 1), apply(Op::ge, 0, 3), apply(Op::select, 6, 3, 5)},
                               {{.value = 7}});
  const auto values = results(made, 2);
  for (size_t i = 0; i < numbers.size(); ++i) {
    const double x = numbers[i], y = numbers[(i + 1) % numbers.size()];
    EXPECT_EQ(values[0][i], x >= 1 ? 1 : x <= -1 ? -1 : y);
  }
}

}  // namespace
}  // namespace fovea::test

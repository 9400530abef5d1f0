#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "backends/array.h"

namespace fovea {
namespace {

using test::Array;
using test::Layout;

// A plain evaluator: one element at a time, the C library's functions, no SIMD.

template <class T>
T truth(bool value) {
  return value ? T{1} : T{0};
}

int32_t integer(double value) {
  if (std::isnan(value)) return 0;
  return static_cast<int32_t>(std::clamp(value, -2147483648.0, 2147483647.0));
}

template <class T>
T number(double value) {
  if constexpr (std::is_same_v<T, int32_t>) {
    return integer(value);
  } else {
    return static_cast<T>(value);
  }
}

/// In T where that is exact or defined so, in f64 for functions.
template <class T>
T naive(Op op, T a, T b, T c) {
  const double x = static_cast<double>(a), y = static_cast<double>(b);
  const auto wrap = [](int64_t value) { return static_cast<T>(static_cast<int32_t>(static_cast<uint64_t>(value))); };
  const bool integers = std::is_same_v<T, int32_t>;
  switch (op) {
    case Op::input:
    case Op::scalar:
    case Op::constant:
      break;
    case Op::neg:
      return integers ? wrap(-static_cast<int64_t>(a)) : -a;
    case Op::abs:
      return a < T{0} ? naive<T>(Op::neg, a, a, a) : a == T{0} ? T{0} : a;
    case Op::sign:
      return a > T{0} ? T{1} : a < T{0} ? T{-1} : a;
    case Op::square:
      return naive<T>(Op::mul, a, a, a);
    case Op::sqrt:
      return integers ? number<T>(std::sqrt(x)) : static_cast<T>(std::sqrt(a));
    case Op::rsqrt:
      return integers ? number<T>(1 / std::sqrt(x)) : static_cast<T>(T{1} / static_cast<T>(std::sqrt(a)));
    case Op::reciprocal:
      return integers ? number<T>(1 / x) : T{1} / (integers ? T{1} : a);
    case Op::exp:
      return number<T>(std::exp(x));
    case Op::expm1:
      return number<T>(std::expm1(x));
    case Op::log:
      return number<T>(std::log(x));
    case Op::log1p:
      return number<T>(std::log1p(x));
    case Op::sin:
      return number<T>(std::sin(x));
    case Op::cos:
      return number<T>(std::cos(x));
    case Op::tanh:
      return number<T>(std::tanh(x));
    case Op::sigmoid:
      return number<T>(x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)));
    case Op::erf:
      return number<T>(std::erf(x));
    case Op::softplus:
      return number<T>(x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)));
    case Op::relu:
      return a < T{0} ? T{0} : a;
    case Op::floor:
      return integers ? a : static_cast<T>(std::floor(a));
    case Op::ceil:
      return integers ? a : static_cast<T>(std::ceil(a));
    case Op::round:
      return integers ? a : static_cast<T>(std::nearbyint(a));
    case Op::logical_not:
      return truth<T>(a == T{0});
    case Op::isnan:
      return truth<T>(a != a);
    case Op::add:
      return integers ? wrap(static_cast<int64_t>(a) + static_cast<int64_t>(b)) : a + b;
    case Op::sub:
      return integers ? wrap(static_cast<int64_t>(a) - static_cast<int64_t>(b)) : a - b;
    case Op::mul:
      return integers ? wrap(static_cast<int64_t>(a) * static_cast<int64_t>(b)) : a * b;
    case Op::div:
      return integers ? (b == T{0} ? T{0} : number<T>(std::trunc(x / y))) : a / (integers ? T{1} : b);
    case Op::pow:
      return number<T>(std::pow(x, y));
    case Op::maximum:
      return a != a || b != b ? a + b : std::max(a, b);
    case Op::minimum:
      return a != a || b != b ? a + b : std::min(a, b);
    case Op::eq:
      return truth<T>(a == b);
    case Op::ne:
      return truth<T>(a != b);
    case Op::lt:
      return truth<T>(a < b);
    case Op::le:
      return truth<T>(a <= b);
    case Op::gt:
      return truth<T>(a > b);
    case Op::ge:
      return truth<T>(a >= b);
    case Op::logical_and:
      return truth<T>(a != T{0} && b != T{0});
    case Op::logical_or:
      return truth<T>(a != T{0} || b != T{0});
    case Op::select:
      return a != T{0} ? b : c;
    case Op::fma:
      return naive<T>(Op::add, naive<T>(Op::mul, a, b, b), c, c);
  }
  return a;
}

/// Row-major position in `view` of position i of `space`, with broadcasting.
int64_t position_in(const View& view, const Shape& space, int64_t i) {
  int64_t position = 0, stride = 1;
  for (int axis = space.rank() - 1; axis >= 0; --axis) {
    const int64_t index = i % space[axis];
    i /= space[axis];
    const int own = axis - (space.rank() - view.rank());
    if (own < 0 || view.shape[own] == 1) continue;
    position += index * stride;
    stride *= view.shape[own];
  }
  return position;
}

/// What each output should hold, row by row; for sums also the sum of magnitudes, which bounds the rounding error.
struct Expected {
  std::vector<double> values, magnitudes;
};

template <class T>
std::vector<Expected> evaluate(const Program& program, const Shape& space, const std::vector<Array>& inputs,
                               const std::vector<Array>& outputs, const std::vector<double>& scalars) {
  std::vector<Expected> expected(outputs.size());
  for (size_t k = 0; k < outputs.size(); ++k) {
    const auto n = static_cast<size_t>(outputs[k].numel());
    const bool integers = std::is_same_v<T, int32_t>;
    const double infinity = std::numeric_limits<double>::infinity();
    const double lowest = integers ? -2147483648.0 : -infinity, highest = integers ? 2147483647.0 : infinity;
    const Combine combine = program.outputs[k].combine;
    expected[k].values.assign(n, combine == Combine::sum ? 0.0 : combine == Combine::maximum ? lowest : highest);
    expected[k].magnitudes.assign(n, 0.0);
  }
  std::vector<T> values(program.code.size());
  for (int64_t i = 0; i < space.numel(); ++i) {
    for (size_t j = 0; j < program.code.size(); ++j) {
      const Instruction& code = program.code[j];
      if (code.op == Op::input) {
        const Array& input = inputs[code.index];
        values[j] = number<T>(input.get(position_in(input, space, i)));
      } else if (code.op == Op::scalar) {
        values[j] = number<T>(scalars[code.index]);
      } else if (code.op == Op::constant) {
        values[j] = number<T>(code.value);
      } else {
        values[j] = naive<T>(code.op, values[code.operands[0]], values[code.operands[1]], values[code.operands[2]]);
      }
    }
    for (size_t k = 0; k < outputs.size(); ++k) {
      const auto at = static_cast<size_t>(position_in(outputs[k], space, i));
      double& folded = expected[k].values[at];
      const double value = static_cast<double>(values[program.outputs[k].value]);
      expected[k].magnitudes[at] += std::abs(value);
      if (outputs[k].view.shape == space) {
        folded = value;
      } else if (program.outputs[k].combine == Combine::sum) {
        folded += value;
      } else if (!std::isnan(folded)) {
        const bool greatest = program.outputs[k].combine == Combine::maximum;
        folded = std::isnan(value) ? value : greatest ? std::max(folded, value) : std::min(folded, value);
      }
    }
  }
  return expected;
}

/// The value as the dtype stores it.
double stored(double value, DType dtype) {
  switch (dtype) {
    case DType::f32:
      return static_cast<float>(value);
    case DType::f64:
      return value;
    case DType::f16:
      return static_cast<float>(Half(static_cast<float>(value)));
    case DType::bf16:
      return static_cast<float>(BFloat16(static_cast<float>(value)));
    case DType::i32:
      return integer(value);
    case DType::boolean:
      return value != 0;
  }
  return 0;
}

void run(const Program& program, DType compute, const Shape& space, const std::vector<Array>& inputs,
         const std::vector<Array>& outputs, const std::vector<double>& scalars = {}) {
  std::vector<const View*> in, out;
  for (const Array& input : inputs) in.push_back(&input.view);
  for (const Array& output : outputs) out.push_back(&output.view);
  test::cpu().map({program, compute, space, in, out, scalars});
}

Instruction input(int index) { return {.op = Op::input, .index = static_cast<uint16_t>(index)}; }
Instruction constant(double value) { return {.op = Op::constant, .value = value}; }
Instruction apply(Op op, int a, int b = 0, int c = 0) {
  return {.op = op, .operands = {static_cast<uint16_t>(a), static_cast<uint16_t>(b), static_cast<uint16_t>(c)}};
}

Program program(std::vector<Instruction> code, std::vector<ProgramOutput> outputs) {
  Program made;
  made.name = "test";
  made.code = std::move(code);
  made.outputs = std::move(outputs);
  for (const Instruction& i : made.code) {
    if (i.op == Op::input) made.inputs = std::max(made.inputs, i.index + 1);
    if (i.op == Op::scalar) made.scalars = std::max(made.scalars, i.index + 1);
  }
  return made;
}

// Random programs over random views.

struct Random {
  std::mt19937_64 engine;
  int below(int n) { return static_cast<int>(engine() % static_cast<uint64_t>(n)); }
  bool chance(int percent) { return below(100) < percent; }
  template <class T>
  const T& of(const std::vector<T>& choices) {
    return choices[static_cast<size_t>(below(static_cast<int>(choices.size())))];
  }
};

/// Operations whose result IEEE 754 fixes, so that every evaluator agrees to the last bit.
const std::vector<Op> exact_ops = {
    Op::neg,   Op::abs,   Op::sign, Op::square, Op::sqrt, Op::rsqrt,   Op::reciprocal, Op::relu,        Op::floor,
    Op::ceil,  Op::round, Op::add,  Op::sub,    Op::mul,  Op::div,     Op::add,        Op::sub,         Op::mul,
    Op::isnan, Op::eq,    Op::ne,   Op::lt,     Op::le,   Op::gt,      Op::ge,         Op::logical_and, Op::logical_or,
    Op::add,   Op::mul,   Op::sub,  Op::select, Op::add,  Op::maximum, Op::minimum,    Op::logical_not};

Program random_program(Random& random, int inputs, int scalars, int outputs, bool folds) {
  std::vector<Instruction> code;
  for (int i = 0; i < inputs; ++i) code.push_back(input(i));
  for (int i = 0; i < scalars; ++i) code.push_back({.op = Op::scalar, .index = static_cast<uint16_t>(i)});
  for (int i = random.below(3); i > 0; --i) code.push_back(constant(random.below(9) * 0.5 - 2));
  for (int i = random.below(folds ? 4 : 16); i > 0; --i) {
    const int n = static_cast<int>(code.size());
    const Op op = folds ? random.of(std::vector<Op>{Op::add, Op::mul, Op::sub, Op::relu, Op::abs, Op::square})
                        : random.of(exact_ops);
    code.push_back(apply(op, random.below(n), random.below(n), random.below(n)));
  }
  std::vector<ProgramOutput> stored_values;
  for (int k = 0; k < outputs; ++k) {
    const int n = static_cast<int>(code.size());
    stored_values.push_back({static_cast<uint16_t>(random.chance(60) ? n - 1 : random.below(n)),
                             random.of(std::vector<Combine>{Combine::sum, Combine::maximum, Combine::minimum})});
  }
  Program made = program(std::move(code), std::move(stored_values));
  made.inputs = inputs;
  made.scalars = scalars;
  return made;
}

const std::vector<Shape> spaces = {{},
                                   {0},
                                   {1},
                                   {7},
                                   {64},
                                   {65},
                                   {1025},
                                   {5000},
                                   {3, 0, 2},
                                   {1, 1},
                                   {5, 3},
                                   {16, 70},
                                   {9, 300},
                                   {300, 9},
                                   {33, 1},
                                   {2, 1, 513},
                                   {4, 5, 6},
                                   {3, 1, 7, 2},
                                   {2, 3, 4, 5, 2},
                                   {70, 1030},
                                   {20, 40, 30},
                                   {2, 2, 2, 2, 2, 2, 2, 3}};
const std::vector<Layout> layouts(std::begin(test::layouts), std::end(test::layouts));

Shape broadcast_from(Random& random, const Shape& space) {
  Shape shape = space;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (random.chance(20)) shape[axis] = 1;
  }
  while (shape.rank() && random.chance(15)) shape.erase(0);
  return shape;
}

DType random_dtype(Random& random, DType compute) {
  if (random.chance(60)) return compute;
  return random.of(std::vector<DType>{f32, f64, f16, bf16, i32, boolean});
}

Array random_input(Random& random, const Shape& space, DType compute) {
  const DType dtype = random_dtype(random, compute);
  const Shape shape = random.chance(50) ? space : broadcast_from(random, space);
  Array array = test::make(shape, dtype, random.chance(50) ? Layout::dense : random.of(layouts));
  for (int64_t i = 0; i < array.numel(); ++i) {
    const double value = random.below(20001) * 0.0004 - 4;
    array.set(i, dtype == i32 ? random.below(9) - 4 : dtype == boolean ? random.below(2) : value);
  }
  return array;
}

/// `exact`: the output is not folded.
void expect_output(const Array& got, const Expected& want, bool exact, DType compute) {
  const DType dtype = got.view.dtype;
  for (int64_t i = 0; i < got.numel(); ++i) {
    const auto at = static_cast<size_t>(i);
    const double value = got.get(i), goal = stored(want.values[at], dtype);
    if (std::isnan(goal) && std::isnan(value)) continue;
    if (value == goal) continue;
    ASSERT_FALSE(exact) << "at " << i << ": " << value << " for " << goal;
    const double rounding = dtype == f16 ? 1e-3 : dtype == bf16 ? 1e-2 : compute == f64 && dtype == f64 ? 1e-14 : 1e-6;
    ASSERT_LE(std::abs(value - goal), rounding * (want.magnitudes[at] + std::abs(goal))) << "at " << i;
  }
}

template <class T>
void check_random(uint64_t seed, bool folds) {
  Random random{std::mt19937_64(seed)};
  const DType compute = dtype_of<T>;
  const Shape space = random.of(spaces);
  const int inputs = random.below(4) + (random.chance(90) ? 1 : 0), scalars = random.below(3);
  const int outputs = 1 + (random.chance(30) ? random.below(3) : 0);
  if (inputs + scalars == 0) return;
  const Program made = random_program(random, inputs, scalars, outputs, folds);
  std::vector<Array> in, out;
  std::vector<double> values;
  for (int i = 0; i < inputs; ++i) in.push_back(random_input(random, space, compute));
  for (int i = 0; i < scalars; ++i) values.push_back(random.below(17) * 0.25 - 2);
  for (int k = 0; k < outputs; ++k) {
    Shape shape = space;
    for (int axis = 0; folds && axis < shape.rank(); ++axis) {
      if (random.chance(50)) shape[axis] = 1;
    }
    const DType dtype = shape == space   ? random_dtype(random, compute)
                        : compute == i32 ? i32
                                         : random.of(std::vector<DType>{compute, compute, f32, bf16});
    out.push_back(test::make(shape, dtype, random.chance(60) ? Layout::dense : random.of(layouts)));
    test::fill(out.back(), seed);
  }
  const std::vector<Expected> want = evaluate<T>(made, space, in, out, values);
  run(made, compute, space, in, out, values);
  for (size_t k = 0; k < out.size(); ++k) {
    SCOPED_TRACE(
        fmt::format("seed {}, space {}, output {} {} {}", seed, space, k, out[k].view.shape, name(out[k].view.dtype)));
    expect_output(out[k], want[k], out[k].view.shape == space, compute);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(Map, RandomProgramsOverRandomViewsAreExact) {
  for (uint64_t seed = 0; seed < 600 && !HasFatalFailure(); ++seed) {
    check_random<float>(3 * seed, false);
    check_random<double>(3 * seed + 1, false);
    check_random<int32_t>(3 * seed + 2, false);
  }
}

TEST(Map, RandomProgramsFoldOverRandomAxes) {
  for (uint64_t seed = 0; seed < 500 && !HasFatalFailure(); ++seed) {
    check_random<float>(10000 + 3 * seed, true);
    check_random<double>(10001 + 3 * seed, true);
    check_random<int32_t>(10002 + 3 * seed, true);
  }
}

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
      in.push_back(test::noise({n}, i + 1));
      apart.push_back(test::noise({n}, i + 1));
    }
    for (int64_t i = 0; i < n; ++i) {
      for (const Array& array : {in[3], apart[3]}) array.set(i, std::abs(array.get(i)));
    }
    for (int k = 0; k < 3; ++k) alone.push_back(test::make({n}));
    run(made, f32, {n}, apart, alone);
    run(made, f32, {n}, in, {in[0], in[2], in[3]});
    EXPECT_EQ(in[0].values(), alone[0].values());
    EXPECT_EQ(in[2].values(), alone[1].values());
    EXPECT_EQ(in[3].values(), alone[2].values());
  }
}

TEST(Map, OutputsMaySwapTheirInputs) {
  const Program swap = program({input(0), input(1)}, {{.value = 1}, {.value = 0}});
  Array a = test::noise({3000}, 1), b = test::noise({3000}, 2);
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

TEST(Map, FoldsOfNothingAreTheIdentity) {
  const float infinity = std::numeric_limits<float>::infinity();
  const Program folds = program({input(0)}, {{0, Combine::sum}, {0, Combine::maximum}, {0, Combine::minimum}});
  std::vector<Array> out = {test::full({1, 2}, 7), test::full({1, 2}, 7), test::full({1, 2}, 7)};
  run(folds, f32, {0, 2}, {test::make({0, 2})}, out);
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
      Array in = test::noise({n}, 5);
      in.set(at, NAN);
      std::vector<Array> out = {test::make({1}), test::make({1})};
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
  Array tenth = test::make({1}), total = test::make({1}), rows = test::make({1, 4});
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
      const Array x = test::noise(space, 1), row = test::noise({space.back()}, 2);
      const Array turned = test::make(space, f32, Layout::transposed);
      for (int64_t i = 0; i < x.numel(); ++i) turned.set(i, x.get(i));
      Array y = test::make(space), apart = test::make(folded), merged = test::make(folded), top = test::make(folded);
      run(product, f32, space, {x, row}, {y});
      run(sum, f32, space, {y}, {apart});
      run(product_sum, f32, space, {turned, row}, {merged, top});
      EXPECT_EQ(apart.bytes(), merged.bytes()) << fmt::format("{} to {}", space, folded);
    }
  }
}

TEST(Map, InstructionsInOneKernelGiveTheBytesOfEachOnItsOwn) {
  const int64_t n = 77;
  const Array a = test::noise({n}, 1), b = test::noise({n}, 2), c = test::noise({n}, 3);
  for (DType dtype : {f32, f64}) {
    for (Op function : {Op::exp, Op::expm1, Op::sin, Op::cos, Op::tanh, Op::sigmoid, Op::erf, Op::softplus, Op::neg}) {
      for (Op before : {Op::mul, Op::square, Op::add, Op::abs}) {
        for (const Instruction& after : {apply(Op::add, 4, 2), apply(Op::add, 2, 4), apply(Op::mul, 4, 2),
                                         apply(Op::sub, 2, 4), apply(Op::add, 4, 4)}) {
          std::vector<Instruction> code = {input(0),           input(1), input(2), apply(before, 0, 1),
                                           apply(function, 3), after};
          Array together = test::make({n}, dtype);
          run(program(code, {{.value = 5}}), dtype, {n}, {a, b, c}, {together});
          // A value that is stored is computed on its own.
          Array x = test::make({n}, dtype), y = test::make({n}, dtype), alone = test::make({n}, dtype);
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
    Array x = test::make({n}, dtype), low = test::make({n}, dtype), high = test::make({n}, dtype);
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
    Array together = test::make({n}, dtype), above = test::make({n}, dtype), alone = test::make({n}, dtype);
    run(program(code, {{.value = 6}}), dtype, {n}, {x, low, high}, {together});
    run(program(code, {{.value = 4}, {.value = 6}}), dtype, {n}, {x, low, high}, {above, alone});
    EXPECT_EQ(together.bytes(), alone.bytes()) << name(dtype);
    run(program(code, {{.value = 3}, {.value = 4}, {.value = 5}, {.value = 6}}), dtype, {n}, {x, low, high},
        {test::make({n}, dtype), above, test::make({n}, dtype), alone});
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
    Array all = test::make(space);
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
      const Array x = test::noise(space, 1), row = test::noise({n}, 2), column_of = test::noise(column, 3),
                  middle = test::noise(rank_of_first, 4);
      for (const Array& second : {row, column_of, middle}) {
        for (const Program* made : {&sum, &longer}) {
          std::vector<Array> got, want;
          for (size_t k = 0; k < made->outputs.size(); ++k) {
            got.push_back(test::make(space));
            want.push_back(test::make(space));
          }
          run(*made, f32, space, {x, second, column_of}, got);
          run(*made, f32, space, {x, repeated(second, space), repeated(column_of, space)}, want);
          for (size_t k = 0; k < got.size(); ++k)
            EXPECT_EQ(got[k].bytes(), want[k].bytes()) << fmt::format("{}", space);
          // In place, where every row of the first input is read before it is written.
          Array own = test::noise(space, 1);
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
  const Array x = test::noise(space, 1), y = test::noise({7, 1}, 2), z = test::noise(space, 3, f32, Layout::transposed);
  const Program made = program(
      {input(0), input(1), input(2), apply(Op::mul, 0, 1), apply(Op::tanh, 3), apply(Op::add, 4, 2), apply(Op::exp, 5)},
      {{.value = 6}, {.value = 5}, {.value = 6}, {.value = 4, .combine = Combine::maximum}});
  test::expect_same_bytes_on_any_threads([&] {
    std::vector<Array> out = {test::make(space), test::make({1, 1, 1}), test::make({1, 7, 1}),
                              test::make({300, 1, 200})};
    run(made, f32, space, {x, y, z}, out);
    return out;
  });
}

TEST(Map, CopiesBetweenAnyLayouts) {
  const Program copy = program({input(0)}, {{.value = 0}});
  for (DType dtype : {f32, f64, f16, boolean}) {
    for (const Shape& shape :
         {Shape{100, 70}, Shape{3, 64, 65}, Shape{33, 17}, Shape{2, 1, 5}, Shape{5000, 20}, Shape{20, 5000}}) {
      for (Layout from : test::layouts) {
        for (Layout to : test::layouts) {
          const Array source = test::make(shape, dtype, from), out = test::make(shape, dtype, to);
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
      const Array source = test::make(shape, dtype, Layout::transposed), out = test::make(shape, dtype);
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
    Array source = test::noise({40, 50, 36}, 1);
    const View was = source.view;
    for (int axis = 0; axis < 3; ++axis) {
      source.view.shape[axis] = was.shape[order[axis]];
      source.view.strides[axis] = was.strides[order[axis]];
    }
    Array out = test::make(source.view.shape);
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
  for (int i = 0; i < inputs; ++i) in.push_back(test::full({2000}, i));
  Array out = test::make({2000});
  run(made, f32, {2000}, in, {out});
  for (int64_t i = 0; i < 2000; ++i) ASSERT_EQ(out.get(i), std::sqrt(static_cast<float>(inputs - 1)));
}

TEST(Map, IntegersWrapAndDivideTowardsZero) {
  const double least = -2147483648.0, greatest = 2147483647.0;
  const Array a = test::from({6}, {7, -7, least, 5, greatest, least}, i32);
  const Array b = test::from({6}, {2, 2, -1, 0, 1, 1}, i32);
  const Program made =
      program({input(0), input(1), apply(Op::div, 0, 1), apply(Op::add, 0, 1)}, {{.value = 2}, {.value = 3}});
  std::vector<Array> out = {test::make({6}, i32), test::make({6}, i32)};
  run(made, i32, {6}, {a, b}, out);
  EXPECT_EQ(out[0].values(), (std::vector<double>{3, -3, greatest, 0, greatest, least}));
  EXPECT_EQ(out[1].values(), (std::vector<double>{9, -5, greatest, 5, least, least + 1}));
}

TEST(Map, StoresSaturateIntegersAndTestForTruth) {
  const Array x = test::from({7}, {1.9, -1.9, 3e9, -3e9, NAN, 0, INFINITY});
  const Program copy = program({input(0)}, {{.value = 0}, {.value = 0}});
  std::vector<Array> out = {test::make({7}, i32), test::make({7}, boolean)};
  run(copy, f32, {7}, {x}, out);
  EXPECT_EQ(out[0].values(), (std::vector<double>{1, -1, 2147483647.0, -2147483648.0, 0, 0, 2147483647.0}));
  EXPECT_EQ(out[1].values(), (std::vector<double>{1, 1, 1, 1, 1, 0, 1}));
}

}  // namespace
}  // namespace fovea

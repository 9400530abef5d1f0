// Random programs over random views, beside an evaluator of one element at a time, by the C library's functions and without
// SIMD.
#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "backends/programs.h"

namespace fovea::test {
namespace {

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
    case Op::atan2:
      return number<T>(std::atan2(x, y));
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
const std::vector<Layout> any_layout(std::begin(layouts), std::end(layouts));

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
  Array array = make(shape, dtype, random.chance(50) ? Layout::dense : random.of(any_layout));
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
    out.push_back(make(shape, dtype, random.chance(60) ? Layout::dense : random.of(any_layout)));
    fill(out.back(), seed);
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

TEST(RandomPrograms, OverRandomViewsAreExact) {
  for (uint64_t seed = 0; seed < 600 && !HasFatalFailure(); ++seed) {
    check_random<float>(3 * seed, false);
    check_random<double>(3 * seed + 1, false);
    check_random<int32_t>(3 * seed + 2, false);
  }
}

TEST(RandomPrograms, FoldOverRandomAxes) {
  for (uint64_t seed = 0; seed < 500 && !HasFatalFailure(); ++seed) {
    check_random<float>(10000 + 3 * seed, true);
    check_random<double>(10001 + 3 * seed, true);
    check_random<int32_t>(10002 + 3 * seed, true);
  }
}

}  // namespace
}  // namespace fovea::test

#include <cmath>
#include <limits>

#include "fovea/backends/vulkan/vulkan_backend.h"
#include "vulkan/build.h"
#include "vulkan/mirror.h"

namespace fovea::test {
namespace {

using MapTest = VulkanTest;

/// Runs a program on both devices and compares all outputs.
void expect_agreement(const Program& program, DType compute, const Shape& space, const std::vector<Array>& inputs,
                      const std::vector<Array>& outputs, double within, const std::vector<double>& scalars = {},
                      Backend& device = gpu()) {
  std::vector<Mirror> device_inputs, device_outputs;
  std::vector<const View*> in, out, device_in, device_out;
  device_inputs.reserve(inputs.size());
  device_outputs.reserve(outputs.size());
  for (const Array& array : inputs) {
    in.push_back(&array.view);
    device_in.push_back(&device_inputs.emplace_back(array, device).view);
  }
  for (const Array& array : outputs) {
    out.push_back(&array.view);
    device_out.push_back(&device_outputs.emplace_back(array, device).view);
  }
  cpu().map({program, compute, space, in, out, scalars});
  device.map({program, compute, space, device_in, device_out, scalars});
  for (size_t i = 0; i < outputs.size(); ++i) {
    SCOPED_TRACE(fmt::format("{} output {} over {}", program.name, i, space));
    expect_same(device_outputs[i], outputs[i], within);
  }
}

std::vector<double> on_device(const Program& program, const Array& x) {
  const Mirror in(x), out(make(x.view.shape));
  const View *from = &in, *to = &out;
  gpu().map({program, f32, x.view.shape, {&from, 1}, {&to, 1}, {}});
  return out.pull().values();
}

/// The distance of a float from the exact value, in units of the last place.
double units(double got, double exact) {
  const auto want = static_cast<float>(exact);
  if (std::isnan(want) || std::isnan(got)) return std::isnan(want) && std::isnan(got) ? 0 : 1e9;
  if (static_cast<float>(got) == want) return 0;
  if (std::isinf(want) || std::isinf(got)) return 1e9;
  // A device may take what is below the least normal number for 0.
  const double unit =
      std::max<double>(std::abs(std::nextafter(want, INFINITY) - want), std::numeric_limits<float>::min());
  return std::abs(got - exact) / unit;
}

struct Function {
  Op op;
  double (*exact)(double);
  double low, high;
  double most_units;
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }
double rsqrt(double x) { return 1 / std::sqrt(x); }
double reciprocal(double x) { return 1 / x; }

const Function functions[] = {
    {Op::exp, std::exp, -110, 92, 2},        {Op::expm1, std::expm1, -30, 92, 3},
    {Op::expm1, std::expm1, -0.5, 0.5, 3},   {Op::log, std::log, 0, 3, 3},
    {Op::log, std::log, 0, 1e38, 3},         {Op::log1p, std::log1p, -1, 2, 4},
    {Op::log1p, std::log1p, -1e-3, 1e-3, 3}, {Op::tanh, std::tanh, -12, 12, 5},
    {Op::tanh, std::tanh, -0.1, 0.1, 5},     {Op::sigmoid, sigmoid, -80, 100, 5},
    {Op::softplus, softplus, -80, 100, 5},   {Op::erf, std::erf, -5, 5, 4},
    {Op::erf, std::erf, -1e-3, 1e-3, 3},     {Op::sqrt, std::sqrt, 0, 100, 2},
    {Op::rsqrt, rsqrt, 0.001, 100, 3},       {Op::reciprocal, reciprocal, 0.01, 100, 3},
};

TEST_F(MapTest, FunctionsAreAccurateToAFewUnits) {
  constexpr int64_t n = 4099;
  for (const Function& f : functions) {
    const Array x = make({n});
    for (int64_t i = 0; i < n; ++i) x.set(i, f.low + (f.high - f.low) * static_cast<double>(i) / (n - 1));
    const std::vector<double> got = on_device(unary(f.op), x);
    double worst = 0, where = 0;
    for (int64_t i = 0; i < n; ++i) {
      const double off = units(got[static_cast<size_t>(i)], f.exact(x.get(i)));
      if (off > worst) {
        worst = off;
        where = x.get(i);
      }
    }
    EXPECT_LE(worst, f.most_units) << name(f.op) << " at " << where;
  }
}

TEST_F(MapTest, SineAndCosineAreGoodToTheLastPlaceOfOne) {
  constexpr int64_t n = 4099;
  const std::pair<Op, double (*)(double)> pairs[] = {{Op::sin, std::sin}, {Op::cos, std::cos}};
  for (const auto& [op, exact] : pairs) {
    for (double reach : {4.0, 10000.0}) {
      const Array x = make({n});
      for (int64_t i = 0; i < n; ++i) x.set(i, reach * (2 * static_cast<double>(i) / (n - 1) - 1));
      const std::vector<double> got = on_device(unary(op), x);
      for (int64_t i = 0; i < n; ++i)
        ASSERT_NEAR(got[static_cast<size_t>(i)], exact(x.get(i)), 1.2e-7) << name(op) << x.get(i);
    }
  }
}

TEST_F(MapTest, PowerAndAngleAreAccurateAndHaveCsSpecialCases) {
  const std::vector<double> bases = {0,  -0.0,  1,    -1,     2,        -2,        0.5, 1.0000001, 3.7,
                                     -3, 1e-30, 1e30, 0.9999, INFINITY, -INFINITY, NAN, 12.34},
                            powers = {0, 1, -1, 2, 3, -2, -3, 0.5, -0.5, 17, 2.5, 1e6, 88.3, INFINITY, -INFINITY, NAN};
  const auto rows = static_cast<int64_t>(bases.size()), columns = static_cast<int64_t>(powers.size());
  const Array x = from({rows, 1}, bases), y = from({columns}, powers);
  const std::pair<Op, double (*)(double, double)> functions[] = {{Op::pow, std::pow}, {Op::atan2, std::atan2}};
  for (const auto& [op, exact] : functions) {
    const Program program = binary(op);
    const Mirror dx(x), dy(y), dz(make({rows, columns}));
    const View *in[] = {&dx, &dy}, *out[] = {&dz};
    gpu().map({program, f32, dz.view.shape, in, out, {}});
    const Array got = dz.pull();
    for (int64_t i = 0; i < rows * columns; ++i) {
      const double a = x.get(i / columns), b = y.get(i % columns);
      EXPECT_LE(units(got.get(i), exact(a, b)), 4) << name(op) << " of " << a << ", " << b << " is " << got.get(i);
    }
  }
}

TEST_F(MapTest, EveryInstructionAgreesWithTheCpu) {
  const double inf = INFINITY, nan = NAN;
  const std::vector<double> special = {0,   -0.0, 1, -1,  2,    -2,  0.5, -0.5, 1.5,
                                       2.5, -1.5, 3, inf, -inf, nan, 7,   1e-3, 42};
  const auto n = static_cast<int64_t>(special.size());
  for (int code = static_cast<int>(Op::neg); code <= static_cast<int>(Op::isnan); ++code)
    expect_agreement(unary(static_cast<Op>(code)), f32, {n}, {from({n}, special)}, {make({n})}, 1e-6);
  for (int code = static_cast<int>(Op::add); code <= static_cast<int>(Op::logical_or); ++code)
    expect_agreement(binary(static_cast<Op>(code)), f32, {n, n}, {from({n, 1}, special), from({n}, special)},
                     {make({n, n})}, 2e-6);
  Build three("three");
  const uint16_t a = three.input(), b = three.input(), c = three.input();
  three.output(three.op(Op::select, a, b, c));
  three.output(three.op(Op::fma, a, b, c));
  three.output(three.op(Op::select, three.op(Op::lt, a, b), c, a));
  expect_agreement(three.program, f32, {n, n}, {from({n, 1}, special), from({n}, special), noise({n, n}, 3)},
                   {make({n, n}), make({n, n}), make({n, n})}, 1e-6);
}

TEST_F(MapTest, IntegerInstructionsAgreeWithTheCpu) {
  const std::vector<double> values = {0, 1, -1, 2, -2, 7, -13, 100, 46000, -46000, 5};
  const auto n = static_cast<int64_t>(values.size());
  for (Op op : {Op::neg, Op::abs, Op::sign, Op::square, Op::relu, Op::logical_not, Op::floor})
    expect_agreement(unary(op), i32, {n}, {from({n}, values, i32)}, {make({n}, i32)}, 0);
  for (Op op : {Op::add, Op::sub, Op::div, Op::maximum, Op::minimum, Op::eq, Op::lt, Op::ge, Op::logical_and})
    expect_agreement(binary(op), i32, {n, n}, {from({n, 1}, values, i32), from({n}, values, i32)}, {make({n, n}, i32)},
                     0);
  expect_agreement(binary(Op::mul), i32, {n, n}, {from({n, 1}, values, i32), full({n}, 77, i32)}, {make({n, n}, i32)},
                   0);
  expect_agreement(binary(Op::pow), i32, {3, 3}, {from({3, 1}, {2, 3, -5}, i32), from({3}, {0, 3, 7}, i32)},
                   {make({3, 3}, i32)}, 0);
}

TEST_F(MapTest, ConvertsEveryElementTypeIntoEveryOther) {
  const Program copy = unary(Op::neg);
  const std::vector<double> values = {0, 1, -1, 2.5, -3.75, 100, 1.00048828125, 65504, 1e-3, 3.14159, -0.3, 257};
  const auto n = static_cast<int64_t>(values.size());
  for (DType from_type : {f32, f16, bf16, i32, boolean}) {
    for (DType to_type : {f32, f16, bf16, i32, boolean})
      expect_agreement(copy, f32, {n}, {from({n}, values, from_type)}, {make({n}, to_type)}, 0);
  }
}

TEST_F(MapTest, RoundsShortTypesToNearestEven) {
  for (DType dtype : {f16, bf16})
    expect_agreement(unary(Op::neg), f32, {5000}, {noise({5000}, 11)}, {make({5000}, dtype)}, 0);
}

TEST_F(MapTest, EveryLayoutAndBroadcast) {
  Build b("mixed");
  const uint16_t x = b.input(), y = b.input(), z = b.input(), s = b.scalar();
  b.output(b.op(Op::fma, x, y, b.op(Op::mul, z, s)));
  b.output(b.op(Op::sub, x, z));
  for (const Shape& space :
       {Shape{}, Shape{1}, Shape{0, 3}, Shape{7}, Shape{5, 9}, Shape{3, 1, 6}, Shape{2, 3, 4, 5}}) {
    for (Layout layout : layouts) {
      Shape row = space, column = space;
      if (space.rank()) column[space.rank() - 1] = 1;
      if (space.rank() > 1) row = Shape{space.back()};
      expect_agreement(b.program, f32, space, {noise(space, 1, f32, layout), noise(row, 2), noise(column, 3)},
                       {make(space, f32, layout), make(space)}, 1e-6, {0.75});
    }
  }
}

TEST_F(MapTest, ManyParametersTravelThroughMemory) {
  Build b("many");
  uint16_t sum = b.input();
  for (int i = 1; i < 20; ++i) sum = b.op(Op::add, sum, b.input());
  b.output(b.op(Op::mul, sum, b.scalar()));
  std::vector<Array> inputs;
  for (uint64_t i = 0; i < 20; ++i) inputs.push_back(noise({4, 6}, i, f32, layouts[i % 5]));
  expect_agreement(b.program, f32, {4, 6}, inputs, {make({4, 6})}, 1e-5, {1.25});
}

TEST_F(MapTest, StoresOverItsOwnInput) {
  Build b("update");
  const uint16_t p = b.input(), g = b.input();
  b.output(b.op(Op::sub, p, g));
  b.output(b.op(Op::mul, p, g));
  const Array x = noise({33}, 1), y = noise({33}, 2), want = make({33}), norm = make({1});
  const Mirror dx(x), dy(y), dnorm(norm);
  const View *in[] = {&dx, &dy}, *out[] = {&dx, &dnorm};
  const View *cpu_in[] = {&x, &y}, *cpu_out[] = {&want, &norm};
  cpu().map({b.program, f32, want.view.shape, cpu_in, cpu_out, {}});
  gpu().map({b.program, f32, want.view.shape, in, out, {}});
  expect_same(dx, want, 1e-6);
  expect_same(dnorm, norm, 1e-5);
}

TEST_F(MapTest, FoldsAnyAxes) {
  Build b("folds");
  const uint16_t x = b.input(), y = b.input();
  b.output(b.op(Op::mul, x, y));
  b.output(x, Combine::maximum);
  b.output(y, Combine::minimum);
  const std::pair<Shape, Shape> cases[] = {
      {{7}, {1}},
      {{5, 9}, {5, 1}},
      {{5, 9}, {1, 9}},
      {{5, 9}, {1, 1}},
      {{4, 1, 6}, {4, 1, 1}},
      {{3, 4, 5}, {1, 4, 1}},
      {{3, 4, 5}, {3, 1, 5}},
      {{2, 3, 4, 5}, {1, 3, 1, 5}},
      {{300, 3}, {1, 3}},
      {{3, 300}, {3, 1}},
      {{0, 3}, {1, 3}},
      {{3, 0}, {3, 1}},
      {{70, 65}, {1, 65}},
      {{2, 130}, {2, 1}},
  };
  for (const auto& [space, out] : cases) {
    for (Layout layout : {Layout::dense, Layout::transposed, Layout::reversed})
      expect_agreement(b.program, f32, space, {noise(space, 1, f32, layout), noise({space.back()}, 2)},
                       {make(out), make(out), make(out)}, 2e-5);
  }
}

TEST_F(MapTest, FoldsDifferentAxesInOneProgram) {
  Build b("different");
  const uint16_t x = b.input();
  b.output(b.op(Op::square, x));
  b.output(x);
  b.output(b.op(Op::exp, x));
  b.output(x, Combine::maximum);
  expect_agreement(b.program, f32, {6, 35}, {noise({6, 35}, 4)},
                   {make({6, 1}), make({1, 35}), make({6, 35}), make({1, 1})}, 2e-5);
}

TEST_F(MapTest, LongFoldsAreAccurateAndTheSameEachTime) {
  Build b("sum");
  b.output(b.input());
  const int64_t n = 300001;
  const Array x = full({n}, 0.1);
  const Mirror dx(x), first(make({1})), second(make({1}));
  const View *in = &dx, *out = &first, *again = &second;
  gpu().map({b.program, f32, x.view.shape, {&in, 1}, {&out, 1}, {}});
  gpu().map({b.program, f32, x.view.shape, {&in, 1}, {&again, 1}, {}});
  const double want = static_cast<double>(0.1f) * static_cast<double>(n);
  EXPECT_NEAR(first.pull().get(0), want, want * 4e-6);
  EXPECT_EQ(first.pull().get(0), second.pull().get(0));
  // Few columns and many rows; integers are exact.
  Build c("count");
  c.output(c.input());
  c.output(c.op(Op::neg, c.program.outputs[0].value), Combine::maximum);
  expect_agreement(c.program, i32, {20000, 3}, {full({20000, 3}, 2, i32)}, {make({1, 3}, i32), make({1, 3}, i32)}, 0);
}

TEST_F(MapTest, FourAtATimeGivesTheSame) {
  vulkan::EngineOptions options;
  options.vectorise = true;
  vulkan::VulkanBackend wide(0, vulkan::instance().devices().front(), options);
  Build b("wide");
  const uint16_t x = b.input(), y = b.input(), z = b.input();
  b.output(b.op(Op::select, b.op(Op::lt, x, y), b.op(Op::exp, x), b.op(Op::mul, z, b.scalar())));
  b.output(b.op(Op::ge, x, z));
  for (DType dtype : {f32, f16, bf16, boolean, i32}) {
    // Two values of exp that differ in a float's last place may round to neighbours where less is stored.
    const double within = dtype == f16 ? 0x1p-10 : dtype == bf16 ? 0x1p-7 : 1e-6;
    expect_agreement(b.program, f32, {64, 128}, {noise({64, 128}, 1), noise({128}, 2, dtype), noise({64, 1}, 3)},
                     {make({64, 128}, dtype), make({64, 128}, boolean)}, within, {0.5}, wide);
    expect_agreement(b.program, f32, {4100}, {noise({4100}, 1, dtype), noise({1}, 2), noise({4100}, 3)},
                     {make({4100}, dtype), make({4100}, boolean)}, within, {0.5}, wide);
  }
}

TEST_F(MapTest, RefusesF64) {
  const Program program = unary(Op::exp);
  const Mirror x(make({3}, f64));
  const View* view = &x;
  EXPECT_THROW(gpu().map({program, f64, x.view.shape, {&view, 1}, {&view, 1}, {}}), DeviceError);
}

TEST_F(MapTest, AFoldThatIsFoldedItselfKeepsWithinItsOutput) {
  vulkan::PhysicalDevice physical = vulkan::instance().devices().front();
  physical.most_groups = 3;
  vulkan::EngineOptions options;
  options.debug.bounds = true;
  vulkan::VulkanBackend device(0, physical, options);
  Build sum("sum");
  sum.output(sum.input());
  for (const Shape& shape : {Shape{7, 256}, Shape{1, 9000}})
    expect_agreement(sum.program, f32, shape, {noise(shape, 1)}, {make({shape[0], 1})}, 1e-4, {}, device);
}

// Four elements at a time are taken only of rows of whole fours.
TEST_F(MapTest, VectorsLeaveNothingOut) {
  vulkan::EngineOptions options;
  options.vectorise = true;
  vulkan::VulkanBackend device(0, vulkan::instance().devices().front(), options);
  const Program sum = binary(Op::add);
  for (const Shape& space : {Shape{4096}, Shape{4099}, Shape{70, 65}, Shape{65, 68}, Shape{3, 40, 37}}) {
    const Array row = noise({space.back()}, 3);
    expect_agreement(sum, f32, space, {noise(space, 1), noise(space, 2)}, {make(space)}, 0, {}, device);
    expect_agreement(sum, f32, space, {noise(space, 1), row}, {make(space)}, 0, {}, device);
    expect_agreement(sum, f32, space, {noise(space, 1, f32, Layout::padded), noise(space, 2)}, {make(space)}, 0, {},
                     device);
  }
}

}  // namespace
}  // namespace fovea::test

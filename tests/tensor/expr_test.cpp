#include "fovea/tensor/derivative.h"

#include <cmath>
#include <functional>

#include "fovea/tensor/creation.h"
#include "fovea/tensor/raw.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"

namespace fovea {
namespace {

using test::OnEveryDevice;

/// A function of `inputs` inputs, built by `body`.
ElementwiseFunction build(int inputs, const std::function<std::vector<Expr>(const std::vector<Expr>&)>& body,
                          int scalars = 0) {
  ElementwiseFunction f;
  f.name = "f";
  f.inputs = inputs;
  f.scalars = scalars;
  const ExprGraph::Building building(f.graph);
  std::vector<Expr> arguments;
  for (int i = 0; i < inputs; ++i) arguments.push_back(f.graph.input(i));
  for (int i = 0; i < scalars; ++i) arguments.push_back(f.graph.scalar(i));
  f.outputs = body(arguments);
  f.compile();
  return f;
}

ElementwiseFunction build(const std::function<Expr(Expr)>& body) {
  return build(1, [&](const std::vector<Expr>& x) { return std::vector{body(x[0])}; });
}

static_assert(!std::is_constructible_v<bool, Expr>, "no `?:` or `if` decides before there are values");

/// The operations of the compiled program, in order: "input constant mul".
std::string code(const ElementwiseFunction& f) {
  std::string text;
  for (const Instruction& i : f.program.code) {
    if (!text.empty()) text += ' ';
    text += name(i.op);
  }
  return text;
}

TEST(Expr, SharesEqualSubexpressions) {
  EXPECT_EQ(code(build([](Expr x) { return exp(x) + exp(x) * exp(x); })), "input exp square add");
  EXPECT_EQ(code(build(2, [](auto& x) { return std::vector{x[0] * x[1] - tanh(x[1] * x[0])}; })),
            "input input mul tanh sub")
      << "products commute";
  EXPECT_EQ(code(build([](Expr x) { return (x + 2.0) / (2.0 + x); })), "input constant add div");
}

TEST(Expr, FoldsConstants) {
  const ElementwiseFunction f = build([](Expr x) { return x * (Expr(2.0) * exp(Expr(0.0)) + 1.0); });
  EXPECT_EQ(code(f), "input constant mul");
  EXPECT_EQ(f.program.code[1].value, 3);
  EXPECT_EQ(code(build([](Expr x) { return where(Expr(1.0) < 2.0, x, sin(x)); })), "input");
}

TEST(Expr, SimplifiesIdentities) {
  EXPECT_EQ(code(build([](Expr x) { return x + 0.0; })), "input");
  EXPECT_EQ(code(build([](Expr x) { return 1.0 * x / 1.0 - 0.0; })), "input");
  EXPECT_EQ(code(build([](Expr x) { return -(-x); })), "input");
  EXPECT_EQ(code(build([](Expr x) { return x * -1.0; })), "input neg");
  EXPECT_EQ(code(build([](Expr x) { return 1.0 / x; })), "input reciprocal");
  EXPECT_EQ(code(build([](Expr x) { return x * x; })), "input square");
  EXPECT_EQ(code(build([](Expr x) { return x * 0.0; })), "constant");
  EXPECT_EQ(code(build([](Expr x) { return where(x > 1.0, x, x); })), "input");
  EXPECT_EQ(code(build(2, [](auto& x) { return std::vector{x[0] + -x[1]}; })), "input input sub");
  EXPECT_EQ(code(build(2, [](auto& x) { return std::vector{x[0] - -x[1]}; })), "input input add");
}

TEST(Expr, TellsConstantsApartByTheirBits) {
  const ElementwiseFunction f = build([](Expr x) { return (x / 0.0) * (x / -0.0); });
  EXPECT_EQ(code(f), "input constant constant div div mul");
}

TEST(Expr, JoinsProductsWithSums) {
  EXPECT_EQ(code(build(3, [](auto& x) { return std::vector{x[0] * x[1] + x[2]}; })), "input input input fma");
  EXPECT_EQ(code(build(3,
                       [](auto& x) {
                         const Expr product = x[0] * x[1];
                         return std::vector{product + x[2], product};
                       })),
            "input input input mul add")
      << "a product that something else reads stays";
  EXPECT_EQ(code(build(2, [](auto& x) { return std::vector{x[0] * x[1] + x[0] * x[1]}; })), "input input mul add");
}

TEST(Expr, LeavesOutWhatNoOutputNeeds) {
  EXPECT_EQ(code(build([](Expr x) {
              static_cast<void>(exp(x) * sin(x));
              return tanh(x);
            })),
            "input tanh");
}

TEST(Expr, IsRefusedOutsideALambda) { EXPECT_ERROR(Expr(1.0), "expression: an Expr is used outside the lambda"); }

TEST(Program, HasADigestOfItsCode) {
  const auto f = build([](Expr x) { return exp(x) * 2.0; });
  EXPECT_EQ(f.program.digest(), build([](Expr x) { return exp(x) * 2.0; }).program.digest());
  EXPECT_NE(f.program.digest(), build([](Expr x) { return exp(x) * 3.0; }).program.digest());
  EXPECT_NE(f.program.digest(), build([](Expr x) { return sin(x) * 2.0; }).program.digest());
}

/// Runs a compiled function in f64.
std::vector<std::vector<double>> run(const ElementwiseFunction& f, const std::vector<std::vector<double>>& inputs,
                                     const std::vector<double>& scalars = {}) {
  const Shape space{static_cast<int64_t>(inputs[0].size())};
  std::vector<Tensor> in, out;
  std::vector<const View*> in_views, out_views;
  for (const auto& values : inputs) in.push_back(from_vector(values));
  for (size_t i = 0; i < f.outputs.size(); ++i) out.push_back(empty(space, {f64}));
  for (const Tensor& x : in) in_views.push_back(&x.view());
  for (const Tensor& x : out) out_views.push_back(&x.view());
  backend(Device::cpu()).map({f.program, f64, space, in_views, out_views, scalars});
  std::vector<std::vector<double>> values;
  for (const Tensor& x : out) values.push_back(x.to_vector<double>());
  return values;
}

struct UnaryCase {
  const char* name;
  Expr (*f)(Expr);
  double (*reference)(double);
  double low, high;  // where the function and its derivative are smooth
};

double sign_of(double x) { return (x > 0) - (x < 0); }

const UnaryCase unary_cases[] = {
    {"neg", [](Expr x) { return -x; }, [](double x) { return -x; }, -3, 3},
    {"abs", [](Expr x) { return abs(x); }, [](double x) { return std::fabs(x); }, 0.1, 3},
    {"abs of negative", [](Expr x) { return abs(x); }, [](double x) { return std::fabs(x); }, -3, -0.1},
    {"sign", [](Expr x) { return sign(x); }, sign_of, -3, -0.1},
    {"square", [](Expr x) { return square(x); }, [](double x) { return x * x; }, -3, 3},
    {"sqrt", [](Expr x) { return sqrt(x); }, [](double x) { return std::sqrt(x); }, 0.1, 9},
    {"rsqrt", [](Expr x) { return rsqrt(x); }, [](double x) { return 1 / std::sqrt(x); }, 0.1, 9},
    {"reciprocal", [](Expr x) { return reciprocal(x); }, [](double x) { return 1 / x; }, 0.1, 4},
    {"exp", [](Expr x) { return exp(x); }, [](double x) { return std::exp(x); }, -5, 5},
    {"expm1", [](Expr x) { return expm1(x); }, [](double x) { return std::expm1(x); }, -5, 5},
    {"log", [](Expr x) { return log(x); }, [](double x) { return std::log(x); }, 0.1, 9},
    {"log1p", [](Expr x) { return log1p(x); }, [](double x) { return std::log1p(x); }, -0.9, 9},
    {"sin", [](Expr x) { return sin(x); }, [](double x) { return std::sin(x); }, -7, 7},
    {"cos", [](Expr x) { return cos(x); }, [](double x) { return std::cos(x); }, -7, 7},
    {"tanh", [](Expr x) { return tanh(x); }, [](double x) { return std::tanh(x); }, -4, 4},
    {"sigmoid", [](Expr x) { return sigmoid(x); }, [](double x) { return 1 / (1 + std::exp(-x)); }, -9, 9},
    {"erf", [](Expr x) { return erf(x); }, [](double x) { return std::erf(x); }, -3, 3},
    {"softplus", [](Expr x) { return softplus(x); }, [](double x) { return std::log1p(std::exp(x)); }, -9, 9},
    {"relu", [](Expr x) { return relu(x); }, [](double x) { return std::fmax(x, 0); }, 0.1, 3},
    {"relu of negative", [](Expr x) { return relu(x); }, [](double x) { return std::fmax(x, 0); }, -3, -0.1},
    {"floor", [](Expr x) { return floor(x); }, [](double x) { return std::floor(x); }, 0.1, 0.9},
    {"ceil", [](Expr x) { return ceil(x); }, [](double x) { return std::ceil(x); }, 0.1, 0.9},
    {"round", [](Expr x) { return round(x); }, [](double x) { return std::nearbyint(x); }, 0.6, 1.4},
};

std::vector<double> spread(double low, double high) {
  std::vector<double> values;
  for (int i = 0; i <= 40; ++i) values.push_back(low + (high - low) * (i + 0.37) / 41);
  return values;
}

TEST(Derive, MatchesDifferencesOfEveryUnaryOperation) {
  for (const UnaryCase& c : unary_cases) {
    SCOPED_TRACE(c.name);
    const ElementwiseFunction f = build(c.f);
    const std::vector<double> x = spread(c.low, c.high);
    const std::vector<double> y = run(f, {x})[0];
    for (const bool outputs_kept : {false, true}) {
      Derivative d = derive(f, 1, outputs_kept);
      d.function.compile();
      const std::vector<double> g = spread(-1, 1);
      std::vector<std::vector<double>> arguments;
      for (const DerivativeInput& input : d.inputs) {
        arguments.push_back(input.from == DerivativeInput::From::input    ? x
                            : input.from == DerivativeInput::From::output ? y
                                                                          : g);
        EXPECT_TRUE(outputs_kept || input.from != DerivativeInput::From::output);
      }
      if (arguments.empty()) arguments.push_back(x);  // a constant 0 needs none
      const std::vector<double> dx = run(d.function, arguments)[0];
      for (size_t i = 0; i < x.size(); ++i) {
        const double step = 1e-6;
        EXPECT_NEAR(y[i], c.reference(x[i]), 1e-12 * (1 + std::fabs(y[i]))) << "at " << x[i];
        const double slope = (c.reference(x[i] + step) - c.reference(x[i] - step)) / (2 * step);
        EXPECT_NEAR(dx[i], g[i] * slope, 1e-7 * (1 + std::fabs(slope))) << "at " << x[i];
      }
    }
  }
}

struct BinaryCase {
  const char* name;
  Expr (*f)(Expr, Expr);
  double (*reference)(double, double);
};

const BinaryCase binary_cases[] = {
    {"add", [](Expr a, Expr b) { return a + b; }, [](double a, double b) { return a + b; }},
    {"sub", [](Expr a, Expr b) { return a - b; }, [](double a, double b) { return a - b; }},
    {"mul", [](Expr a, Expr b) { return a * b; }, [](double a, double b) { return a * b; }},
    {"div", [](Expr a, Expr b) { return a / b; }, [](double a, double b) { return a / b; }},
    {"pow", [](Expr a, Expr b) { return pow(a, b); }, [](double a, double b) { return std::pow(a, b); }},
    {"logaddexp", [](Expr a, Expr b) { return logaddexp(a, b); },
     [](double a, double b) { return std::fmax(a, b) + std::log1p(std::exp(-std::fabs(a - b))); }},
    {"atan2", [](Expr a, Expr b) { return atan2(a, b); }, [](double a, double b) { return std::atan2(a, b); }},
    {"maximum", [](Expr a, Expr b) { return maximum(a, b); }, [](double a, double b) { return std::fmax(a, b); }},
    {"minimum", [](Expr a, Expr b) { return minimum(a, b); }, [](double a, double b) { return std::fmin(a, b); }},
    {"where", [](Expr a, Expr b) { return where(a > b, a * b, a - b); },
     [](double a, double b) { return a > b ? a * b : a - b; }},
    {"lt", [](Expr a, Expr b) { return a < b; }, [](double a, double b) { return double(a < b); }},
    {"logic", [](Expr a, Expr b) { return (a < 1.0 || b > 1.0) && !(a >= b) && a != b; },
     [](double a, double b) { return double((a < 1 || b > 1) && a < b); }},
};

TEST(Derive, MatchesDifferencesOfEveryBinaryOperation) {
  std::vector<double> a, b, g;
  for (int i = 0; i < 60; ++i) {
    a.push_back(0.2 + 0.0513 * i);
    b.push_back(0.3 + std::fmod(0.777 * i, 2.6));
    g.push_back(std::sin(i));
  }
  for (const BinaryCase& c : binary_cases) {
    SCOPED_TRACE(c.name);
    const ElementwiseFunction f = build(2, [&](const std::vector<Expr>& x) { return std::vector{c.f(x[0], x[1])}; });
    const std::vector<double> y = run(f, {a, b})[0];
    Derivative d = derive(f, 3, true);
    d.function.compile();
    ASSERT_EQ(d.wanted, (std::vector<int>{0, 1}));
    std::vector<std::vector<double>> arguments;
    for (const DerivativeInput& input : d.inputs) {
      arguments.push_back(input.from == DerivativeInput::From::gradient ? g
                          : input.from == DerivativeInput::From::output ? y
                          : input.index == 0                            ? a
                                                                        : b);
    }
    if (arguments.empty()) arguments.push_back(a);
    const auto made = run(d.function, arguments);
    for (size_t i = 0; i < a.size(); ++i) {
      const double h = 1e-6;
      EXPECT_NEAR(y[i], c.reference(a[i], b[i]), 1e-12 * (1 + std::fabs(y[i])));
      const double da = (c.reference(a[i] + h, b[i]) - c.reference(a[i] - h, b[i])) / (2 * h);
      const double db = (c.reference(a[i], b[i] + h) - c.reference(a[i], b[i] - h)) / (2 * h);
      EXPECT_NEAR(made[0][i], g[i] * da, 1e-7 * (1 + std::fabs(da))) << "at " << a[i] << ", " << b[i];
      EXPECT_NEAR(made[1][i], g[i] * db, 1e-7 * (1 + std::fabs(db))) << "at " << a[i] << ", " << b[i];
    }
  }
}

TEST(Derive, ReadsOnlyWhatItNeeds) {
  const auto product = build(2, [](auto& x) { return std::vector{x[0] * x[1]}; });
  const Derivative first = derive(product, 1, true);
  ASSERT_EQ(first.inputs.size(), 2u) << "the other factor and the gradient";
  for (const DerivativeInput& input : first.inputs) {
    EXPECT_TRUE(input.from == DerivativeInput::From::gradient || input.index == 1);
  }
  const Derivative tanh_kept = derive(build([](Expr x) { return tanh(x); }), 1, true);
  for (const DerivativeInput& input : tanh_kept.inputs) EXPECT_NE(input.from, DerivativeInput::From::input);
  EXPECT_EQ(derive(build([](Expr x) { return x + 1.0; }), 1, true).inputs.size(), 1u);
}

TEST(Derive, TakesHigherDerivatives) {
  // The n-th derivative of sin(2x) is 2^n sin(2x + n pi / 2).
  ElementwiseFunction f = build([](Expr x) { return sin(2.0 * x); });
  const std::vector<double> x = spread(-2, 2), ones(x.size(), 1.0);
  for (int order = 1; order <= 4; ++order) {
    Derivative d = derive(f, 1, false);
    // Bind the gradient to 1: what is left is a function of x alone.
    ElementwiseFunction next;
    next.name = "f";
    next.inputs = 1;
    const ExprGraph::Building building(next.graph);
    std::vector<Expr> moved;
    for (const Instruction& node : d.function.graph.nodes()) {
      if (node.op == Op::input) {
        const bool is_x = d.inputs[node.index].from == DerivativeInput::From::input;
        moved.push_back(is_x ? next.graph.input(0) : next.graph.constant(1));
      } else if (node.op == Op::constant) {
        moved.push_back(next.graph.constant(node.value));
      } else {
        moved.push_back(
            next.graph.make(node.op, moved[node.operands[0]], moved[node.operands[1]], moved[node.operands[2]]));
      }
    }
    next.outputs = {moved[static_cast<size_t>(d.function.outputs[0].id())]};
    next.compile();
    f = std::move(next);
    const std::vector<double> y = run(f, {x})[0];
    for (size_t i = 0; i < x.size(); ++i) {
      EXPECT_NEAR(y[i], std::pow(2, order) * std::sin(2 * x[i] + order * std::acos(0.0)), 1e-9) << "order " << order;
    }
  }
}

TEST(Derive, AsksNothingOfWhatPassesNoGradient) {
  // The slopes of the quotient and of the root are not finite, but nothing flows through floor and comparisons.
  const auto f =
      build(2, [](auto& x) { return std::vector{where(sqrt(x[1]) < 1.0, x[0] - floor(x[0] / x[1]), x[1])}; });
  Derivative d = derive(f, 3, false);
  d.function.compile();
  std::vector<std::vector<double>> arguments;
  for (const DerivativeInput& input : d.inputs) {
    arguments.push_back({input.from == DerivativeInput::From::input && input.index == 1 ? 0.0 : 1.0});
  }
  EXPECT_EQ(run(d.function, arguments), (std::vector<std::vector<double>>{{1}, {0}}));
}

TEST(Derive, KeepsScalars) {
  const auto f = build(
      1, [](auto& x) { return std::vector{where(x[0] > 0.0, x[0], x[0] * x[1])}; }, 1);
  Derivative d = derive(f, 1, true);
  d.function.compile();
  EXPECT_EQ(d.function.scalars, 1);
  std::vector<std::vector<double>> arguments;
  for (const DerivativeInput& input : d.inputs) {
    arguments.push_back(input.from == DerivativeInput::From::gradient ? std::vector<double>{1, 1}
                                                                      : std::vector<double>{-2, 3});
  }
  EXPECT_EQ(run(d.function, arguments, {0.25})[0], (std::vector<double>{0.25, 1}));
}

// Values at the edges, as program.h defines them.
TEST(Program, DefinesTheEdges) {
  const auto at = [](const std::function<Expr(Expr)>& f, double x) { return run(build(f), {{x}})[0][0]; };
  EXPECT_EQ(at([](Expr x) { return sign(x); }, NAN), 0);
  EXPECT_TRUE(std::isnan(at([](Expr x) { return relu(x); }, NAN)));
  EXPECT_TRUE(std::isnan(at([](Expr x) { return maximum(x, 1.0); }, NAN)));
  EXPECT_TRUE(std::isnan(at([](Expr x) { return maximum(1.0, x); }, NAN)));
  EXPECT_TRUE(std::isnan(at([](Expr x) { return minimum(x, 1.0); }, NAN)));
  EXPECT_TRUE(std::isnan(at([](Expr x) { return softplus(x); }, NAN)));
  EXPECT_EQ(at([](Expr x) { return softplus(x); }, 1000), 1000);
  EXPECT_EQ(at([](Expr x) { return softplus(x); }, -1000), 0);
  EXPECT_EQ(at([](Expr x) { return sigmoid(x); }, -1000), 0);
  EXPECT_EQ(at([](Expr x) { return sigmoid(x); }, 1000), 1);
  EXPECT_EQ(at([](Expr x) { return round(x); }, 2.5), 2);
  EXPECT_EQ(at([](Expr x) { return round(x); }, -3.5), -4);
  EXPECT_EQ(at([](Expr x) { return isnan(x); }, NAN), 1);
  EXPECT_EQ(at([](Expr x) { return where(x, 1.0, 2.0); }, NAN), 1) << "NaN is not 0";
  EXPECT_EQ(at([](Expr x) { return pow(x, 0.0); }, NAN), 1);
  EXPECT_EQ(at([](Expr x) { return log(x); }, 0), -INFINITY);
  EXPECT_EQ(at([](Expr x) { return tanh(x); }, 400), 1);
  EXPECT_EQ(at([](Expr x) { return x != x; }, NAN), 1);
  EXPECT_EQ(at([](Expr x) { return x == x; }, NAN), 0);
}

TEST_P(OnEveryDevice, MapsStridedAndBroadcastInputs) {
  const auto f = build(2, [](auto& x) { return std::vector{x[0] * x[1] + x[0], x[0] - x[1]}; });
  for (const Shape& shape : test::odd_shapes()) {
    const Tensor a = test::random(shape, options());
    Shape one = shape;
    for (int axis = 0; axis < one.rank(); axis += 2) one[axis] = one[axis] == 0 ? 0 : 1;
    const Tensor b = test::random(one, options(), 2);
    std::vector<double> product, difference;
    const std::vector<double> av = a.to_vector<double>(), bv = raw::expand(b, shape).to_vector<double>();
    for (size_t i = 0; i < av.size(); ++i) {
      product.push_back(av[i] * bv[i] + av[i]);
      difference.push_back(av[i] - bv[i]);
    }
    for (const auto& [layout, x] : test::layouts_of(a)) {
      SCOPED_TRACE(fmt::format("{} {}", shape, layout));
      const Tensor first = empty(shape, options()), second = empty(shape, options());
      raw::map(f.program, f32, shape, {&x, &b}, {&first, &second});
      EXPECT_CLOSE(first, product);
      EXPECT_CLOSE(second, difference);
    }
  }
}

}  // namespace
}  // namespace fovea

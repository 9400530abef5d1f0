// Every differentiable operation, by name, against finite differences of first and second order: over odd shapes,
// broadcast and strided inputs; and values and gradients of the CPU against Vulkan.
#include <set>
#include <sstream>

#include "autograd/operations.h"
#include "fovea/autograd/einsum.h"
#include "fovea/autograd/indexing.h"
#include "fovea/autograd/losses.h"
#include "fovea/autograd/matmul.h"
#include "fovea/autograd/normalize.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/backends/memory_limit.h"
#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"

namespace fovea::test {
namespace {

Checks unary(const std::function<Tensor(const Tensor&)>& f, Make make = any_number) {
  Checks checks;
  for (const Shape& shape : {Shape{}, Shape{0}, Shape{1}, Shape{5}, Shape{3, 1, 2}}) {
    checks.push_back({{make(shape)}, [f](const Inputs& x) { return Outputs{f(x[0])}; }});
  }
  return checks;
}

Checks binary(const std::function<Tensor(const Tensor&, const Tensor&)>& f, Make make = any_number) {
  const std::pair<Shape, Shape> shapes[] = {{{3, 2}, {3, 2}},    {{2, 3}, {3}},    {{}, {2, 2}},
                                            {{2, 1, 2}, {3, 1}}, {{1, 3}, {2, 1}}, {{0, 2}, {1, 2}}};
  Checks checks;
  for (const auto& [a, b] : shapes) {
    checks.push_back({{make(a), make(b)}, [f](const Inputs& x) { return Outputs{f(x[0], x[1])}; }});
  }
  return checks;
}

Checks reduction(const std::function<Tensor(const Tensor&, const Axes&, bool)>& f, Make make = any_number) {
  Checks checks;
  const auto add = [&](const Shape& shape, const Axes& axes, bool keepdim) {
    checks.push_back({{make(shape)}, [=](const Inputs& x) { return Outputs{f(x[0], axes, keepdim)}; }});
  };
  add({}, {}, false);
  add({1, 1}, {}, true);
  add({5}, 0, false);
  add({2, 3, 2}, {}, false);
  add({2, 3, 2}, {0, -1}, true);
  add({2, 3, 2}, 1, false);
  add({3, 4}, -1, true);
  return checks;
}

const Axes last = -1;

/// A row per operation; members of Tensor by their own name.
Table basic_operations() {
  return {
      // pointwise.h
      {"operator-", [] {
         Checks checks = binary([](auto& a, auto& b) { return a - b; });
         for (Check& c : unary([](auto& x) { return -x; })) checks.push_back(c);
         return checks;
       }()},
      {"operator+", binary([](auto& a, auto& b) { return a + b + 1.5; })},
      {"operator*", binary([](auto& a, auto& b) { return 2.0 * a * b; })},
      {"operator/", binary([](auto& a, auto& b) { return a / b + 1.0 / a; }, positive)},
      {"neg", unary([](auto& x) { return neg(x) * x; })},
      {"add", binary([](auto& a, auto& b) { return add(a, b) * a; })},
      {"sub", binary([](auto& a, auto& b) { return sub(a, b) * b; })},
      {"mul", binary([](auto& a, auto& b) { return mul(a, b); })},
      {"div", binary([](auto& a, auto& b) { return div(a, b); }, positive)},
      {"floor_divide", binary([](auto& a, auto& b) { return floor_divide(a, b) * a; }, positive)},
      {"remainder", binary([](auto& a, auto& b) { return remainder(-a, b) * b; }, positive)},
      {"operator%", binary([](auto& a, auto& b) { return a % b; }, positive)},
      {"pow", [] {
         Checks checks = binary([](auto& a, auto& b) { return pow(a, b); }, positive);
         for (const double exponent : {2.0, 3.0, 0.5, -1.5, 1.0, 0.0}) {
           checks.push_back(one({positive({4})}, [=](const Inputs& x) { return pow(x[0], exponent); }));
         }
         checks.push_back(one({any_number({4})}, [](const Inputs& x) { return pow(x[0], 3); }));
         checks.push_back(one({any_number({4})}, [](const Inputs& x) { return pow(2.0, x[0]); }));
         return checks;
       }()},
      {"logaddexp", [] {
         Checks checks = binary([](auto& a, auto& b) { return logaddexp(a, b); });
         checks.push_back(one({any_number({4})}, [](const Inputs& x) { return logaddexp(x[0], x[0]); }));
         checks.push_back(one({any_number({4})}, [](const Inputs& x) { return logaddexp(x[0], 0.5); }));
         return checks;
       }()},
      {"atan2", [] {
         Checks checks = binary([](auto& a, auto& b) { return atan2(a, b); });
         checks.push_back(one({any_number({4})}, [](const Inputs& x) { return atan2(x[0], -2); }));
         checks.push_back(one({any_number({4})}, [](const Inputs& x) { return atan2(0.5, x[0]); }));
         return checks;
       }()},
      {"maximum", binary([](auto& a, auto& b) { return maximum(a, b); })},
      {"minimum", binary([](auto& a, auto& b) { return minimum(a, b); })},
      {"where", binary([](auto& a, auto& b) { return where(gt(a, b), a * b, square(a)); })},
      {"masked_fill", binary([](auto& a, auto& b) { return masked_fill(a * a + b, gt(a + b, 0.0), -7); })},
      {"abs", unary([](auto& x) { return abs(x); })},
      {"sign", unary([](auto& x) { return sign(x) * x; })},
      {"square", unary([](auto& x) { return square(x); })},
      {"sqrt", unary([](auto& x) { return sqrt(x); }, positive)},
      {"rsqrt", unary([](auto& x) { return rsqrt(x); }, positive)},
      {"reciprocal", unary([](auto& x) { return reciprocal(x); }, positive)},
      {"exp", unary([](auto& x) { return exp(x); })},
      {"expm1", unary([](auto& x) { return expm1(x); })},
      {"log", unary([](auto& x) { return log(x); }, positive)},
      {"log1p", unary([](auto& x) { return log1p(x); }, positive)},
      {"sin", unary([](auto& x) { return sin(x); })},
      {"cos", unary([](auto& x) { return cos(x); })},
      {"erf", unary([](auto& x) { return erf(x); })},
      {"floor", unary([](auto& x) { return floor(x) * x; })},
      {"ceil", unary([](auto& x) { return ceil(x) * x; })},
      {"round", unary([](auto& x) { return round(x) * x; })},
      {"clamp", unary([](auto& x) { return clamp(x, -0.5, 0.75) * x; })},
      {"tanh", unary([](auto& x) { return tanh(x); })},
      {"sigmoid", unary([](auto& x) { return sigmoid(x); })},
      {"relu", unary([](auto& x) { return relu(x) * x; })},
      {"leaky_relu", unary([](auto& x) { return leaky_relu(x, 0.2) * x; })},
      {"elu", unary([](auto& x) { return elu(x, 0.7); })},
      {"gelu", unary([](auto& x) { return gelu(x); })},
      {"gelu_tanh", unary([](auto& x) { return gelu_tanh(x); })},
      {"silu", unary([](auto& x) { return silu(x); })},
      {"softplus", unary([](auto& x) { return softplus(x); })},
      {"mish", unary([](auto& x) { return mish(x); })},
      {"hardsigmoid", unary([](auto& x) { return hardsigmoid(x) * x; })},

      // shape_ops.h
      {"sum_to", list({one({any_number({2, 3, 2})}, [](auto& x) { return square(sum_to(x[0], {3, 1})); }),
                       one({any_number({2, 3})}, [](auto& x) { return square(sum_to(x[0], {})); }),
                       one({any_number({2, 0})}, [](auto& x) { return square(sum_to(x[0], {2, 1})); })})},
      {"concat", list({one({any_number({2, 3}), any_number({2, 1}), any_number({2, 0})},
                           [](auto& x) { return concat(x, 1) * concat(x, -1); }),
                       one({any_number({3})}, [](auto& x) { return square(concat({x[0], x[0]})); })})},
      {"stack", list({one({any_number({2, 2}), any_number({2, 2})}, [](auto& x) { return square(stack(x, 1)); }),
                      one({any_number({}), any_number({})}, [](auto& x) { return square(stack(x)); })})},
      {"repeat", list({one({any_number({2, 3})}, [](auto& x) { return square(repeat(x[0], {2, 1, 3})); }),
                       one({any_number({1, 2})}, [](auto& x) { return square(repeat(x[0], {3, 2})); }),
                       one({any_number({2})}, [](auto& x) { return square(repeat(x[0], Shape{0})); })})},
      {"pad", list({one({any_number({2, 3})}, [](auto& x) { return square(pad(x[0], {1, 2, 0, 1}, 0.5)); }),
                    one({any_number({3, 4})}, [](auto& x) { return square(pad(x[0], {-1, 2, 1, -2})); }),
                    one({any_number({0})}, [](auto& x) { return square(pad(x[0], {1, 1})); })})},
      {"tril", list({one({any_number({3, 4})}, [](auto& x) { return square(tril(x[0], -1)); }),
                     one({any_number({2, 3, 3})}, [](auto& x) { return square(tril(x[0])); })})},
      {"triu", list({one({any_number({3, 4})}, [](auto& x) { return square(triu(x[0], 1)); }),
                     one({any_number({2, 3, 3})}, [](auto& x) { return square(triu(x[0])); })})},
      {"pixel_shuffle", list({one({any_number({1, 8, 1, 2})}, [](auto& x) { return square(pixel_shuffle(x[0], 2)); }),
                              one({any_number({9, 2, 1})}, [](auto& x) { return square(pixel_shuffle(x[0], 3)); })})},
      {"slice_scatter", list({one({any_number({2, 2})},
                                  [](auto& x) { return square(slice_scatter(x[0], {2, 5}, 1, 1, 3)); })})},

      {"overlap_add", list({one({any_number({2, 3, 2})}, [](auto& x) { return square(overlap_add(x[0], 1, 7, 2)); }),
                            one({any_number({2, 2, 4})}, [](auto& x) { return square(overlap_add(x[0], 0, 9, 1, 2)); })})},
      {"repeat_interleave",
       list({one({any_number({2, 3})}, [](auto& x) { return square(repeat_interleave(x[0], 3, 0)); }),
             one({any_number({2, 3})}, [](auto& x) { return square(repeat_interleave(x[0], 2, -1)); })})},
      {"roll", list({one({any_number({2, 5})}, [](auto& x) { return square(roll(x[0], {2, -1}, {1, 0})); }),
                     one({any_number({2, 3})}, [](auto& x) { return square(roll(x[0], {-4})); }),
                     one({any_number({2, 0})}, [](auto& x) { return square(roll(x[0], {1}, 1)); })})},
      {"diagonal_scatter", list({one({any_number({2, 3})},
                                     [](auto& x) { return square(diagonal_scatter(x[0], {4, 2, 3}, -1, 0, 2)); })})},

      // einsum.h
      {"einsum", list({one({any_number({2, 3, 4}), any_number({2, 5, 4})}, [](auto& x) { return einsum("bqd,bkd->bqk", x); }),
                       one({any_number({3, 2, 3})}, [](auto& x) { return square(einsum("iji->ji", x)); }),
                       one({any_number({2, 3}), any_number({3, 1}), any_number({2})},
                           [](auto& x) { return einsum("ij,jk,i", x); }),
                       one({any_number({2, 1, 3}), any_number({4, 3})}, [](auto& x) { return einsum("a...,...->...", x); }),
                       one({any_number({2, 3}), any_number({2, 3})}, [](auto& x) { return einsum("bi,bi->b", x); }),
                       one({any_number({2, 0}), any_number({0, 3})}, [](auto& x) { return einsum("ij,jk", x); })})},

      // members of Tensor
      {"reshape", list({one({any_number({2, 3, 2})}, [](auto& x) { return square(x[0].reshape({4, -1})); }),
                        one({any_number({2, 3})}, [](auto& x) { return square(x[0].mT().reshape({6})); })})},
      {"view", list({one({any_number({2, 3, 2})}, [](auto& x) { return square(x[0].contiguous().view({3, 4})); })})},
      {"permute", list({one({any_number({2, 3, 2})}, [](auto& x) { return square(x[0].permute({2, 0, 1})); })})},
      {"transpose", list({one({any_number({2, 3, 2})}, [](auto& x) { return square(x[0].transpose(0, -1)); })})},
      {"mT", list({one({any_number({2, 3, 2})}, [](auto& x) { return square(x[0].mT()); })})},
      {"slice", list({one({any_number({2, 5})}, [](auto& x) { return square(x[0].slice(1, 1, 5, 2)); }),
                      one({any_number({2, 5})}, [](auto& x) { return square(x[0].slice(0, 2)); }),
                      one({any_number({2, 4})}, [](auto& x) { return square(x[0].slice(1, 0, 4, 3)); })})},
      {"select", list({one({any_number({2, 3})}, [](auto& x) { return square(x[0].select(1, -1)); })})},
      {"expand", list({one({any_number({3, 1})}, [](auto& x) { return square(x[0].expand({2, 3, 2})); }),
                       one({any_number({})}, [](auto& x) { return square(x[0].expand({2})); }),
                       one({any_number({1})}, [](auto& x) { return square(x[0].expand(Shape{0})); })})},
      {"squeeze", list({one({any_number({2, 1, 3, 1})}, [](auto& x) { return square(x[0].squeeze()); }),
                        one({any_number({2, 1, 3})}, [](auto& x) { return square(x[0].squeeze(1)); })})},
      {"unsqueeze", list({one({any_number({2, 3})}, [](auto& x) { return square(x[0].unsqueeze(1)); })})},
      {"flatten", list({one({any_number({2, 3, 2})}, [](auto& x) { return square(x[0].flatten(1)); })})},
      {"split", list({{{any_number({5, 2})}, [](auto& x) { return square(x[0]).split(2); }}})},
      {"chunk", list({{{any_number({5, 2})}, [](auto& x) { return square(x[0]).chunk(3); }},
                      one({any_number({2, 5})}, [](auto& x) { return square(x[0]).chunk(2, 1)[1]; })})},
      {"unbind", list({{{any_number({3, 2})}, [](auto& x) { return square(x[0]).unbind(-1); }},
                       one({any_number({3, 2})}, [](auto& x) { return square(x[0]).unbind()[1]; })})},
      {"diagonal", list({one({any_number({3, 4})}, [](auto& x) { return square(x[0].diagonal(1)); }),
                         one({any_number({3, 2, 4})}, [](auto& x) { return square(x[0].diagonal(-1, 2, 0)); }),
                         one({any_number({2, 2})}, [](auto& x) { return square(x[0].diagonal(2)); })})},
      {"unfold", list({one({any_number({7, 2})}, [](auto& x) { return square(x[0].unfold(0, 3, 2)); }),
                       one({any_number({2, 7})}, [](auto& x) { return square(x[0].unfold(-1, 3, 1, 2)); })})},
      {"flip", list({one({any_number({2, 3})}, [](auto& x) { return square(x[0].flip({0, -1})); })})},
      {"contiguous", list({one({any_number({2, 3})}, [](auto& x) { return square(x[0].mT().contiguous()); })})},
      {"clone", list({one({any_number({2, 3})}, [](auto& x) { return square(x[0].clone()); })})},
      {"to", list({one({any_number({2, 3})}, [](auto& x) { return square(x[0].to(Device::cpu()).to(f64)); })})},

      // reductions.h
      {"sum", reduction([](auto& x, auto& axes, bool keep) { return square(sum(x, axes, keep)); })},
      {"mean", reduction([](auto& x, auto& axes, bool keep) { return square(mean(x, axes, keep)); })},
      {"amax", reduction([](auto& x, auto& axes, bool keep) { return square(amax(x, axes, keep)); })},
      {"amin", reduction([](auto& x, auto& axes, bool keep) { return square(amin(x, axes, keep)); })},
      {"logsumexp", reduction([](auto& x, auto& axes, bool keep) { return logsumexp(x, axes, keep); })},
      {"norm", reduction([](auto& x, auto& axes, bool keep) { return norm(x, axes, keep); }, positive)},
      {"var", list({one({any_number({5})}, [](auto& x) { return var(x[0]); }),
                    one({any_number({2, 3, 2})}, [](auto& x) { return var(x[0], {0, 2}, 0, true); }),
                    one({any_number({2, 3})}, [](auto& x) { return var(x[0], -1); })})},
      {"stddev", list({one({any_number({5})}, [](auto& x) { return stddev(x[0]); }),
                       one({any_number({2, 3, 2})}, [](auto& x) { return stddev(x[0], {0, 2}, 0, true); }),
                       one({any_number({2, 3})}, [](auto& x) { return stddev(x[0], -1); })})},
      {"prod", [] {
         Checks checks = reduction([](auto& x, auto& axes, bool keep) { return prod(x, axes, keep); });
         checks.push_back(one({tensor({2, 0, 3}, {f64})}, [](auto& x) { return prod(x[0]); }));
         checks.push_back(one({tensor({0, 2, 0, 3}, {f64})}, [](auto& x) { return prod(x[0]); }));
         return checks;
       }()},
      {"sort", list({one({any_number({2, 4})}, [](auto& x) { return square(sort(x[0]).values); }),
                     one({any_number({3, 2})}, [](auto& x) { return square(sort(x[0], 0, true).values); })})},
      {"topk", list({one({any_number({2, 5})}, [](auto& x) { return square(topk(x[0], 2).values); }),
                     one({any_number({4, 2})}, [](auto& x) { return square(topk(x[0], 3, 0).values); })})},
      {"cumsum", list({one({any_number({2, 4})}, [](auto& x) { return square(cumsum(x[0], -1)); }),
                       one({any_number({3, 2})}, [](auto& x) { return square(cumsum(x[0], 0)); }),
                       one({any_number({})}, [](auto& x) { return square(cumsum(x[0], 0)); })})},

      // matmul.h
      {"matmul", [] {
         const std::pair<Shape, Shape> shapes[] = {{{2, 3}, {3, 2}},       {{3}, {3}},          {{2, 3}, {3}},
                                                   {{3}, {3, 2}},          {{2, 2, 3}, {3, 2}}, {{2, 3}, {2, 3, 1}},
                                                   {{2, 1, 2, 3}, {2, 3, 2}}, {{1, 1}, {1, 1}}, {{2, 0}, {0, 3}},
                                                   {{0, 2}, {2, 3}},       {{2, 2, 0}, {0, 3}}};
         Checks checks;
         for (const auto& [a, b] : shapes) {
           checks.push_back(one({any_number(a), any_number(b)}, [](auto& x) { return matmul(x[0], x[1]); }));
         }
         return checks;
       }()},
      {"linear", [] {
         Checks checks;
         for (const Shape& shape : {Shape{3}, Shape{2, 3}, Shape{2, 2, 3}, Shape{0, 3}}) {
           checks.push_back(one({any_number(shape), any_number({2, 3}), any_number({2})},
                                [](auto& x) { return linear(x[0], x[1], x[2]); }));
           checks.push_back(
               one({any_number(shape), any_number({2, 3})}, [](auto& x) { return linear(x[0], x[1]); }));
         }
         checks.push_back(one({any_number({2, 0}), any_number({3, 0}), any_number({3})},
                              [](auto& x) { return linear(x[0], x[1], x[2]); }));
         checks.push_back(one({any_number({2, 3}), any_number({0, 3}), any_number({0})},
                              [](auto& x) { return linear(x[0], x[1], x[2]); }));
         return checks;
       }()},

      // normalize.h
      {"softmax", list({one({any_number({2, 4})}, [](auto& x) { return softmax(x[0], -1); }),
                        one({any_number({3, 2})}, [](auto& x) { return softmax(x[0], 0); }),
                        one({any_number({})}, [](auto& x) { return softmax(x[0], 0) * x[0]; }),
                        one({any_number({2, 0})}, [](auto& x) { return softmax(x[0], -1); })})},
      {"log_softmax", list({one({any_number({2, 4})}, [](auto& x) { return log_softmax(x[0], -1); }),
                            one({any_number({3, 2, 2})}, [](auto& x) { return log_softmax(x[0], 1); })})},
      {"layer_norm", list({one({any_number({2, 4}), any_number({4}), any_number({4})},
                               [](auto& x) { return layer_norm(x[0], x[1], x[2]); }),
                           one({any_number({2, 2, 3}), any_number({3})}, [](auto& x) { return layer_norm(x[0], x[1]); }),
                           one({any_number({5})}, [](auto& x) { return layer_norm(x[0]); })})},
      {"rms_norm", list({one({any_number({2, 4}), any_number({4})}, [](auto& x) { return rms_norm(x[0], x[1]); }),
                         one({any_number({2, 3})}, [](auto& x) { return rms_norm(x[0]); })})},
      {"cosine_similarity", list({one({any_number({2, 4}), any_number({2, 4})},
                                      [](auto& x) { return cosine_similarity(x[0], x[1]); }),
                                  one({any_number({3, 1, 2}), any_number({1, 4, 2})},
                                      [](auto& x) { return cosine_similarity(x[0], x[1], -1, 0.1); }),
                                  one({any_number({1, 3}), any_number({2, 1})},
                                      [](auto& x) { return cosine_similarity(x[0], x[1], 0); })})},
      {"l2_normalize", list({one({any_number({2, 4})}, [](auto& x) { return l2_normalize(x[0]); }),
                             one({any_number({3, 2})}, [](auto& x) { return l2_normalize(x[0], 0); })})},

      // indexing.h
      {"index_select", list({one({any_number({3, 2}), integers({2, 0, 2, 2}, {4})},
                                 [](auto& x) { return square(index_select(x[0], 0, x[1])); }),
                             one({any_number({2, 3}), integers({1, 1}, {2})},
                                 [](auto& x) { return square(index_select(x[0], -1, x[1])); }),
                             one({any_number({2, 3, 2}), integers({2, 0, 2}, {3})},
                                 [](auto& x) { return square(index_select(x[0], 1, x[1])); }),
                             one({any_number({2, 16, 2}), integers({9}, {1})},
                                 [](auto& x) { return square(index_select(x[0], 1, x[1])); })})},
      {"masked_select", list({one({any_number({2, 3}), gt(any_number({2, 3}), 0.0)},
                                  [](auto& x) { return square(masked_select(x[0], x[1])); }),
                              one({any_number({2, 1}), gt(any_number({3}), 0.0)},
                                  [](auto& x) { return square(masked_select(x[0], x[1])); }),
                              one({any_number({3}), zeros({3}, {boolean})},
                                  [](auto& x) { return square(masked_select(x[0], x[1])); })})},
      {"gather", list({one({any_number({2, 3}), integers({2, 0, 0, 1}, {2, 2})},
                           [](auto& x) { return square(gather(x[0], 1, x[1])); }),
                       one({any_number({3, 2}), integers({2}, {1, 1})},
                           [](auto& x) { return square(gather(x[0], 0, x[1])); }),
                       one({any_number({}), integers({0}, {})}, [](auto& x) { return square(gather(x[0], 0, x[1])); })})},
      {"scatter_add", list({one({any_number({2, 3}), integers({2, 2, 0, 1}, {2, 2}), any_number({2, 2})},
                                [](auto& x) { return square(scatter_add(x[0], 1, x[1], x[2])); }),
                            one({any_number({2, 3}), integers({1}, {1, 1}), any_number({2, 2})},
                                [](auto& x) { return square(scatter_add(x[0], 0, x[1], x[2])); }),
                            one({any_number({3, 2}), integers({2, 0, 2}, {3, 1}), any_number({3, 2})},
                                [](auto& x) {
                                  const Tensor rows = x[1].defined() && x[2].defined() ? x[1].expand(x[2].shape()) : x[1];
                                  return square(scatter_add(x[0], 0, rows, x[2]));
                                })})},
      {"index_add", list({one({any_number({3, 2}), integers({2, 0, 2, 2}, {4}), any_number({4, 2})},
                              [](auto& x) { return square(index_add(x[0], 0, x[1], x[2])); }),
                          one({any_number({2, 3, 2}), integers({1, 1}, {2}), any_number({2, 2, 2})},
                              [](auto& x) { return square(index_add(x[0], 1, x[1], x[2])); }),
                          one({any_number({3}), integers({1, 1, 0}, {3}), any_number({3})},
                              [](auto& x) { return square(index_add(x[0], 0, x[1], x[2])); })})},
      {"scatter_reduce", [] {
         Checks checks;
         using enum ScatterReduction;
         for (const ScatterReduction reduction : {sum, mean, amax, amin, prod}) {
           for (const bool include_self : {true, false}) {
             checks.push_back(one({any_number({2, 3}), integers({2, 2, 0, 2, 0, 0}, {2, 3}), any_number({2, 3})},
                                  [=](const Inputs& x) {
                                    return square(scatter_reduce(x[0], 1, x[1], x[2], reduction, include_self));
                                  }));
             checks.push_back(one({any_number({3, 2}), integers({2, 2}, {2, 1}), any_number({3, 2})},
                                  [=](const Inputs& x) {
                                    return square(scatter_reduce(x[0], 0, x[1], x[2], reduction, include_self));
                                  }));
           }
         }
         return checks;
       }()},
      {"embedding", list({one({integers({1, 0, 1, 3}, {2, 2}), any_number({4, 2})},
                              [](auto& x) { return square(embedding(x[0], x[1])); })})},
      {"embedding_bag", list({one({integers({1, 0, 1, 3, 2}, {5}), integers({1, 2, 2}, {3}), any_number({4, 2})},
                                  [](auto& x) { return square(embedding_bag(x[0], x[2], x[1], true, {.padding_index = 3})); }),
                              one({integers({1, 0, 1, 3, 2}, {5}), integers({0, 2, 2}, {3}), any_number({4, 2})},
                                  [](auto& x) { return square(embedding_bag(x[0], x[2], x[1])); }),
                              one({integers({1, 0, 1, 3, 2}, {5}), integers({0, 1}, {2}), any_number({4, 2})},
                                  [](auto& x) { return square(embedding_bag(x[0], x[2], x[1], true)); })})},

      // losses.h
      {"mse_loss", loss([](auto& x, auto& y, auto r) { return mse_loss(x, y, r); }, any_number, any_number)},
      {"l1_loss", loss([](auto& x, auto& y, auto r) { return l1_loss(x, y, r); }, any_number, any_number)},
      {"huber_loss", loss([](auto& x, auto& y, auto r) { return huber_loss(x, y, 0.8, r); }, any_number, any_number)},
      {"smooth_l1_loss", loss([](auto& x, auto& y, auto r) { return smooth_l1_loss(x, y, 0.5, r); }, any_number,
                              any_number)},
      {"binary_cross_entropy_with_logits", [] {
         Checks checks = loss([](auto& x, auto& y, auto r) { return binary_cross_entropy_with_logits(x, spread(y, x), r); },
                              any_number, positive);
         for (const Reduction reduction : {Reduction::none, Reduction::mean, Reduction::sum}) {
           checks.push_back(one({any_number({3, 2}), positive({3, 2}), positive({2}), positive({3, 1})},
                                [=](auto& x) { return binary_cross_entropy_with_logits(x[0], x[1], {x[2], x[3], reduction}); }));
           checks.push_back(one({any_number({3, 2}), positive({3, 2}), positive({2})},
                                [=](auto& x) { return binary_cross_entropy_with_logits(x[0], x[1], {{}, x[2], reduction}); }));
         }
         return checks;
       }()},
      {"binary_cross_entropy", loss([](auto& x, auto& y, auto r) { return binary_cross_entropy(sigmoid(x), spread(y, x), r); },
                                    any_number, positive)},
      {"kl_div", loss([](auto& x, auto& y, auto r) { return kl_div(x, y, r); }, any_number, positive)},
      {"hinge_loss", loss([](auto& x, auto& y, auto r) { return hinge_loss(x, y, r); }, any_number, any_number)},

  };
}

}  // namespace

const Table& operations() {
  static const Table rows = [] {
    Table all = basic_operations();
    all.merge(structured_operations());
    all.merge(layer_operations());
    return all;
  }();
  return rows;
}

namespace {

class Operation : public ::testing::TestWithParam<std::string> {};

/// Leaves that hold `x`'s values in another order of memory, and the view that makes x of them.
struct Relaid {
  std::string name;
  Tensor (*lay)(const Tensor& x);
  Tensor (*read)(const Tensor& leaf);
};

const Relaid relaid[] = {
    {"transposed", [](const Tensor& x) { return x.rank() < 2 ? x : x.transpose(0, -1).clone(); },
     [](const Tensor& leaf) { return leaf.rank() < 2 ? leaf : leaf.transpose(0, -1); }},
    {"backwards", [](const Tensor& x) { return x.rank() < 1 ? x : x.flip(-1).clone(); },
     [](const Tensor& leaf) { return leaf.rank() < 1 ? leaf : leaf.flip(-1); }},
    {"a column of something wider",
     [](const Tensor& x) {
       return stack({x, x * 2.0}, -1);
     },
     [](const Tensor& leaf) { return leaf.select(-1, 0); }},
};

TEST_P(Operation, HasItsDerivatives) {
  for (const Check& check : operations().at(GetParam())) {
    std::string shapes;
    for (const Tensor& x : check.inputs) shapes += to_string(x.shape());
    SCOPED_TRACE(shapes);
    EXPECT_TRUE(gradients_hold(check.function, check.inputs));
  }
}

TEST_P(Operation, HasItsDerivativesOfStridedInputs) {
  for (const Check& check : operations().at(GetParam())) {
    for (const Relaid& layout : relaid) {
      Inputs leaves;
      std::string shapes;
      for (const Tensor& x : check.inputs) {
        leaves.push_back(is_floating(x.dtype()) ? layout.lay(x) : x);
        shapes += to_string(x.shape());
      }
      SCOPED_TRACE(layout.name + " " + shapes);
      const auto read = [&](const Inputs& given) {
        Inputs x;
        for (const Tensor& leaf : given) x.push_back(is_floating(leaf.dtype()) ? layout.read(leaf) : leaf);
        return check.function(x);
      };
      EXPECT_TRUE(gradients_hold(read, leaves));
    }
  }
}

/// The operation that an error is of: itself, but for operators, which go by their words, for what is another one by a
/// second name, and where a check gives its input to another one first.
bool is_name_of(const std::string& told, const std::string& operation) {
  static const std::multimap<std::string, std::string> others{
      {"operator+", "add"},
      {"operator-", "sub"},
      {"operator-", "neg"},
      {"operator*", "mul"},
      {"operator/", "div"},
      {"operator%", "remainder"},
      {"remainder", "neg"},
      {"mT", "transpose"},
      {"smooth_l1_loss", "huber_loss"},
      {"where", "square"},
      {"where", "mul"},
      {"where", "gt"},  // compilers evaluate arguments in orders of their own
      {"masked_fill", "add"},
      {"masked_fill", "mul"},
      {"cross_entropy", "log_softmax"},
      {"nll_loss", "log_softmax"},
      {"ctc_loss", "log_softmax"},
      {"binary_cross_entropy", "sigmoid"},
      {"attention_weights", "mul"},
      {"entmax15", "mul"},
      {"unbind", "square"},
      {"split", "square"},
      {"chunk", "square"},
      {"view", "contiguous"},
      {"reshape", "transpose"},
      {"contiguous", "transpose"},
  };
  const auto [begin, end] = others.equal_range(operation);
  return told == operation || std::any_of(begin, end, [&](const auto& other) { return other.second == told; });
}

TEST_P(Operation, NamesItselfWhereATensorIsUndefined) {
  for (const Check& check : operations().at(GetParam())) {
    for (size_t i = 0; i < check.inputs.size(); ++i) {
      Inputs inputs = check.inputs;
      inputs[i] = {};
      try {
        check.function(inputs);  // some may be left out
      } catch (const Error& error) {
        const std::string text = error.what();
        EXPECT_TRUE(is_name_of(text.substr(0, text.find(':')), GetParam())) << "input " << i << ": " << text;
        EXPECT_THAT(text, testing::HasSubstr("cpp:")) << "input " << i;
      }
    }
  }
}

TEST_P(Operation, NamesTheUsersLineWhereMemoryEnds) {
  struct Limit {
    Limit() { set_memory_limit(Device::Kind::cpu, 1); }
    ~Limit() { set_memory_limit(Device::Kind::cpu, 0); }
  };
  for (const Check& check : operations().at(GetParam())) {
    try {
      const Limit none;
      check.function(check.inputs);
    } catch (const OutOfMemoryError& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("operations")) << GetParam();
    }
  }
}

TEST_P(Operation, IsTheSameOnVulkan) {
  if (const std::string& reason = obstacle(Device::vulkan()); !reason.empty()) GTEST_SKIP() << "skipped: " << reason;
  for (const Check& check : operations().at(GetParam())) {
    std::string shapes;
    for (const Tensor& x : check.inputs) shapes += to_string(x.shape());
    SCOPED_TRACE(shapes);
    const std::vector<Tensor> want = results_on(Device::cpu(), check.function, check.inputs);
    const std::vector<Tensor> got = results_on(Device::vulkan(), check.function, check.inputs);
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < got.size(); ++i) EXPECT_CLOSE(got[i], want[i], 1e-4, 1e-5) << "result " << i;
  }
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const auto& [name, checks] : operations()) all.push_back(name);
  return all;
}

/// Test names take no signs: "operator+" becomes "operator_plus".
std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  static const std::map<char, std::string> signs{
      {'+', "_plus"}, {'-', "_minus"}, {'*', "_times"}, {'/', "_over"}, {'%', "_modulo"}};
  std::string text;
  for (char c : info.param) text += signs.contains(c) ? signs.at(c) : std::string(1, c);
  return text;
}

INSTANTIATE_TEST_SUITE_P(Autograd, Operation, ::testing::ValuesIn(names()), test_name);

}  // namespace
}  // namespace fovea::test

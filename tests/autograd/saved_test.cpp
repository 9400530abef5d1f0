// What a pass finds changed, or not a number.
#include <cmath>

#include "fovea/autograd/backward.h"
#include "fovea/autograd/indexing.h"
#include "fovea/autograd/losses.h"
#include "fovea/autograd/matmul.h"
#include "fovea/autograd/normalize.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/recurrent.h"
#include "fovea/autograd/reductions.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/tensor/creation.h"
#include "support/expect.h"
#include "support/layouts.h"

namespace fovea {
namespace {

TEST(Saved, TellsWhenAnInputWasChanged) {
  const Tensor x = tensor({1, 2}).set_requires_grad();
  Tensor factor = tensor({3, 4});
  const Tensor y = sum(x * factor);
  factor.mul_(2);
  EXPECT_ERROR(y.backward(), "mul: a value saved for its backward was changed in place (saved_test.cpp:");
}

TEST(Saved, NamesTheOperationAndItsLine) {
  const Tensor x = tensor({1, 2}).set_requires_grad();
  Tensor factor = tensor({3, 4});
  const unsigned line = __LINE__ + 1;
  const Tensor y = x * factor;
  factor.fill_(0);
  EXPECT_ERROR(sum(y).backward(),
               fmt::format("mul: a value saved for its backward was changed in place (saved_test.cpp:{})", line));
}

TEST(Saved, TellsWhenAnOutputWasChanged) {
  const Tensor x = tensor({1, 2}).set_requires_grad();
  const Tensor y = exp(x);  // its derivative reads its result
  y.detach().fill_(0);
  EXPECT_ERROR(sum(y).backward(), "exp: a value saved for its backward was changed in place (saved_test.cpp:");
}

TEST(Saved, TellsWhenAViewWasChanged) {
  const Tensor x = tensor({1, 2, 3, 4}).set_requires_grad();
  Tensor factor = tensor({1, 2, 3, 4});
  const Tensor y = x.reshape({2, 2}) * factor.reshape({2, 2});
  factor.slice(0, 3).fill_(9);
  EXPECT_ERROR(sum(y).backward(), "mul: a value saved for its backward was changed in place (saved_test.cpp:");
}

TEST(Saved, LetsBeChangedWhatNoDerivativeReads) {
  const Tensor x = tensor({1, 2}).set_requires_grad();
  Tensor summand = tensor({3, 4});
  const Tensor y = x + summand;
  summand.fill_(0);
  sum(y).backward();
  EXPECT_CLOSE(x.grad(), {1, 1});
}

TEST(Saved, TellsInEveryOperationWithAKernel) {
  const auto changed = [](const char* name, const std::function<Tensor(const Tensor&)>& f) {
    const Tensor x = test::random({2, 2}, {}, 3).set_requires_grad();
    const Tensor y = sum(square(f(x)));
    x.detach().add_(ones({2, 2}));
    EXPECT_ERROR(y.backward(), fmt::format("{}: a value saved for its backward was changed in place", name));
  };
  changed("matmul", [](const Tensor& x) { return matmul(x, x.mT()); });
  changed("linear", [](const Tensor& x) { return linear(x, x); });
  changed("layer_norm", [](const Tensor& x) { return layer_norm(x); });
  changed("rms_norm", [](const Tensor& x) { return rms_norm(x); });
  changed("amax", [](const Tensor& x) { return amax(x, -1); });
  changed("cross_entropy",
          [](const Tensor& x) { return cross_entropy(x, zeros({2}, {i32}), {.reduction = Reduction::none}); });
  changed("recurrent", [](const Tensor& x) {
    return recurrent(ones({1, 3, 2}), x, {}, {.kind = RecurrentKind::rnn_tanh}).output;
  });
}

TEST(Saved, TellsWhenAnIndexWasChanged) {
  const Tensor x = test::random({3, 2}).set_requires_grad();
  Tensor index = from_vector(std::vector<int32_t>{0, 2});
  const Tensor y = sum(index_select(x, 0, index));
  index.fill_(1);
  EXPECT_ERROR(y.backward(), "index_select: a value saved for its backward was changed in place (saved_test.cpp:");
}

TEST(Saved, TellsWhenASoftmaxWasChanged) {
  const Tensor x = test::random({3, 2}).set_requires_grad();
  const Tensor y = softmax(x, -1);
  y.detach().fill_(1);
  EXPECT_ERROR(sum(square(y.detach()) * y).backward(),
               "softmax: a value saved for its backward was changed in place (saved_test.cpp:");
}

TEST(Anomaly, NamesTheOperationThatMadeANaN) {
  const AnomalyMode on;
  const Tensor x = tensor({-1, 4}).set_requires_grad();
  const unsigned line = __LINE__ + 1;
  EXPECT_ERROR(sqrt(x), fmt::format("sqrt: NaN in its result [2] (saved_test.cpp:{})", line));
  EXPECT_ERROR(sum(log(x)), "log: NaN in its result [2] (saved_test.cpp:");
  EXPECT_ERROR(matmul(tensor({INFINITY, -INFINITY}).set_requires_grad(), tensor({1, 1})),
               "matmul: NaN in its result [1, 1] (saved_test.cpp:");
}

TEST(Anomaly, NamesTheOperationWhoseBackwardMadeANaN) {
  const AnomalyMode on;
  const Tensor x = tensor({0, 1}).set_requires_grad();
  const unsigned line = __LINE__ + 1;
  const Tensor y = x * x;
  const Tensor z = sum(sqrt(y));  // its gradient at 0 is infinite, and infinity times 0 is the first NaN
  EXPECT_ERROR(z.backward(), fmt::format("mul: NaN in its gradient [2] (saved_test.cpp:{})", line));
}

TEST(Anomaly, ChecksOperationsOfSeveralOutputs) {
  const AnomalyMode on;
  const Tensor x = tensor({0, 1}).set_requires_grad();
  EXPECT_ERROR(record("pair", std::vector<Tensor>{zeros({2}), full({2}, NAN)}, std::array{x},
                      [](std::span<const Tensor> g, Needs) { return Gradients{g[0]}; }),
               "pair: NaN in its result [2] (saved_test.cpp:");
}

TEST(Anomaly, IsOffOutside) {
  { const AnomalyMode on; }
  const Tensor x = tensor({-1}).set_requires_grad();
  const Tensor y = sqrt(x);
  y.backward();
  EXPECT_TRUE(std::isnan(x.grad().item()));
}

}  // namespace
}  // namespace fovea

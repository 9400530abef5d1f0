#include "fovea/nn/weight_norm.h"

#include <gmock/gmock.h>

#include <cmath>

#include "layer_checks.h"
#include "support/layer_table.h"

namespace fovea::test {
namespace {

using nn::SpectralNorm;
using nn::WeightNorm;
using ::testing::ElementsAre;

/// Each row of v as long as g says.
Numbers rows_of_lengths(const Known& p, const std::vector<Numbers>&) {
  Numbers v = p["weight_v"];
  const Numbers& g = p["weight_g"];
  const size_t rows = g.values.size(), width = v.values.size() / rows;
  for (size_t r = 0; r < rows; ++r) {
    double square = 0;
    for (size_t i = 0; i < width; ++i) square += v.values[r * width + i] * v.values[r * width + i];
    for (size_t i = 0; i < width; ++i) v.values[r * width + i] *= g.values[r] / std::sqrt(square);
  }
  return v;
}

/// W / u^T W v.
Numbers by_product(const Known& p, const std::vector<Numbers>&) {
  const Numbers &w = p["weight_orig"], &u = p["weight_u"], &v = p["weight_v"];
  double product = 0;
  for (size_t i = 0; i < u.values.size(); ++i) {
    for (size_t j = 0; j < v.values.size(); ++j) {
      product += u.values[i] * w.values[i * v.values.size() + j] * v.values[j];
    }
  }
  return each(w, [=](double x) { return x / product; });
}

std::vector<LayerRow> weight_norm_rows() {
  const auto spectral = [](const Shape& shape) {
    return [=] {
      auto module = std::make_unique<SpectralNorm>(random(shape));
      module->eval();
      return module;
    };
  };
  const auto weight = [](const auto& m, const Inputs&) { return m.forward(); };
  return {
      row<nn::WeightNorm>("WeightNorm", built<WeightNorm>(random({3, 4})), {}, weight, rows_of_lengths),
      row<nn::WeightNorm>("WeightNorm_of_kernels", built<WeightNorm>(random({2, 3, 2, 2})), {}, weight,
                          rows_of_lengths),
      row<nn::WeightNorm>("WeightNorm_of_a_vector", built<WeightNorm>(random({3})), {}, weight, rows_of_lengths),
      row<nn::SpectralNorm>("SpectralNorm_in_evaluation",
                            std::function<std::unique_ptr<SpectralNorm>()>(spectral({3, 4})), {}, weight, by_product),
      row<nn::SpectralNorm>("SpectralNorm_of_kernels_in_evaluation",
                            std::function<std::unique_ptr<SpectralNorm>()>(spectral({3, 2, 1, 2})), {}, weight,
                            by_product),
  };
}

INSTANTIATE_TEST_SUITE_P(WeightNorms, Layer, ::testing::ValuesIn(weight_norm_rows()), row_name);

TEST(WeightNorm, BeginsAsTheWeight) {
  const Tensor weight = random({3, 4});
  WeightNorm norm(weight);
  EXPECT_THAT(described(norm), ElementsAre("weight_g [3, 1]", "weight_v [3, 4]"));
  EXPECT_CLOSE(norm.forward(), weight);
  {
    const NoGrad off;
    norm.weight_v.mul_(3);
  }
  EXPECT_CLOSE(norm.forward(), weight);
  EXPECT_FALSE(weight.requires_grad());
}

TEST(SpectralNorm, FindsTheGreatestSingularValue) {
  // U diag(3, 2, 1) V^T of two reflections.
  const Tensor a = l2_normalize(random({4, 1}, {f64}), 0), b = l2_normalize(random({3, 1}, {f64}, 2), 0);
  const Tensor u = eye(4, 3, {.dtype = f64}) - 2.0 * matmul(a, a.mT()).slice(1, 0, 3);
  const Tensor v = eye(3, 3, {.dtype = f64}) - 2.0 * matmul(b, b.mT());
  const Tensor weight = matmul(u * from_vector({3.0, 2.0, 1.0}), v.mT());
  manual_seed(3);
  SpectralNorm norm(weight);
  for (int i = 0; i < 50; ++i) norm.forward();
  EXPECT_CLOSE(norm.forward(), weight / 3.0, 1e-9, 1e-9);
  norm.eval();
  EXPECT_CLOSE(norm.forward(), weight / 3.0, 1e-9, 1e-9);
}

TEST(SpectralNorm, MovesOnInTrainingAlone) {
  manual_seed(4);
  SpectralNorm norm(random({5, 6}));
  {
    const NoGrad off;
    norm.weight_orig.copy_(random({5, 6}, {}, 2));
  }
  const Tensor first = norm.weight_u.clone();
  norm.eval();
  norm.forward();
  EXPECT_CLOSE(norm.weight_u, first, 0, 0);
  norm.train();
  const Tensor one = sum(norm.forward());
  EXPECT_NE(norm.weight_u.to_vector<float>(), first.to_vector<float>());
  norm.forward();
  one.backward();  // reads the singular vectors of its own pass
  EXPECT_TRUE(norm.weight_orig.grad().defined());
  EXPECT_THAT(described(norm), ElementsAre("weight_orig [5, 6]"));
}

TEST(WeightNorms, NameTheCallerOfAWeightThatCannotBe) {
  EXPECT_ERROR(WeightNorm(scalar(1)), "WeightNorm: a scalar has no rows (weight_norm_test.cpp:");
  EXPECT_ERROR(WeightNorm(ones({2, 2}, {.dtype = i32})), "WeightNorm: ");
  EXPECT_ERROR(SpectralNorm(ones({3})), "SpectralNorm: [3] is no matrix with a singular value (weight_norm_test.cpp:");
  EXPECT_ERROR(SpectralNorm(ones({3, 0})), "SpectralNorm: [3, 0] is no matrix with a singular value");
  EXPECT_ERROR(SpectralNorm(ones({3, 2}), {.n_power_iterations = 0}),
               "SpectralNorm: 0 power iterations and eps 1e-12 (weight_norm_test.cpp:");
  EXPECT_ERROR(SpectralNorm(Tensor()), "SpectralNorm: an undefined tensor is used (weight_norm_test.cpp:");
}

}  // namespace
}  // namespace fovea::test

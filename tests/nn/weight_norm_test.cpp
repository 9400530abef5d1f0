#include "fovea/nn/weight_norm.h"

#include <gmock/gmock.h>

#include <cmath>
#include <optional>

#include "layer_checks.h"
#include "support/layer_table.h"

namespace fovea::test {
namespace {

using nn::SpectralNorm;
using nn::WeightNorm;
using ::testing::ElementsAre;

/// An element's row where rows stand along `axis` of `shape`, and its place within the row; of none there is one row.
struct RowPlace {
  size_t row, within;
};
RowPlace place_of(size_t element, const Shape& shape, std::optional<int> axis) {
  if (!axis) return {0, element};
  size_t inner = 1;
  for (int i = *axis + 1; i < shape.rank(); ++i) inner *= static_cast<size_t>(shape[i]);
  const auto n = static_cast<size_t>(shape[*axis]);
  return {element / inner % n, element / (inner * n) * inner + element % inner};
}

/// Each row of v as long as g says.
auto rows_of_lengths(std::optional<int> axis) {
  return [axis](const Known& p, const std::vector<Numbers>&) {
    Numbers v = p["weight_v"];
    const Numbers& g = p["weight_g"];
    std::vector<double> squares(g.values.size(), 0);
    for (size_t i = 0; i < v.values.size(); ++i) {
      squares[place_of(i, v.shape, axis).row] += v.values[i] * v.values[i];
    }
    for (size_t i = 0; i < v.values.size(); ++i) {
      const size_t row = place_of(i, v.shape, axis).row;
      v.values[i] *= g.values[row] / std::sqrt(squares[row]);
    }
    return v;
  };
}

/// W / u^T W v.
auto by_product(int axis) {
  return [axis](const Known& p, const std::vector<Numbers>&) {
    const Numbers &w = p["weight_orig"], &u = p["weight_u"], &v = p["weight_v"];
    double product = 0;
    for (size_t i = 0; i < w.values.size(); ++i) {
      const RowPlace place = place_of(i, w.shape, axis);
      product += u.values[place.row] * w.values[i] * v.values[place.within];
    }
    return each(w, [=](double x) { return x / product; });
  };
}

std::vector<LayerRow> weight_norm_rows() {
  const auto weight = [](const auto& m, const Inputs&) { return m.forward(); };
  const auto normed = [&](const char* name, const Shape& shape, std::optional<int> dim) {
    return row<nn::WeightNorm>(name, built<WeightNorm>(random(shape), nn::WeightNormOptions{dim}), {}, weight,
                               rows_of_lengths(dim && *dim < 0 ? *dim + shape.rank() : dim));
  };
  const auto spectral = [&](const char* name, const Shape& shape, int dim) {
    const auto make = [=] {
      auto module = std::make_unique<SpectralNorm>(random(shape), nn::SpectralNormOptions{.dim = dim});
      module->eval();
      return module;
    };
    return row<nn::SpectralNorm>(name, std::function<std::unique_ptr<SpectralNorm>()>(make), {}, weight,
                                 by_product(dim < 0 ? dim + shape.rank() : dim));
  };
  return {normed("WeightNorm", {3, 4}, 0),
          normed("WeightNorm_of_kernels", {2, 3, 2, 2}, 0),
          normed("WeightNorm_of_a_vector", {3}, 0),
          normed("WeightNorm_of_columns", {3, 4}, 1),
          normed("WeightNorm_along_the_last_axis", {2, 3, 4}, -1),
          normed("WeightNorm_of_the_whole", {2, 3, 2}, std::nullopt),
          spectral("SpectralNorm_in_evaluation", {3, 4}, 0),
          spectral("SpectralNorm_of_kernels_in_evaluation", {3, 2, 1, 2}, 0),
          spectral("SpectralNorm_of_transposed_kernels_in_evaluation", {3, 2, 1, 2}, 1),
          spectral("SpectralNorm_along_the_last_axis_in_evaluation", {2, 3, 4}, -1)};
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
  const WeightNorm columns(weight, {.dim = 1}), whole(weight, {.dim = std::nullopt});
  EXPECT_THAT(described(columns), ElementsAre("weight_g [1, 4]", "weight_v [3, 4]"));
  EXPECT_THAT(described(whole), ElementsAre("weight_g []", "weight_v [3, 4]"));
  EXPECT_CLOSE(columns.forward(), weight);
  EXPECT_CLOSE(whole.forward(), weight);
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

TEST(SpectralNorm, TakesTheAxisOfItsRows) {
  const Tensor weight = random({3, 2, 4}, {f64});
  for (const int dim : {0, 1, 2, -1}) {
    manual_seed(3);
    SpectralNorm norm(weight, {.dim = dim});
    for (int i = 0; i < 50; ++i) norm.forward();
    manual_seed(3);
    SpectralNorm rows(weight.transpose(0, dim).contiguous());
    for (int i = 0; i < 50; ++i) rows.forward();
    EXPECT_CLOSE(norm.forward().transpose(0, dim), rows.forward(), 1e-9, 1e-9);
    EXPECT_EQ(norm.weight_u.shape(), (Shape{weight.size(dim)}));
  }
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
  EXPECT_ERROR(WeightNorm(ones({2, 3}), {.dim = 2}),
               "WeightNorm: axis 2 is not among the 2 of the tensor (weight_norm_test.cpp:");
  EXPECT_ERROR(SpectralNorm(ones({2, 3}), {.dim = -3}),
               "SpectralNorm: axis -3 is not among the 2 of the tensor (weight_norm_test.cpp:");
  EXPECT_ERROR(SpectralNorm(Tensor()), "SpectralNorm: an undefined tensor is used (weight_norm_test.cpp:");
}

}  // namespace
}  // namespace fovea::test

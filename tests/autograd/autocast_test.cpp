#include "fovea/autograd/autocast.h"

#include "fovea/autograd/attention.h"
#include "fovea/autograd/backward.h"
#include "fovea/autograd/convolution.h"
#include "fovea/autograd/elementwise.h"
#include "fovea/autograd/matmul.h"
#include "fovea/autograd/recurrent.h"
#include "fovea/autograd/reductions.h"
#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"

namespace fovea::test {
namespace {

TEST_P(OnEveryDevice, AutocastComputesProductsInASmallerDtypeAndTheirGradients) {
  Tensor a = randn({5, 7}, options()).set_requires_grad(), b = randn({7, 3}, options()).set_requires_grad();
  const Tensor bias = randn({3}, options());
  const Tensor exact = matmul(a, b);
  for (const DType small : {f16, bf16}) {
    // With f32 sums and operands that were rounded; most devices round the result, too.
    const auto rounded = [&](const Tensor& x) { return x.detach().to(small).to(f32); };
    const double of_result = small == bf16 ? 0x1p-8 : 0x1p-11;
    Tensor product, affine;
    {
      const Autocast half(small);
      EXPECT_EQ(Autocast::product_dtype(), small);
      product = matmul(a, b);
      affine = linear(a, b.mT(), bias);
    }
    EXPECT_EQ(product.dtype(), f32);
    EXPECT_CLOSE(product.detach(), matmul(rounded(a), rounded(b)), of_result, 1e-6);
    EXPECT_CLOSE(affine.detach(), linear(rounded(a), rounded(b).mT(), bias), 4 * of_result, 4 * of_result);
    EXPECT_CLOSE(product.detach(), exact.detach(), 5e-2, 5e-2);

    a.set_grad({});
    b.set_grad({});
    sum(product).backward();
    const Tensor ones_of_it = ones({5, 3}, options());
    EXPECT_EQ(a.grad().dtype(), f32);
    EXPECT_CLOSE(a.grad(), matmul(ones_of_it, rounded(b).mT()), of_result, 1e-6);
    EXPECT_CLOSE(b.grad(), matmul(rounded(a).mT(), ones_of_it), of_result, 1e-6);
  }
}

TEST_P(OnEveryDevice, AutocastChangesAttentionByRoundingAlone) {
  std::vector<Tensor> inputs;
  for (int i = 0; i < 3; ++i) inputs.push_back(randn({2, 4, 70, 16}, options()).set_requires_grad());
  const auto run = [&](DType precision) {
    for (Tensor& x : inputs) x.set_grad({});
    Tensor out;
    {
      const Autocast products(precision);
      out = scaled_dot_product_attention(inputs[0], inputs[1], inputs[2], {.causal = true});
    }
    sum(out * out).backward();
    return std::vector{out.detach(), inputs[0].grad(), inputs[1].grad(), inputs[2].grad()};
  };
  const std::vector<Tensor> exact = run(f32), rounded = run(bf16);
  for (size_t i = 0; i < exact.size(); ++i) {
    EXPECT_EQ(rounded[i].dtype(), f32);
    EXPECT_CLOSE(rounded[i], exact[i], 5e-2, 1e-1);
  }
}

TEST_P(OnEveryDevice, AutocastChangesConvolutionByRoundingAlone) {
  Tensor x = randn({3, 4, 9, 11}, options()).set_requires_grad(), bias = randn({6}, options()).set_requires_grad();
  Tensor weight = randn({6, 2, 3, 3}, options()).set_requires_grad();
  Tensor turned = randn({4, 3, 3, 2}, options()).set_requires_grad();
  const auto run = [&](DType precision) {
    for (Tensor* each : {&x, &weight, &bias, &turned}) each->set_grad({});
    Tensor out, transposed;
    {
      const Autocast products(precision);
      out = conv2d(x, weight, bias, {.stride = {1, 2}, .padding = {1, 1}, .groups = 2});
      transposed = conv_transpose2d(x, turned, {}, {.stride = {2, 1}});
    }
    (sum(out * out) + sum(transposed * transposed)).backward();
    return std::vector{out.detach(), transposed.detach(), x.grad(), weight.grad(), bias.grad(), turned.grad()};
  };
  const std::vector<Tensor> exact = run(f32), rounded = run(bf16);
  bool differs = false;
  for (size_t i = 0; i < exact.size(); ++i) {
    EXPECT_EQ(rounded[i].dtype(), f32);
    // The sums are of a dozen to some hundred terms, each off by up to 2^-8 of itself.
    const double greatest = amax(abs(exact[i])).item();
    EXPECT_CLOSE(rounded[i], exact[i], 0, 0.02 * greatest) << i;
    differs = differs || amax(abs(rounded[i] - exact[i])).item() > 0;
  }
  EXPECT_EQ(differs, x.backend().has_bf16_operands());
}

TEST_P(OnEveryDevice, AutocastChangesRecurrentLayersByRoundingAlone) {
  Tensor projected = randn({5, 6, 3 * 20}, options()).set_requires_grad();
  Tensor weight = (randn({3 * 20, 20}, options()) * 0.2).detach().set_requires_grad();
  const auto run = [&](DType precision) {
    for (Tensor* each : {&projected, &weight}) each->set_grad({});
    RecurrentResult result;
    {
      const Autocast products(precision);
      result = recurrent(projected, weight, {}, {.kind = RecurrentKind::gru});
    }
    sum(result.output * result.output).backward();  // rounds as the forward pass did
    return std::vector{result.output.detach(), projected.grad(), weight.grad()};
  };
  const std::vector<Tensor> exact = run(f32), rounded = run(bf16);
  for (size_t i = 0; i < exact.size(); ++i) {
    EXPECT_EQ(rounded[i].dtype(), f32);
    EXPECT_CLOSE(rounded[i], exact[i], 0, 0.03 * amax(abs(exact[i])).item()) << i;
  }
}

TEST(Autocast, LeavesOtherDtypesAloneAndEndsWithItsScope) {
  const Tensor a = randn({2, 2}).to(f64);
  {
    const Autocast half(bf16);
    EXPECT_EQ(matmul(a, a).dtype(), f64);
    {
      const Autocast whole(f32);
      EXPECT_EQ(Autocast::product_dtype(), f32);
    }
    EXPECT_EQ(Autocast::product_dtype(), bf16);
  }
  EXPECT_EQ(Autocast::product_dtype(), f32);
  EXPECT_THROW(Autocast{i32}, DTypeError);
}

}  // namespace
}  // namespace fovea::test

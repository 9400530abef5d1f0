#include "workloads.h"

namespace fovea::bench {
namespace {

/// A step that runs `f` on random tensors, without recording.
template <class F>
Workload operation(std::string name, std::vector<Shape> shapes, F f) {
  return {std::move(name), [shapes, f](Device device) -> Prepared {
            std::vector<Tensor> inputs;
            for (const Shape& shape : shapes) inputs.push_back(randn(shape).to(device));
            return {[inputs, f] {
              const NoGrad off;
              return f(inputs);
            }};
          }};
}

Prepared chain(Device device) {
  const Tensor start = randn({16}).to(device), y = randn({16}).to(device);
  return {[start, y] {
    Tensor x = start.clone().set_requires_grad();
    Tensor z = x;
    for (int i = 0; i < 500; ++i) z = z * y + y;
    sum(z).backward();
    return x.grad();
  }};
}

Prepared attention(Device device) {
  std::vector<Tensor> inputs;
  for (int i = 0; i < 3; ++i) inputs.push_back(randn({4, 8, 512, 64}).to(device).set_requires_grad());
  return {[inputs] {
    for (Tensor x : inputs) x.zero_grad();
    const Tensor total = sum(scaled_dot_product_attention(inputs[0], inputs[1], inputs[2]));
    total.backward();
    return total;
  }};
}

}  // namespace

std::vector<Workload> operation_workloads() {
  using Inputs = const std::vector<Tensor>&;
  return {
      {"op_chain_500", chain},
      operation("op_matmul_512", {{512, 512}, {512, 512}}, [](Inputs x) { return matmul(x[0], x[1]); }),
      operation("op_matmul_2048", {{2048, 2048}, {2048, 2048}}, [](Inputs x) { return matmul(x[0], x[1]); }),
      operation("op_add_1m", {{1024, 1024}, {1024, 1024}}, [](Inputs x) { return x[0] + x[1]; }),
      operation("op_gelu_1m", {{1024, 1024}}, [](Inputs x) { return gelu(x[0]); }),
      operation("op_softmax_4096x1024", {{4096, 1024}}, [](Inputs x) { return softmax(x[0], -1); }),
      operation("op_layer_norm_4096x1024", {{4096, 1024}, {1024}, {1024}},
                [](Inputs x) { return layer_norm(x[0], x[1], x[2]); }),
      operation("op_sum_rows_4096x1024", {{4096, 1024}}, [](Inputs x) { return sum(x[0], 0); }),
      operation("op_transpose_copy_2048", {{2048, 2048}}, [](Inputs x) { return x[0].mT().contiguous(); }),
      {"op_attention_train", attention},
  };
}

}  // namespace fovea::bench

#include <cmath>

#include "doctor/check.h"
#include "fovea/fovea.h"

namespace fovea::doctor {
namespace {

using Tensors = std::vector<Tensor>;

/// Numbers that are the same in every run.
class Numbers {
 public:
  Tensor normal(const Shape& shape) { return randn(shape, {f64}, generator_); }
  Tensor positive(const Shape& shape) { return rand(shape, {f64}, generator_) + 0.5; }
  Tensor below(int64_t bound, const Shape& shape) { return randint(0, bound, shape, {i32}, generator_); }

 private:
  Generator generator_{7, 0};
};

template <class F>
std::function<Tensors(const Tensors&)> one(F f) {
  return [f](const Tensors& x) { return Tensors{f(x)}; };
}

void add_elementwise(std::vector<Check>& checks, Numbers& numbers) {
  checks.push_back({"map", {numbers.normal({70, 33}), numbers.positive({33})}, one([](const Tensors& x) {
                      return gelu(x[0] * 0.5) + exp(-square(x[0])) / x[1] + tanh(x[0]);
                    })});
  checks.push_back({"map by fours", {numbers.normal({64, 128}), numbers.normal({64, 128})}, one([](const Tensors& x) {
                      return x[0] * x[1] + x[0];
                    })});
  checks.back().differences = false;
  checks.push_back({"map that folds", {numbers.normal({9, 40, 11})}, [](const Tensors& x) -> Tensors {
                      return {sum(x[0], {0, 2}), mean(x[0], 1), amax(x[0], -1)};
                    }});
}

void add_products(std::vector<Check>& checks, Numbers& numbers) {
  const auto product = one([](const Tensors& x) { return matmul(x[0], x[1]); });
  checks.push_back({"matmul", {numbers.normal({130, 65}), numbers.normal({65, 97})}, product});
  checks.push_back({"matmul, larger", {numbers.normal({300, 260}), numbers.normal({260, 520})}, product});
  checks.back().differences = false;
  checks.push_back({"matmul, long inner size", {numbers.normal({5, 3000}), numbers.normal({3000, 7})}, product});
  checks.push_back({"matmul, batched and transposed",
                    {numbers.normal({3, 2, 20, 36}), numbers.normal({2, 28, 36})},
                    one([](const Tensors& x) { return matmul(x[0], x[1].mT()); })});
  checks.push_back({"matmul with bias",
                    {numbers.normal({33, 20}), numbers.normal({18, 20}), numbers.normal({18})},
                    one([](const Tensors& x) { return linear(x[0], x[1], x[2]); })});
  checks.push_back({.kernel = "matmul of f16",
                    .inputs = {numbers.normal({64, 128}), numbers.normal({128, 72})},
                    .run = product,
                    .dtype = f16,
                    .within = 5e-3});
  checks.push_back({.kernel = "matmul of bf16",
                    .inputs = {numbers.normal({64, 128}), numbers.normal({128, 72})},
                    .run = product,
                    .dtype = bf16,
                    .within = 4e-2});
}

void add_rows(std::vector<Check>& checks, Numbers& numbers) {
  checks.push_back({"softmax", {numbers.normal({21, 300})}, one([](const Tensors& x) { return softmax(x[0], -1); })});
  checks.push_back(
      {"log_softmax", {numbers.normal({21, 60})}, one([](const Tensors& x) { return log_softmax(x[0], -1); })});
  checks.push_back({"layer_norm",
                    {numbers.normal({19, 130}), numbers.normal({130}), numbers.normal({130})},
                    one([](const Tensors& x) { return layer_norm(x[0], x[1], x[2]); })});
  checks.push_back({"rms_norm", {numbers.normal({19, 130}), numbers.normal({130})}, one([](const Tensors& x) {
                      return rms_norm(x[0], x[1]);
                    })});
  checks.push_back({"cross_entropy", {numbers.normal({40, 50}), numbers.below(50, {40})}, one([](const Tensors& x) {
                      return cross_entropy(x[0], x[1], {.label_smoothing = 0.1});
                    })});
}

void add_indexing(std::vector<Check>& checks, Numbers& numbers) {
  checks.push_back({"gather", {numbers.below(30, {50}), numbers.normal({30, 24})}, one([](const Tensors& x) {
                      return embedding(x[0], x[1]);
                    })});
  checks.push_back({"scatter_add",
                    {numbers.normal({8, 20}), numbers.below(20, {8, 15}), numbers.normal({8, 15})},
                    one([](const Tensors& x) { return scatter_add(x[0], 1, x[1], x[2]); })});
  const Tensor offsets = from_vector(std::vector<int32_t>{0, 4, 4, 17}, Shape{4});
  checks.push_back({"bag", {numbers.below(30, {25}), offsets, numbers.normal({30, 12})}, one([](const Tensors& x) {
                      return embedding_bag(x[0], x[2], x[1], true);
                    })});
}

void add_bands(std::vector<Check>& checks, Numbers& numbers) {
  checks.push_back({"band", {numbers.normal({2, 3, 7, 5})}, one([](const Tensors& x) {
                      return interpolate(x[0], {4, 12});
                    })});
}

void add_ordering(std::vector<Check>& checks, Numbers& numbers) {
  const auto scan = one([](const Tensors& x) { return cumsum(x[0], -1); });
  checks.push_back({"scan", {numbers.normal({7, 200})}, scan});
  checks.push_back({"scan, long", {numbers.normal({2, 9000})}, scan});
  checks.back().differences = false;
  checks.push_back({.kernel = "arg_reduce",
                    .inputs = {numbers.normal({30, 70})},
                    .run = [](const Tensors& x) -> Tensors {
                      return {argmax(x[0]), argmin(x[0])};
                    },
                    .within = 0,
                    .gradients = false});
  for (const int64_t n : {500, 3000}) {
    checks.push_back({.kernel = n == 500 ? "sort" : "sort, long",
                      .inputs = {numbers.normal({6, n})},
                      .run = [](const Tensors& x) -> Tensors {
                        const Sorted sorted = sort(x[0]);
                        return {sorted.values, sorted.indices};
                      },
                      .within = 1e-6,
                      .gradients = false});
  }
  checks.push_back({.kernel = "random",
                    .inputs = {numbers.normal({1})},
                    .run = [](const Tensors& x) -> Tensors {
                      // The same numbers on every device, in f32: f64 has others.
                      Generator generator{3, 5};
                      const TensorOptions options{f32, x[0].device()};
                      return {rand({300}, options, generator), randn({300}, options, generator)};
                    },
                    .within = 1e-5,
                    .gradients = false});
}

void add_layers(std::vector<Check>& checks, Numbers& numbers) {
  struct Layer {
    RecurrentKind kind;
    const char* name;
    int64_t batch, time, hidden;
  };
  for (const auto& [kind, name, batch, time, hidden] : {Layer{RecurrentKind::rnn_tanh, "recurrent, rnn", 3, 8, 10},
                                                        {RecurrentKind::gru, "recurrent, gru", 3, 8, 10},
                                                        {RecurrentKind::lstm, "recurrent, lstm", 3, 8, 10},
                                                        {RecurrentKind::lstm, "recurrent, wide lstm", 70, 3, 160}}) {
    const int64_t width = gates(kind) * hidden;
    const double scale = 1 / std::sqrt(static_cast<double>(hidden));
    checks.push_back(
        {name,
         {numbers.normal({batch, time, width}), numbers.normal({width, hidden}) * scale, numbers.normal({width})},
         [kind = kind](const Tensors& x) -> Tensors {
           const RecurrentResult result = recurrent(x[0], x[1], x[2], {.kind = kind});
           return {result.output, result.h};
         }});
    checks.back().differences = hidden < 100;
  }
  checks.push_back(
      {"convolution",
       {numbers.normal({2, 4, 11, 9}), numbers.normal({6, 2, 3, 3}), numbers.normal({6})},
       one([](const Tensors& x) { return conv2d(x[0], x[1], x[2], {.stride = 2, .padding = 1, .groups = 2}); })});
  checks.push_back({"convolution in tiles",
                    {numbers.normal({2, 16, 14, 13}), numbers.normal({24, 16, 3, 3}), numbers.normal({24})},
                    one([](const Tensors& x) { return conv2d(x[0], x[1], x[2], {.padding = 1}); })});
  checks.back().differences = false;
  checks.push_back({"pool", {numbers.normal({2, 3, 10, 8})}, [](const Tensors& x) -> Tensors {
                      return {max_pool2d(x[0], 3, {.stride = 2, .padding = 1}), avg_pool2d(x[0], 2)};
                    }});
  checks.push_back({"attention",
                    {numbers.normal({2, 4, 19, 8}), numbers.normal({2, 2, 23, 8}), numbers.normal({2, 2, 23, 8})},
                    one([](const Tensors& x) {
                      return scaled_dot_product_attention(x[0], x[1], x[2], {.causal = true, .offset = 4});
                    })});
  checks.push_back(
      {"attention in tiles",
       {numbers.normal({2, 2, 150, 80}), numbers.normal({2, 2, 170, 80}), numbers.normal({2, 2, 170, 80}),
        numbers.normal({2, 150, 170})},
       one([](const Tensors& x) { return scaled_dot_product_attention(x[0], x[1], x[2], {.bias = x[3]}); })});
  checks.back().differences = false;
}

}  // namespace

std::vector<Check> built_in_checks() {
  std::vector<Check> checks;
  Numbers numbers;
  add_elementwise(checks, numbers);
  add_products(checks, numbers);
  add_rows(checks, numbers);
  add_indexing(checks, numbers);
  add_bands(checks, numbers);
  add_ordering(checks, numbers);
  add_layers(checks, numbers);
  return checks;
}

}  // namespace fovea::doctor

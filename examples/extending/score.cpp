// A new attention score: scores are a tensor [..., Q, T] of any origin, which the library turns into weights and a read.
#include "check.h"

using namespace fovea;

/// -|q - k|^2 / 2 w^2 of queries [..., Q, D] and keys [..., T, D] -> [..., Q, T]: near keys answer (Tsai et al. 2019,
/// the kernel of a radial basis). |q - k|^2 = q.q - 2 q.k + k.k, so that no [..., Q, T, D] is made.
Tensor radial_scores(const Tensor& query, const Tensor& keys, double width) {
  static const Elementwise f{"radial_score", [](Expr qk, Expr qq, Expr kk, Scalar width) {
                               return (2.0 * qk - qq - kk) / (2.0 * square(width));
                             }};
  return f(matmul(query, keys.mT()), sum(square(query), -1, true), sum(square(keys), -1, true).mT(), width);
}

Attended radial_attention(const Tensor& query, const Tensor& keys, const Tensor& values, const Tensor& keep = {}) {
  const Tensor weights = nn::attention_weights(radial_scores(query, keys, 0.7), keep, nn::Weights::entmax15);
  return {nn::attention_read(weights, values), weights};
}

int main() {
  manual_seed(4);
  const Tensor query = leaf({2, 3, 4}), keys = leaf({2, 5, 4}), values = leaf({2, 5, 2});
  const Attended out = radial_attention(query, keys, values);
  check(out.read.shape() == Shape{2, 3, 2}, "a read per query");
  check(close(sum(out.weights, -1), ones({2, 3}, {.dtype = f64}), 1e-12), "weights sum to 1");

  const Tensor apart = query.unsqueeze(2) - keys.unsqueeze(1);
  check(close(radial_scores(query, keys, 0.7), sum(square(apart), -1) * (-1 / (2 * 0.49)), 1e-12), "the definition");
  check_derivatives(
      [](const std::vector<Tensor>& in) {
        const Attended made = radial_attention(in[0], in[1], in[2]);
        return std::vector{made.read, made.weights};
      },
      {query, keys, values});

  const Device device = any_device();
  const auto there = [&](const Tensor& x) { return x.detach().to(f32).to(device); };
  check(close(radial_attention(there(query), there(keys), there(values)).read, out.read.to(f32), 1e-5),
        "every device gives the same");
}

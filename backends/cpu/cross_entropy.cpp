#include <cmath>

#include "fovea/backends/cpu/elements.h"
#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/math.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/threads.h"

namespace fovea::cpu {
namespace {

// Class ids by row, each checked to be a class or `ignore`.
class Targets {
 public:
  Targets(const View& view, int64_t classes, int64_t ignore)
      : data_(view.data<int32_t>()), step_(view.strides[0]), ignore_(ignore) {
    for (int64_t row = 0; row < view.shape[0]; ++row) {
      const int64_t target = (*this)[row];
      if (target != ignore && (target < 0 || target >= classes))
        raise<IndexError>({}, "cross_entropy: target {} at row {} is outside [0, {})", target, row, classes);
    }
  }
  int64_t operator[](int64_t row) const { return data_[row * step_]; }
  bool ignored(int64_t row) const { return (*this)[row] == ignore_; }

 private:
  const int32_t* data_;
  int64_t step_;
  int64_t ignore_;
};

// What log p of a class is computed from: x[c] - greatest - log_sum, in this order, since greatest + log_sum would lose
// the digits of log_sum where logits are large.
template <class V>
struct LogSum {
  V greatest, log_sum;

  LogSum(const V* x, int64_t classes)
      : greatest(maximum(x, classes)), log_sum(std::log(sum_exp(x, greatest, classes))) {}
  V minus(V x) const { return (greatest - x) + log_sum; }
};

// sum over c of w[c] * -log p[c]; `terms` has room for the classes.
template <class V>
V spread_loss(const V* x, const V* weight, const LogSum<V>& lse, int64_t classes, V* terms) {
  for (int64_t c = 0; c < classes; ++c) terms[c] = lse.minus(x[c]);
  return weight ? dot(weight, terms, classes) : sum(terms, classes);
}

}  // namespace

void cross_entropy(const CrossEntropyCall& call) {
  const int64_t rows = call.logits.shape[0], classes = call.logits.shape[1];
  const Targets targets(call.targets, classes, call.ignore_index);
  visit_floating("cross_entropy", call.logits.dtype, [&]<class T>(T) {
    using V = Compute<T>;
    const T* logits = call.logits.data<T>();
    const DenseVector<T> weight(call.class_weight);
    const RowValues<V> loss(call.loss);
    const V smoothing = static_cast<V>(call.label_smoothing);
    parallel_for(rows, rows_per_chunk(classes, 8192), [&](int64_t begin, int64_t end) {
      const Scratch<V> in(classes), terms(smoothing != 0 ? classes : 0);
      for (int64_t row = begin; row < end; ++row) {
        if (targets.ignored(row)) {
          loss.set(row, 0);
          continue;
        }
        const V* x = load_row(logits + row * classes, classes, in.data());
        const LogSum<V> lse(x, classes);
        const int64_t t = targets[row];
        V value = (weight ? weight[t] : V(1)) * lse.minus(x[t]);
        if (smoothing != 0)
          value = (1 - smoothing) * value +
                  smoothing / static_cast<V>(classes) * spread_loss(x, weight.data(), lse, classes, terms.data());
        loss.set(row, value);
      }
    });
  });
}

void cross_entropy_backward(const CrossEntropyBackwardCall& call) {
  const int64_t rows = call.logits.shape[0], classes = call.logits.shape[1];
  const Targets targets(call.targets, classes, call.ignore_index);
  visit_floating("cross_entropy_backward", call.logits.dtype, [&]<class T>(T) {
    using V = Compute<T>;
    const T* logits = call.logits.data<T>();
    T* dlogits = call.dlogits.data<T>();
    const DenseVector<T> weight(call.class_weight);
    const RowValues<V> dloss(call.dloss);
    const V smoothing = static_cast<V>(call.label_smoothing), each = smoothing / static_cast<V>(classes);
    const V all = weight ? sum(weight.data(), classes) : static_cast<V>(classes);
    parallel_for(rows, rows_per_chunk(classes, 8192), [&](int64_t begin, int64_t end) {
      const Scratch<V> in(classes), out(classes);
      for (int64_t row = begin; row < end; ++row) {
        V* d = result_row(dlogits + row * classes, out.data());
        if (targets.ignored(row)) {
          for (int64_t c = 0; c < classes; ++c) d[c] = 0;
        } else {
          // d loss / dx[c] = p[c] * ((1 - s) w[t] + s / classes * sum w) - s / classes * w[c] - [c == t] (1 - s) w[t]
          const V* x = load_row(logits + row * classes, classes, in.data());
          const int64_t t = targets[row];
          const V upstream = dloss.get(row), hit = upstream * (1 - smoothing) * (weight ? weight[t] : V(1));
          const V scale = hit + upstream * each * all;
          const V share = scale / exp_shifted(x, maximum(x, classes), d, classes);
          for (int64_t c = 0; c < classes; ++c) d[c] *= share;
          if (each != 0 && weight) {
            for (int64_t c = 0; c < classes; ++c) d[c] -= upstream * each * weight[c];
          } else if (each != 0) {
            for (int64_t c = 0; c < classes; ++c) d[c] -= upstream * each;
          }
          d[t] -= hit;
        }
        store_row(d, classes, dlogits + row * classes);
      }
    });
  });
}

}  // namespace fovea::cpu

#include <gtest/gtest.h>

#include "backends/array.h"

namespace fovea::test {
namespace {

/// A call's arrays; the bias has size 1 along the axes that `bias` says, and is repeated there.
struct Pass {
  Array q, k, v, out, lse, bias, dout, dq, dk, dv, dbias;

  Pass(int64_t batch, int64_t heads, int64_t queries, int64_t keys, const Shape& bias_shape) {
    const int64_t d = 16;
    q = noise({batch, heads, queries, d}, 1);
    k = noise({batch, heads, keys, d}, 2);
    v = noise({batch, heads, keys, d}, 3);
    out = make({batch, heads, queries, d});
    lse = make({batch, heads, queries});
    bias = noise(bias_shape, 4);
    dbias = make(bias_shape);
    const Shape all{batch, heads, queries, keys};
    for (int axis = 0; axis < 4; ++axis) {
      if (bias_shape[axis] == 1) bias.view.strides[axis] = 0;
    }
    bias.view.shape = all;
    dout = noise({batch, heads, queries, d}, 5);
    dq = make({batch, heads, queries, d});
    dk = make({batch, heads, keys, d});
    dv = make({batch, heads, keys, d});
  }
  void run() const {
    const AttentionCall call{q, k, v, out, lse, &bias, nullptr, 0.25};
    cpu().attention(call);
    cpu().attention_backward({call, dout, dq, dk, dv, &dbias});
  }
};

// Where tasks share a bias, they share its gradient too: no two threads may add to it at the same time.
TEST(Attention, GivesTheSameBytesOnAnyNumberOfThreadsWhateverSharesABias) {
  const int64_t batch = 3, heads = 4, queries = 520, keys = 260;
  for (const Shape& shape : {Shape{1, heads, queries, keys}, Shape{batch, 1, queries, keys},
                             Shape{batch, heads, 1, keys}, Shape{1, 1, 1, keys}, Shape{1, 1, 1, 1}}) {
    SCOPED_TRACE(to_string(shape));
    expect_same_bytes_on_any_threads([&] {
      const Pass pass(batch, heads, queries, keys, shape);
      pass.run();
      return std::vector{pass.out, pass.dq, pass.dk, pass.dv, pass.dbias};
    });
  }
}

TEST(Attention, TheGradientOfASharedBiasIsTheSumOfThoseOfItsCopies) {
  for (int64_t queries : {2, 150}) {
    for (int axes = 0; axes < 16; ++axes) {
      const Shape all{2, 3, queries, 70};
      Shape shape = all;
      for (int axis = 0; axis < 4; ++axis) shape[axis] = axes >> axis & 1 ? 1 : all[axis];
      const Pass shared(2, 3, queries, 70, shape);
      Pass copied(2, 3, queries, 70, all);
      for (int64_t i = 0; i < all.numel(); ++i) copied.bias.set(i, shared.bias.get(i));
      shared.run();
      copied.run();
      std::vector<double> want(static_cast<size_t>(shape.numel()), 0);
      for (int64_t i = 0; i < all.numel(); ++i) {
        int64_t place = 0, rest = i, step = 1;
        for (int axis = 3; axis >= 0; rest /= all[axis], step *= shape[axis], --axis)
          place += shape[axis] == 1 ? 0 : rest % all[axis] * step;
        want[static_cast<size_t>(place)] += copied.dbias.get(i);
      }
      SCOPED_TRACE(to_string(shape));
      expect_close(shared.dbias.values(), want, 1e-4);
    }
  }
}

// Keys that a thread has packed are those of one call: the next one may find others in their place.
TEST(Attention, ReadsKeysAndValuesAnewInEachCall) {
  const Pass pass(1, 1, 40, 600, {1, 1, 1, 1}), other(1, 1, 40, 600, {1, 1, 1, 1});
  pass.run();
  for (const Pass* each : {&pass, &other}) {
    fill(each->k, 8);
    fill(each->v, 9);
  }
  pass.run();
  other.run();
  EXPECT_EQ(pass.out.values(), other.out.values());
  EXPECT_EQ(pass.dq.values(), other.dq.values());
}

}  // namespace
}  // namespace fovea::test

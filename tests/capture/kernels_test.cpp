#include "fovea/autograd/capture.h"

#include "fovea/fovea.h"
#include "support/device.h"
#include "support/expect.h"

// Every kernel does in a replay what it did as written, with all that it was told.
namespace fovea::test {
namespace {

/// f(leaf, argument) and the leaf's gradient, captured and as written, bit for bit, in each of some runs.
void expect_the_same(const Tensor& leaf, const std::function<Tensor(const Tensor& leaf, const Tensor& x)>& f,
                     const std::function<Tensor()>& argument) {
  const auto as_written = [&](const Tensor& x) {
    const Tensor y = f(leaf, x);
    return std::array{y, autograd::grad({sum(y * y)}, {leaf})[0]};
  };
  auto step = capture(as_written);
  for (uint64_t run = 0; run < 5; ++run) {
    manual_seed(100 + run);
    const Tensor x = argument();
    manual_seed(run);
    const auto want = as_written(x);
    manual_seed(run);
    const auto got = step(x);
    EXPECT_CLOSE(got[0], want[0], 0, 0) << run;
    EXPECT_CLOSE(got[1], want[1], 0, 0) << run << ", the gradient";
  }
  EXPECT_EQ(step.stats().replays, 3u);
}

std::function<Tensor()> numbers(const Shape& shape, const TensorOptions& options) {
  return [=] { return randn(shape, options); };
}
std::function<Tensor()> indices(int64_t end, const Shape& shape, Device device) {
  return [=] { return randint(0, end, shape, {.dtype = i32}).to(device); };
}

TEST_P(OnEveryDevice, CaptureKeepsWhatKernelsOfRowsAreTold) {
  manual_seed(7);
  const auto x = numbers({6, 8}, options());
  const Tensor w = randn({6, 8}, options()).set_requires_grad(), scale = randn({8}, options()),
               shift = randn({8}, options());
  expect_the_same(
      w, [](const Tensor& w, const Tensor& x) { return softmax(w * x, 0); }, x);
  expect_the_same(
      w, [](const Tensor& w, const Tensor& x) { return log_softmax(w * x, -1); }, x);
  expect_the_same(
      w, [&](const Tensor& w, const Tensor& x) { return layer_norm(w * x, scale, shift, 0.5); }, x);
  expect_the_same(
      w, [](const Tensor& w, const Tensor& x) { return cumsum(w * x, 0); }, x);
  const Tensor targets = tensor({1, 2, 7, 0, 2, 5}, {.dtype = i32}).to(device());
  expect_the_same(
      w,
      [&](const Tensor& w, const Tensor& x) {
        return cross_entropy(w * x, targets, {.weight = abs(scale), .label_smoothing = 0.25, .ignore_index = 2});
      },
      x);
}

TEST_P(OnEveryDevice, CaptureKeepsWhatKernelsOfOrderAreTold) {
  manual_seed(7);
  const auto x = numbers({6, 8}, options());
  const Tensor w = randn({6, 8}, options()).set_requires_grad();
  expect_the_same(
      w, [](const Tensor& w, const Tensor& x) { return w * argmin(x, 0, true).to(f32); }, x);
  expect_the_same(
      w, [](const Tensor& w, const Tensor& x) { return w * argmax(x, -1, true).to(f32); }, x);
  for (const bool descending : {false, true}) {
    expect_the_same(
        w, [&](const Tensor& w, const Tensor& x) { return sort(w * x, -1, descending).values + w; }, x);
  }
  expect_the_same(
      w, [](const Tensor& w, const Tensor& x) { return topk(w * x, 3, 0).values; }, x);
}

TEST_P(OnEveryDevice, CaptureKeepsWhatKernelsOfIndicesAreTold) {
  manual_seed(7);
  const Tensor w = randn({5, 3}, options()).set_requires_grad();
  const auto index = indices(5, {4, 3}, device());
  expect_the_same(
      w, [](const Tensor& w, const Tensor& i) { return embedding(i, w, {.padding_index = 1}); }, index);
  const Tensor offsets = tensor({0, 0, 5, 9}, {.dtype = i32}).to(device());
  for (const bool mean : {false, true}) {
    expect_the_same(
        w, [&](const Tensor& w, const Tensor& i) { return embedding_bag(i, w, offsets, mean, {.padding_index = 1}); },
        indices(5, {12}, device()));
  }
  expect_the_same(
      w, [](const Tensor& w, const Tensor& i) { return gather(w, 0, i); }, index);
  const Tensor target = zeros({5, 3}, options());
  expect_the_same(
      w, [&](const Tensor& w, const Tensor& i) { return scatter_add(target, 0, i, w.slice(0, 0, 4)); }, index);
  expect_the_same(
      w, [](const Tensor& w, const Tensor& i) { return index_select(w, 1, i); }, indices(3, {7}, device()));
}

TEST_P(OnEveryDevice, CaptureKeepsWhatKernelsOfSequencesAreTold) {
  manual_seed(7);
  const Tensor w = randn({3, 4, 6}, options()).set_requires_grad(),
               lengths = tensor({4, 1, 3}, {.dtype = i32}).to(device());
  nn::GRU gru(6, 5, {.layers = 2, .bidirectional = true});
  nn::LSTM lstm(6, 5, {.bidirectional = true});
  nn::RNN rnn(6, 5, {.relu = true});
  for (nn::RecurrentLayer* layer : std::initializer_list<nn::RecurrentLayer*>{&gru, &lstm, &rnn}) {
    layer->to(device());
    for (const Tensor& own : {lengths, Tensor()}) {
      expect_the_same(
          w,
          [&](const Tensor& w, const Tensor& x) {
            const nn::RecurrentOutput made = layer->forward(w * x, own);
            return concat({made.output.reshape({-1}), made.h.reshape({-1})}, 0);
          },
          numbers({3, 4, 6}, options()));
    }
  }
}

TEST_P(OnEveryDevice, CaptureKeepsWhatKernelsOfAttentionAreTold) {
  manual_seed(7);
  const Tensor w = randn({2, 2, 9, 8}, options()).set_requires_grad(),
               keep = nn::sequence_mask(tensor({9, 4}, {.dtype = i32}), 9).to(device());
  for (const DotAttentionOptions& each : std::initializer_list<DotAttentionOptions>{
           {.causal = true}, {.scale = 0.3, .window = 3}, {.key_padding_keep = keep}, {.dropout = 0.4}}) {
    expect_the_same(
        w, [&](const Tensor& w, const Tensor& x) { return scaled_dot_product_attention(w, w * x, sin(w) + x, each); },
        numbers({2, 2, 9, 8}, options()));
  }
}

TEST_P(OnEveryDevice, CaptureKeepsWhatKernelsOfPicturesAreTold) {
  manual_seed(7);
  const Tensor w = randn({2, 4, 7, 6}, options()).set_requires_grad(), filter = randn({6, 2, 3, 2}, options());
  const auto x = numbers({2, 4, 7, 6}, options());
  const Conv2dOptions spread{.stride = {2, 1}, .padding = {1, 2}, .dilation = {1, 2}, .groups = 2};
  expect_the_same(
      w, [&](const Tensor& w, const Tensor& x) { return conv2d(w * x, filter, {}, spread); }, x);
  const Pool2dOptions windows{.stride = {2, 1}, .padding = {1, 0}};
  expect_the_same(
      w,
      [&](const Tensor& w, const Tensor& x) {
        return max_pool2d(w * x, {3, 2}, windows);
      },
      x);
  expect_the_same(
      w,
      [&](const Tensor& w, const Tensor& x) {
        return avg_pool2d(w * x, {3, 2}, windows);
      },
      x);
  expect_the_same(
      w,
      [](const Tensor& w, const Tensor& x) {
        return adaptive_avg_pool2d(w * x, {3, 4});
      },
      x);
  expect_the_same(
      w, [](const Tensor& w, const Tensor& x) { return group_norm(w * x, 2, {}, {}, 0.5); }, x);
}

}  // namespace
}  // namespace fovea::test

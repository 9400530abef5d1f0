#include <gtest/gtest.h>

#include "backends/bf16_unit.h"
#include "backends/recurrent_layer.h"

namespace fovea::test {
namespace {

using RecurrentBf16 = NeedsBf16;

double greatest(const Array& x) {
  double most = 0;
  for (const double value : x.values()) most = std::max(most, std::abs(value));
  return most;
}

/// Each element within `part` of the greatest.
void expect_near(const Array& got, const Array& want, double part) {
  const double near = part * greatest(want);
  for (int64_t i = 0; i < got.numel(); ++i) ASSERT_NEAR(got.get(i), want.get(i), near) << "at " << i;
}

// A single step from numbers that bf16 holds has nothing to round.
TEST_F(RecurrentBf16, MultipliesExactlyWhatBf16Holds) {
  for (Setting s :
       settings({{1, 1, 1}, {3, 1, 4}, {17, 1, 17}, {33, 1, 64}, {20, 1, 65}, {32, 1, 64}, {9, 1, 300}}, f32)) {
    if (!s.with_state) continue;
    SCOPED_TRACE(s.text());
    const Layer exact(s);
    s.bf16_operands = true;
    const Layer rounded(s);
    for (const Layer* layer : {&exact, &rounded}) {
      for (const Array& x : {layer->weight, layer->h0}) {
        for (int64_t i = 0; i < x.numel(); ++i)
          x.set(i, static_cast<double>(static_cast<float>(BFloat16(static_cast<float>(x.get(i))))));
      }
      layer->forward();
    }
    expect_close(rounded.output.values(), exact.output.values(), 1e-5);
    expect_close(rounded.h_last.values(), exact.h_last.values(), 1e-5);
  }
}

TEST_F(RecurrentBf16, DiffersFromF32ByRounding) {
  for (Setting s : settings(
           {{17, 7, 17}, {33, 4, 64}, {40, 3, 65}, {32, 4, 64}, {2, 6, 130}, {0, 4, 3}, {4, 0, 3}, {9, 3, 300}}, f32)) {
    if (s.kind == CellKind::rnn_relu) continue;  // its gradient jumps where a sum is near 0
    SCOPED_TRACE(s.text());
    const Layer exact(s);
    s.bf16_operands = true;
    const Layer rounded(s);
    for (const Layer* layer : {&exact, &rounded}) {
      layer->forward();
      layer->backward();
    }
    const double part = 0.05;  // 2^-8 of each of two operands, over a few steps
    expect_near(rounded.output, exact.output, part);
    expect_near(rounded.h_last, exact.h_last, part);
    expect_near(rounded.dprojected, exact.dprojected, part);
    expect_near(rounded.dweight, exact.dweight, part);
    if (s.with_bias) expect_near(rounded.dbias, exact.dbias, part);
    if (s.with_state) expect_near(rounded.dh0, exact.dh0, part);
    if (s.with_state && s.lstm()) expect_near(rounded.dc0, exact.dc0, part);
    const bool same = rounded.dweight.bytes() == exact.dweight.bytes();
    EXPECT_EQ(same, greatest(exact.dweight) == 0);
  }
}

TEST_F(RecurrentBf16, GivesTheSameBytesOnAnyNumberOfThreads) {
  for (Setting s : settings({{67, 9, 40}, {9, 3, 300}}, f32)) {
    if (!s.with_lengths || !s.with_state || !s.with_bias) continue;
    s.bf16_operands = true;
    expect_same_bytes_on_any_threads([&] {
      const Layer layer(s);
      layer.forward();
      layer.backward();
      return std::vector{layer.output, layer.h_last, layer.dprojected, layer.dweight, layer.dbias, layer.dh0};
    });
  }
}

}  // namespace
}  // namespace fovea::test

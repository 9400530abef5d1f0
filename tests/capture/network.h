#pragma once

#include <gtest/gtest.h>

#include "fovea/fovea.h"

// What tests of captured steps share.
namespace fovea::test {

/// Two layers with dropout between them, trained on batches that change.
struct Network : nn::Module {
  nn::Linear first{6, 16};
  nn::Dropout dropout{0.4};
  nn::Linear second{16, 3};

  explicit Network(Device device) {
    add("first", first);
    add("dropout", dropout);
    add("second", second);
    to(device);
  }
  Tensor forward(const Tensor& x) const { return second.forward(dropout.forward(gelu(first.forward(x)))); }
};

/// What each of some runs leaves, as written and captured.
template <class Run>
void expect_alike(Run run) {
  EXPECT_EQ(run(true), run(false));
}

}  // namespace fovea::test

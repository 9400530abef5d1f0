#pragma once

#include <gtest/gtest.h>

#include "fovea/backends/backend.h"

namespace fovea::test {

/// Tests of what only a processor with instructions for bf16 does.
class NeedsBf16 : public testing::Test {
 protected:
  void SetUp() override {
    if (!backend(Device::cpu()).has_bf16_operands()) {
      GTEST_SKIP() << "this processor has no instructions for bf16 (AMX or AVX512-BF16)";
    }
  }
};

}  // namespace fovea::test

#include "fovea/train/serving_request.h"

#include <gtest/gtest.h>

namespace fovea::train {
namespace {

TEST(ServingRequest, TheBodySaysWhetherToExplainWhateverTheAddressSays) {
  const auto explains = [](bool address, const char* body) {
    HttpRequest request;
    request.body = body;
    request.explain = address;
    return questions_of(request, "text", {}).front().explain;
  };
  for (const bool address : {false, true}) {
    EXPECT_EQ(explains(address, R"({"input": "a"})"), address);
    EXPECT_TRUE(explains(address, R"({"input": "a", "explain": true})"));
    EXPECT_FALSE(explains(address, R"({"inputs": ["a"], "explain": false})"));
  }
}

}  // namespace
}  // namespace fovea::train

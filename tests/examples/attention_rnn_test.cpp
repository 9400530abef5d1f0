#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "program.h"

namespace fovea::test {
namespace {

using testing::HasSubstr;

TEST(AttentionRnn, IsOfOneLook) {
  std::ifstream source(ATTENTION_RNN_SOURCE);
  ASSERT_TRUE(source);
  int lines = 0;
  for (std::string line; std::getline(source, line);) ++lines;
  EXPECT_LT(lines, 80);
}

TEST(AttentionRnn, TrainsSavesLoadsAndShowsEveryAttention) {
  const Finished done = run(ATTENTION_RNN, {});
  ASSERT_EQ(done.status, 0) << done.error;
  EXPECT_EQ(done.error, "");

  std::istringstream out(done.out);
  std::string line;
  double first_loss = 0, last_loss = 0;
  for (int epoch = 1; epoch <= 10; ++epoch) {
    std::getline(out, line);
    int printed = 0;
    double accuracy = -1;
    ASSERT_EQ(std::sscanf(line.c_str(), "epoch %d loss %lf accuracy %lf", &printed, &last_loss, &accuracy), 3) << line;
    EXPECT_EQ(printed, epoch);
    if (epoch == 1) first_loss = last_loss;
  }
  EXPECT_LT(last_loss, first_loss);

  std::getline(out, line);
  double loaded = -1, before = -2;
  ASSERT_EQ(std::sscanf(line.c_str(), "saved and loaded: accuracy %lf, before %lf", &loaded, &before), 2) << line;
  EXPECT_EQ(loaded, before);

  for (const char* score : {"dot", "scaled_dot", "cosine", "bilinear", "additive"}) {
    for (const char* weights : {"softmax", "sum", "exp"}) {
      while (std::getline(out, line) && line.rfind(score, 0) != 0) continue;
      std::istringstream words(line);
      std::string shown_score, shown_weights;
      words >> shown_score >> shown_weights;
      EXPECT_EQ(shown_score, score);
      EXPECT_EQ(shown_weights, weights);
      int count = 0;
      double sum = 0;
      for (double weight; words >> weight; ++count) sum += weight;
      EXPECT_EQ(count, 10) << line;
      if (shown_weights != "exp") {
        EXPECT_NEAR(sum, 1, 0.006) << line;
      }
    }
  }
}

}  // namespace
}  // namespace fovea::test

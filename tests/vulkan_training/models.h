#pragma once

#include <gtest/gtest.h>

#include "fovea/fovea.h"

/// What the tests of whole training steps on a Vulkan device share.
namespace fovea::test {

/// Skipped where there is no fit device; fails where the validation layer has said something.
class TrainingTest : public testing::Test {
 protected:
  void SetUp() override {
    const VulkanDevices list = list_vulkan_devices();
    for (const VulkanDevice& device : list.devices) {
      if (device.index == 0) return;
    }
    GTEST_SKIP() << "SKIPPED: " << (list.problem.empty() ? "no fit Vulkan device" : list.problem);
  }
  void TearDown() override {
    for (const std::string& message : vulkan_validation_messages()) ADD_FAILURE() << message;
  }
};

/// Embedding, a recurrent layer of two directions, attention pooling, dropout, classes.
struct TextClassifier : nn::Module {
  struct Sizes {
    int64_t vocabulary, embedding, hidden, classes;
    double dropout = 0;
  };

  nn::Embedding embedding;
  std::unique_ptr<nn::RecurrentLayer> encoder;
  nn::AttentionPool attention;
  nn::Dropout dropout;
  nn::Linear output;

  TextClassifier(RecurrentKind kind, const Sizes& s)
      : embedding(s.vocabulary, s.embedding),
        encoder(make_encoder(kind, s)),
        attention(2 * s.hidden),
        dropout(s.dropout),
        output(2 * s.hidden, s.classes) {
    add("embedding", embedding);
    add("encoder", *encoder);
    add("attention", attention);
    add("dropout", dropout);
    add("output", output);
  }

  Tensor forward(const Tensor& tokens) const {
    return output.forward(dropout.forward(attention.forward(encoder->forward(embedding.forward(tokens)).output)));
  }

 private:
  static std::unique_ptr<nn::RecurrentLayer> make_encoder(RecurrentKind kind, const Sizes& s) {
    if (kind == RecurrentKind::lstm)
      return std::make_unique<nn::LSTM>(s.embedding, s.hidden, nn::LSTMOptions{.bidirectional = true});
    return std::make_unique<nn::GRU>(s.embedding, s.hidden, nn::GRUOptions{.bidirectional = true});
  }
};

}  // namespace fovea::test

// Every encoder of the text classifier with every attention.
#include "text_classifier.h"

#include <nlohmann/json.hpp>

namespace fovea::test {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

class EncodersTest : public testing::Test {
 protected:
  static inline const Words tiny{"--embedding", "8", "--batch-size", "8", "--threads", "1", "--quiet"};
  TempFolder folder;
  std::string train_file = folder.write("train.csv", reviews(120)),
              test_file = folder.write("test.csv", reviews(60, 8, 2));
  std::string out = folder / "model";

  Finished learn(const Words& flags) const {
    return classify(Words{"train", "--train", train_file, "--out", out} + tiny + flags);
  }
};

/// Trains for one epoch, tests and explains: the model's folder is whole and every part can be used.
TEST_F(EncodersTest, EveryEncoderGoesWithEveryAttention) {
  for (const std::string encoder : {"rnn", "gru", "lstm", "conv", "transformer"}) {
    for (const std::string attention : {"additive", "dot", "scaled_dot", "cosine", "bilinear", "multi_head", "none"}) {
      SCOPED_TRACE(encoder + " " + attention);
      Words options{"--encoder", encoder, "--attention", attention, "--epochs", "1", "--hidden", "4"};
      if (attention != "none") options.insert(options.end(), {"--weights", "sparsemax", "--gate"});
      const Finished trained = learn(options);
      ASSERT_EQ(trained.status, 0) << trained.error;
      const Finished told = classify({"predict", "--model", out, "--explain", "a lovely room", "x"});
      EXPECT_EQ(told.status, 0) << told.error;
      EXPECT_THAT(told.out, AnyOf(HasSubstr("good"), HasSubstr("bad")));
    }
  }
}

TEST_F(EncodersTest, EveryEncoderTakesEveryKindOfWeights) {
  for (const std::string encoder : {"gru", "conv", "transformer"}) {
    for (const std::string weights : {"softmax", "sum", "exp", "sparsemax"}) {
      for (const std::string attention : {"additive", "multi_head"}) {
        SCOPED_TRACE(encoder + " " + weights + " " + attention);
        const Finished trained = learn(
            {"--encoder", encoder, "--attention", attention, "--weights", weights, "--epochs", "1", "--hidden", "4"});
        ASSERT_EQ(trained.status, 0) << trained.error;
      }
    }
  }
}

TEST_F(EncodersTest, EveryEncoderLearnsAWord) {
  for (const std::string encoder : {"bag", "gru", "conv", "transformer"}) {
    SCOPED_TRACE(encoder);
    Words options{"--encoder", encoder, "--epochs", "12", "--hold-out", "0", "--dropout", "0", "--word-dropout", "0"};
    if (encoder != "bag") options.insert(options.end(), {"--hidden", "8", "--lr", "1e-2"});
    const Finished trained = learn(options);
    ASSERT_EQ(trained.status, 0) << trained.error;
    const Finished tested = classify({"evaluate", "--model", out, "--data", test_file, "--json", "--quiet"});
    EXPECT_EQ(tested.status, 0) << tested.error;
    EXPECT_GT(nlohmann::json::parse(tested.out)["accuracy"], 0.9) << tested.out;
  }
}

/// The opinion stands in one of several sentences.
TEST_F(EncodersTest, ReadsWordsThenSentencesAndShowsBoth) {
  const std::string documents = folder.write("documents.csv", in_sentences(reviews(300, 24)));
  const Finished trained = classify({"train",
                                     "--train",
                                     documents,
                                     "--out",
                                     out,
                                     "--encoder",
                                     "hierarchical",
                                     "--embedding",
                                     "8",
                                     "--hidden",
                                     "8",
                                     "--batch-size",
                                     "8",
                                     "--epochs",
                                     "12",
                                     "--lr",
                                     "1e-2",
                                     "--dropout",
                                     "0.1",
                                     "--quiet",
                                     "--json",
                                     "--threads",
                                     "1"});
  ASSERT_EQ(trained.status, 0) << trained.error;
  EXPECT_GT(nlohmann::json::parse(trained.out)["accuracy"], 0.9) << trained.out;

  const std::string text = "The bed of it. And a lovely pool. It was the room.";
  const Finished told = classify({"predict", "--model", out, "--explain", "--json", text});
  ASSERT_EQ(told.status, 0) << told.error;
  const auto json = nlohmann::json::parse(told.out);
  EXPECT_EQ(json["label"], "good");
  const auto sentences = json["sentences"];
  ASSERT_EQ(sentences.size(), 3u);
  double all = 0;
  for (const auto& sentence : sentences) {
    double words = 0;
    for (const auto& word : sentence["tokens"]) words += word["weight"].get<double>();
    EXPECT_NEAR(words, 1, 1e-3);
    all += sentence["weight"].get<double>();
  }
  EXPECT_NEAR(all, 1, 1e-3);
  EXPECT_GT(sentences[1]["weight"], 0.5);
  ASSERT_EQ(sentences[1]["tokens"][2]["token"], "lovely");
  EXPECT_GT(sentences[1]["tokens"][2]["weight"], 0.5);

  const Finished shown = classify({"predict", "--model", out, "--explain", text, "", "x"});
  EXPECT_EQ(shown.status, 0) << shown.error;
  EXPECT_THAT(shown.out, testing::ContainsRegex("[01]\\.[0-9]+: And.* lovely\\[(1|0\\.[5-9])"));
  EXPECT_THAT(read_back(out + "/report.html"), HasSubstr("<div class=\"group\" style=\"--w:1.000\""));
}

TEST_F(EncodersTest, ReadsSentencesByAnyScoreAndWeights) {
  for (const std::string attention : {"dot", "scaled_dot", "cosine", "bilinear"}) {
    const Finished trained = learn({"--encoder", "hierarchical", "--attention", attention, "--weights", "sparsemax",
                                    "--max-sentence", "3", "--epochs", "1", "--hidden", "4"});
    ASSERT_EQ(trained.status, 0) << trained.error;
    EXPECT_EQ(classify({"evaluate", "--model", out, "--data", test_file, "--quiet"}).status, 0);
  }
}

/// Changed texts do not depend on the number of threads.
TEST_F(EncodersTest, ChangesTrainingTextsAlikeEveryTime) {
  for (const std::string encoder : {"gru", "bag", "hierarchical"}) {
    SCOPED_TRACE(encoder);
    Words flags{"--encoder", encoder, "--drop", "0.2", "--swap", "0.1", "--noise", "0.1", "--save-every", "1"};
    if (encoder == "bag") flags.emplace_back("--bigrams");
    const auto weights = [&](const Words& more) {
      const Finished trained = classify(
          Words{"train", "--train", train_file, "--out", out, "--embedding", "8", "--batch-size", "8", "--quiet"} +
          flags + more);
      EXPECT_EQ(trained.status, 0) << trained.error;
      return read_back(out + "/model.safetensors");
    };
    const std::string once = weights({"--epochs", "3", "--threads", "1"});
    EXPECT_EQ(once, weights({"--epochs", "3", "--threads", "2"}));
    flags[3] = "0";
    flags[5] = "0";
    flags[7] = "0";
    EXPECT_NE(once, weights({"--epochs", "3", "--threads", "1"}));
  }
}

TEST_F(EncodersTest, TellsATransformerWhereTokensStand) {
  for (const std::string positions : {"learned", "sinusoidal", "rotary", "none"}) {
    const Finished trained = learn({"--encoder", "transformer", "--positions", positions, "--epochs", "1", "--hidden",
                                    "4", "--layers", "1", "--heads", "2"});
    EXPECT_EQ(trained.status, 0) << trained.error;
    EXPECT_EQ(classify({"evaluate", "--model", out, "--data", test_file, "--quiet"}).status, 0);
  }
}

TEST_F(EncodersTest, RefusesWhatDoesNotGoTogether) {
  struct Case {
    Words options;
    std::string says;
  };
  for (const Case& c : {
           Case{{"--encoder", "bag", "--attention", "dot"}, "--attention is of no use to --encoder bag"},
           Case{{"--encoder", "bag", "--gate"}, "--gate is of no use to --encoder bag"},
           Case{{"--encoder", "bag", "--heads", "2"}, "--heads is of no use to --encoder bag"},
           Case{{"--encoder", "gru", "--bigrams"}, "--bigrams goes with --encoder bag only"},
           Case{{"--encoder", "gru", "--heads", "2"},
                "--heads is of no use to --encoder gru with --attention additive"},
           Case{{"--encoder", "gru", "--kernels", "3"}, "--kernels is of no use to --encoder gru"},
           Case{{"--encoder", "conv", "--layers", "2"}, "--layers is of no use to --encoder conv"},
           Case{{"--encoder", "conv", "--gate"}, "--gate is of no use to --attention none"},
           Case{{"--encoder", "conv", "--weights", "sum"}, "--weights is of no use to --attention none"},
           Case{{"--encoder", "conv", "--kernels", "3,x"}, "--kernels: \"x\" is not a whole number from 1 to 99"},
           Case{{"--encoder", "conv", "--kernels", "0"}, "--kernels: \"0\" is not a whole number"},
           Case{{"--encoder", "lstm", "--positions", "none"}, "--positions is of no use to --encoder lstm"},
           Case{{"--encoder", "lstm", "--attention", "multi_head", "--hidden", "3"},
                "--hidden 3 of two directions does not divide into --heads 4"},
           Case{{"--encoder", "conv", "--attention", "multi_head", "--hidden", "3"},
                "--hidden 3 of 3 --kernels does not divide into --heads 4"},
           Case{{"--encoder", "transformer", "--heads", "3"}, "--embedding 8 does not divide into --heads 3"},
           Case{{"--encoder", "transformer", "--positions", "rotary", "--heads", "8"},
                "--positions rotary needs an even"},
           Case{{"--encoder", "transformer", "--max-length", "0"}, "--positions learned needs a --max-length"},
           Case{{"--encoder", "hierarchical", "--attention", "multi_head"},
                "--encoder hierarchical reads by an attention of one head, not by multi_head"},
           Case{{"--encoder", "hierarchical", "--layers", "2"}, "--layers is of no use to --encoder hierarchical"},
           Case{{"--encoder", "hierarchical", "--gate"}, "--gate is of no use to --encoder hierarchical"},
           Case{{"--encoder", "gru", "--max-sentence", "9"}, "--max-sentence is of no use to --encoder gru"},
           Case{{"--noise", "1"}, "--noise: 1 is not between 0 and 0.95"},
           Case{{"--encoder", "tree"}, "\"tree\" is not one of bag"},
       }) {
    SCOPED_TRACE(c.says);
    const Finished refused = learn(c.options);
    EXPECT_EQ(refused.status, 2);
    EXPECT_THAT(refused.error, HasSubstr(c.says));
    EXPECT_EQ(std::count(refused.error.begin(), refused.error.end(), '\n'), 1) << refused.error;
    EXPECT_FALSE(std::filesystem::exists(out));
  }
}

}  // namespace
}  // namespace fovea::test

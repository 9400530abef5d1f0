// Train, evaluate, predict and demo, end to end.
#include "exports.h"
#include "json.h"

#include <sstream>

namespace fovea::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSupersetOf;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

class TextClassifierTest : public testing::Test {
 protected:
  void train(const Words& flags) {
    const Finished done = classify(Words{"train", "--train", train_file, "--out", model} + small + flags);
    ASSERT_EQ(done.status, 0) << done.error;
    EXPECT_EQ(done.error, "");
  }

  TempFolder folder;
  std::string train_file = folder.write("train.csv", reviews(400));
  std::string test_file = folder.write("test.csv", reviews(100, 8, 2));
  std::string model = folder / "model";
};

TEST_F(TextClassifierTest, TrainsEvaluatesAndPredicts) {
  train({"--epochs", "12", "--lr", "0.02"});
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(model)) names.push_back(entry.path().filename());
  EXPECT_THAT(names,
              IsSupersetOf({"model.safetensors", "config.json", "vocabulary.txt", "metrics.jsonl", "report.html"}));
  EXPECT_THAT(names, testing::Not(testing::Contains("checkpoint.safetensors")));
  const std::vector<std::string> epochs = lines_of(read_back(model + "/metrics.jsonl"));
  ASSERT_FALSE(epochs.empty());
  for (size_t i = 0; i < epochs.size(); ++i) EXPECT_EQ(Json::parse(epochs[i])["epoch"], i + 1);
  const std::string report = read_back(model + "/report.html");
  EXPECT_THAT(report, HasSubstr("<svg"));
  EXPECT_THAT(report, testing::Not(HasSubstr("http://")));

  const Finished evaluated = classify({"evaluate", "--model", model, "--data", test_file, "--json"});
  ASSERT_EQ(evaluated.status, 0) << evaluated.error;
  const Json result = last_line(evaluated.out);
  EXPECT_EQ(result["examples"], 100);
  EXPECT_GT(result["accuracy"], 0.95);
  EXPECT_GT(result["macro_f1"], 0.95);
  EXPECT_LT(result["loss"], 0.3);

  // Arguments and lines of standard input give the same answers.
  const Words texts{"the room was lovely and quiet", "a dirty bed, an awful pool"};
  const Finished arguments = classify(Words{"predict", "--model", model} + texts);
  ASSERT_EQ(arguments.status, 0) << arguments.error;
  const std::vector<std::string> answers = lines_of(arguments.out);
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].rfind("good\t", 0), 0u) << answers[0];
  EXPECT_EQ(answers[1].rfind("bad\t", 0), 0u) << answers[1];
  EXPECT_EQ(classify({"predict", "--model", model}, texts[0] + "\n" + texts[1]).out, arguments.out);
  EXPECT_EQ(classify({"predict", "--model", model}, "\ufeff" + texts[0] + "\r\n" + texts[1] + "\r\n").out,
            arguments.out);
}

TEST_F(TextClassifierTest, ExplainsByAttention) {
  train({"--epochs", "12", "--lr", "0.02"});
  const Finished plain = classify({"predict", "--model", model, "--explain", "the room was lovely"});
  EXPECT_THAT(plain.out, HasSubstr("lovely["));

  const Finished json = classify({"predict", "--model", model, "--explain", "--json", "the room was lovely"});
  const Json object = last_line(json.out);
  EXPECT_EQ(object["label"], "good");
  double sum = 0, most = 0;
  std::string where;
  for (const Json& token : object["tokens"]) {
    const double weight = token["weight"];
    sum += weight;
    if (weight > most) where = token["token"];
    most = std::max(most, weight);
  }
  EXPECT_NEAR(sum, 1, 1e-4);
  EXPECT_EQ(where, "lovely");
}

TEST_F(TextClassifierTest, EveryEncoderAndAttentionRuns) {
  const std::string some = folder.write("some.csv", reviews(40));
  const auto run_with = [&](const Words& flags) {
    const Words files{"train", "--train", some, "--out", folder / "other", "--epochs", "1", "--quiet"};
    const Finished done = classify(files + small + flags);
    EXPECT_EQ(done.status, 0) << testing::PrintToString(flags) << ' ' << done.error;
  };
  for (const char* encoder : {"rnn", "gru", "lstm"}) run_with({"--encoder", encoder});
  for (const char* score : {"additive", "dot", "scaled_dot", "cosine", "bilinear"}) run_with({"--attention", score});
  for (const char* weights : {"softmax", "sum", "exp", "sparsemax"}) run_with({"--weights", weights});
  run_with({"--tokens", "char"});
  // A bag has no hidden state.
  const Finished bag = classify(
      {"train", "--train", some, "--out", folder / "bag", "--encoder", "bag", "--bigrams", "--epochs", "1", "--quiet"});
  EXPECT_EQ(bag.status, 0) << bag.error;
}

TEST_F(TextClassifierTest, ReadsEveryFormatAlike) {
  const std::string csv = reviews(60);
  std::string tsv = csv, jsonl;
  std::replace(tsv.begin(), tsv.end(), ',', '\t');
  const std::vector<std::string> rows = lines_of(csv);
  for (size_t i = 1; i < rows.size(); ++i) {
    const size_t comma = rows[i].find(',');
    jsonl += Json{{"label", rows[i].substr(0, comma)}, {"text", rows[i].substr(comma + 1)}}.dump() + '\n';
  }
  std::string first;
  for (const auto& [name, content] : {std::pair{"a.csv", csv},
                                      {"a.tsv", tsv},
                                      {"a.jsonl", jsonl},
                                      {"b.csv.gz", data::testing::gzip(csv)},
                                      {"b.tsv.gz", data::testing::gzip(tsv)},
                                      {"b.jsonl.gz", data::testing::gzip(jsonl)}}) {
    const std::string out = folder / (std::string(name) + ".model");
    const Finished done =
        classify(Words{"train", "--train", folder.write(name, content), "--out", out, "--epochs", "1"} + small);
    ASSERT_EQ(done.status, 0) << name << ' ' << done.error;
    const std::string weights = read_back(out + "/model.safetensors");
    if (first.empty()) first = weights;
    EXPECT_EQ(weights, first) << name;
  }
}

TEST_F(TextClassifierTest, ConfigOfAModelRepeatsIt) {
  train({"--epochs", "2", "--seed", "5", "--attention", "dot"});
  const std::string again = folder / "again";
  const Finished done =
      classify({"train", "--train", train_file, "--config", model + "/config.json", "--out", again, "--threads", "1"});
  ASSERT_EQ(done.status, 0) << done.error;
  EXPECT_EQ(read_back(again + "/model.safetensors"), read_back(model + "/model.safetensors"));
}

TEST_F(TextClassifierTest, TheDemosAttentionBeatsItsBagOfWords) {
  const Finished done =
      classify({"demo", "--out", folder / "demo", "--device", "cpu", "--threads", "1", "--quiet", "--json"});
  ASSERT_EQ(done.status, 0) << done.error;
  EXPECT_EQ(std::count(done.out.begin(), done.out.end(), '\n'), 1) << done.out;
  const Json result = last_line(done.out);
  EXPECT_LT(result["bag"], 0.8);
  EXPECT_GT(result["attention"], 0.95);
  EXPECT_TRUE(std::filesystem::exists(folder / "demo/attention/report.html"));
  const std::string test = folder / "demo/test.csv";
  for (const char* model : {"demo/bag", "demo/attention"}) {
    expect_as_good_in_8_bits(TEXT_CLASSIFIER, folder / model, test);
    if (!runs_elsewhere(TEXT_CLASSIFIER, folder / model, test)) GTEST_SKIP() << no_runtime;
  }
}

}  // namespace
}  // namespace fovea::test

// What a run reads and takes no notice of is said, before it takes long.
#include "refusal.h"
#include "trainers.h"

namespace fovea::test {
namespace {

using testing::HasSubstr;

class Plausibility : public testing::Test {
 protected:
  /// Rows of a number of their own, a text and a class.
  std::string numbered(int rows) const {
    std::string csv = "id,body,class\n";
    for (int i = 0; i < rows; ++i) csv += fmt::format("{},some words {},{}\n", i, i % 5, i % 2 ? "odd" : "even");
    return folder.write("numbered.csv", csv);
  }
  Words train(const std::string& data, const Words& flags = {}) const {
    return Words{"train", "--train", data, "--out", folder / "out", "--epochs", "1", "--threads", "1"} + flags;
  }

  TempFolder folder;
};

TEST_F(Plausibility, ANumberForEachRowIsNoClass) {
  const std::string data = numbered(60);
  const std::string error = data + ": 60 different labels of 60 examples in column \"id\" (--label names another)";
  for (const Words& flags : {Words{}, Words{"--stream"}}) {
    expect_refused(TEXT_CLASSIFIER, train(data, flags), error, folder / "");
  }
  for (const char* program : {TABULAR_CLASSIFIER, MULTIMODAL_CLASSIFIER}) {
    expect_refused(program,
                   train(data, {"--label", "id"}) +
                       (program == std::string(MULTIMODAL_CLASSIFIER) ? Words{"--text", "body"} : Words{}),
                   error, folder / "");
  }
  const Finished few = classify(train(numbered(10)) + small);  // may be meant so
  EXPECT_EQ(few.status, 0) << few.error;
}

TEST_F(Plausibility, TheColumnsThatAreReadAreNamed) {
  const std::string data = numbered(60);
  const Words given{"--label", "class"};
  EXPECT_THAT(classify(train(data, given + small)).out, HasSubstr("label \"class\", text \"id\""));
  EXPECT_THAT(classify(train(data, given + small + Words{"--text", "body,id", "--stream"})).out,
              HasSubstr("label \"class\", text \"body\", \"id\""));
  EXPECT_THAT(run(TABULAR_CLASSIFIER, train(data)).out, HasSubstr("label \"class\""));
}

TEST_F(Plausibility, OptionsOfNoUseAreRefused) {
  const auto all = trainers();
  const auto expect_useless = [&](const std::string& name, const Words& flags, const std::string& error) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const Trainer& each) { return each.name == name; });
    const std::string data = found->write(folder);
    const std::string program = std::filesystem::path(found->program).filename();
    expect_refused(found->program, train(data, flags), program + ": " + error, folder / "");
  };
  expect_useless("text", {"--buffer", "10"}, "--buffer is of no use without --stream");
  expect_useless("text", {"--encoder", "bag", "--bigram-buckets", "9"},
                 "--bigram-buckets is of no use without --bigrams");
  expect_useless("text", {"--valid", folder / "train.csv", "--hold-out", "0.2"},
                 "--hold-out is of no use with --valid");
  for (const char* name : {"--patch", "--layers", "--heads"}) {
    expect_useless("image", {name, "2"}, fmt::format("{} is of no use to --encoder conv", name));
  }
  expect_useless("image", {"--encoder", "transformer", "--stages", "2"},
                 "--stages is of no use to --encoder transformer");
  expect_useless("image", {"--encoder", "transformer", "--attention", "none"},
                 "--attention is of no use to --encoder transformer");
  expect_useless("speech", {"--coefficients", "5"}, "--coefficients is of no use to --features log_mel");
  for (const char* name : {"--knots", "--column-dropout"}) {
    expect_useless("multimodal", {"--use", "text", name, "0"}, fmt::format("{} is of no use to --use text", name));
  }
  expect_useless("multimodal", {"--use", "columns", "--word-dropout", "0"},
                 "--word-dropout is of no use to --use columns");
  expect_useless("language", {"--valid", folder / "train.csv", "--hold-out", "0.2"},
                 "--hold-out is of no use with --valid");
}

TEST_F(Plausibility, AModelIsNotOverwrittenByItsExport) {
  ASSERT_EQ(classify(train(folder.write("train.csv", reviews(60))) + small).status, 0);
  for (const char* name : {"model.safetensors", "config.json", "vocabulary.txt"}) {
    const std::string path = folder / (std::string("out/") + name), before = read_back(path);
    const Finished done = classify({"export", "--model", folder / "out", "--onnx", path});
    EXPECT_EQ(done.status, 2);
    EXPECT_THAT(done.error, HasSubstr(" would overwrite what the model consists of\n"));
    EXPECT_EQ(read_back(path), before);
  }
  const std::string onnx = folder / "out/model.onnx";
  for (int i = 0; i < 2; ++i) EXPECT_EQ(classify({"export", "--model", folder / "out", "--onnx", onnx}).status, 0);
}

TEST_F(Plausibility, ANumberAmongAListOfAConfigurationIsTaken) {
  const std::string data = folder.write("train.csv", reviews(60));
  const std::string config = folder.write("c.json", "{\"encoder\": \"conv\", \"kernels\": [2, 3]}");
  ASSERT_EQ(classify(train(data, {"--config", config}) + small).status, 0);
  EXPECT_THAT(read_back(folder / "out/config.json"), HasSubstr("\"kernels\": [\n      \"2\",\n      \"3\"\n"));
}

TEST_F(Plausibility, ASearchThatIsOutOfTimeEndsInJson) {
  const std::string data = folder.write("train.csv", reviews(400));
  const Finished done = classify(
      Words{"search", "--train", data, "--out", folder / "found", "--max-minutes", "1e-6", "--json", "--threads", "1"});
  EXPECT_EQ(done.status, 0) << done.error;
  EXPECT_THAT(done.out, HasSubstr("{\"ending\":\"out_of_time\",\"runs\":0,"));
}

}  // namespace
}  // namespace fovea::test

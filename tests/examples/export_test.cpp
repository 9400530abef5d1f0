// Models for other programs: ONNX files. Needs a Python with onnxruntime to run them; skips without one.
#include "exports.h"

namespace fovea::test {
namespace {

using ::testing::HasSubstr;

class Export : public testing::Test {
 protected:
  TempFolder folder;
  std::string model = folder / "model", file = folder / "model.onnx";
  std::string texts = folder.write("train.csv", reviews(80)),
              data = folder.write(
                  "test.csv",
                  "label,text\ngood,clean\nbad,it was awful\ngood,and the room of the pool it was lovely\n" +
                      reviews(9, 8, 2).substr(sizeof "label,text"));

  void train(const Words& flags) const {
    const Finished trained = classify(Words{"train", "--train", texts, "--out", model, "--epochs", "1", "--lr", "0.01",
                                            "--embedding", "8", "--batch-size", "8", "--threads", "1", "--quiet"} +
                                      flags);
    ASSERT_EQ(trained.status, 0) << trained.error;
  }
  Finished export_to(const std::string& to, const Words& flags = {}) const {
    return classify(Words{"export", "--model", model, "--onnx", to} + flags);
  }
};

/// A text classifier by its flags.
class ExportedText : public Export, public testing::WithParamInterface<std::string> {};

TEST_P(ExportedText, GivesTheSameElsewhere) {
  Words flags;
  std::istringstream words(GetParam());
  for (std::string word; words >> word;) flags.push_back(word);
  train(flags);
  if (!runs_elsewhere(TEXT_CLASSIFIER, model, data)) GTEST_SKIP() << no_runtime;
}

INSTANTIATE_TEST_SUITE_P(
    Variants, ExportedText,
    testing::Values("--encoder bag", "--encoder bag --bigrams --tokens char", "--encoder rnn --layers 2",
                    "--encoder rnn --attention none", "--encoder gru --attention none --layers 2",
                    "--encoder gru --attention additive --gate", "--encoder gru --attention dot --weights sum",
                    "--encoder gru --attention scaled_dot --weights exp",
                    "--encoder gru --attention cosine --weights sparsemax",
                    "--encoder gru --attention bilinear --weights sparsemax --gate",
                    "--encoder lstm --attention multi_head --weights sparsemax --gate --heads 2 --layers 2",
                    "--encoder lstm --attention none", "--encoder conv --kernels 1,2,3,4",
                    "--encoder conv --kernels 2,5 --attention multi_head --weights sum",
                    "--encoder transformer --heads 2", "--encoder transformer --attention none --positions sinusoidal",
                    "--encoder transformer --attention additive --positions rotary --heads 2",
                    "--encoder transformer --attention multi_head --weights exp --positions none --heads 2 --gate",
                    "--encoder hierarchical --max-sentence 3",
                    "--encoder hierarchical --max-sentence 2 --attention cosine --weights sparsemax"));

class ExportedTrainer : public EveryTrainer {};

TEST_P(ExportedTrainer, GivesTheSameElsewhere) {
  ASSERT_EQ(train(folder / "model", {"--epochs", "4", "--quiet"}).status, 0);
  // The texts beside numbers are all of one length.
  if (!runs_elsewhere(GetParam().program, folder / "model", data, GetParam().name.starts_with("multimodal"))) {
    GTEST_SKIP() << no_runtime;
  }
}

/// The classifiers, with flags for what their usual model lacks.
std::vector<Trainer> exported_trainers() {
  std::vector<Trainer> all;
  for (const Trainer& trainer : trainers()) {
    if (trainer.name == "language" || trainer.name == "text") continue;
    all.push_back(trainer);
    const auto variant = [&](const std::string& name, const Words& flags) {
      all.push_back(trainer);
      all.back().name += name;
      all.back().small = all.back().small + flags;
    };
    if (trainer.name == "image") {
      variant("_plain", {"--attention", "none", "--stages", "2"});
      variant("_patches", {"--encoder", "transformer", "--patch", "3", "--layers", "2", "--heads", "2"});
    } else if (trainer.name == "speech") {
      variant("_gru", {"--encoder", "gru", "--layers", "2"});
      variant("_deep", {"--layers", "4"});
    } else if (trainer.name == "tabular") {
      variant("_lines", {"--knots", "0", "--layers", "0"});
    } else if (trainer.name == "multimodal") {
      variant("_text", {"--use", "text"});
      variant("_columns", {"--use", "columns"});
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Trainers, ExportedTrainer, testing::ValuesIn(exported_trainers()), name_of);

TEST_F(Export, SaysWhatItWrote) {
  train({});
  const Finished done = export_to(file, {"--data", data});
  EXPECT_EQ(done.status, 0) << done.error;
  EXPECT_THAT(done.out, HasSubstr("tokens [batch, time], lengths [batch] -> probabilities [batch, 2]"));
  EXPECT_THAT(done.out, HasSubstr("model.onnx.test_data_set_0: inputs and probabilities of 8 texts"));
  const std::string bytes = read_back(file);
  for (const char* text : {"text_classifier", "[\"bad\",\"good\"]", "linear_before_reset", "probabilities"}) {
    EXPECT_NE(bytes.find(text), std::string::npos) << text;
  }
  EXPECT_TRUE(std::filesystem::exists(file + ".test_data_set_0/input_1.pb"));
  EXPECT_EQ(export_to(folder / "quiet.onnx", {"--quiet"}).out, "");
  EXPECT_EQ(read_back(folder / "quiet.onnx"), bytes) << "the same model, other bytes";
}

TEST_F(Export, AFolderMayEndInASlash) {
  train({});
  const Finished done = classify({"export", "--model", model, "--int8", folder / "small/"});
  EXPECT_EQ(done.status, 0) << done.error;
  EXPECT_EQ(classify({"evaluate", "--model", folder / "small", "--data", data, "--quiet"}).status, 0);
}

TEST_F(Export, AKilledOneIsNoObstacle) {
  train({});
  const std::string small = folder / "small";
  const pid_t gone = fork();
  if (gone == 0) {
    std::filesystem::create_directory(small + ".unfinished");
    std::filesystem::create_directory(data::temporary_name(small));
    _exit(0);
  }
  waitpid(gone, nullptr, 0);
  const Finished done = classify({"export", "--model", model, "--int8", small});
  EXPECT_EQ(done.status, 0) << done.error;
  for (const std::string& name : folder.names()) EXPECT_THAT(name, testing::Not(HasSubstr(".tmp-")));
}

TEST_F(Export, RefusesInOneLine) {
  train({});
  const auto error_of = [&](const Words& flags) {
    const Finished done = classify(Words{"export"} + flags);
    EXPECT_EQ(done.status, 2);
    EXPECT_EQ(std::count(done.error.begin(), done.error.end(), '\n'), 1) << done.error;
    return done.error;
  };
  EXPECT_THAT(error_of({"--model", model}), HasSubstr("export needs --onnx FILE"));
  EXPECT_THAT(error_of({"--model", folder / "none", "--onnx", file}), HasSubstr("there is no such folder"));
  EXPECT_THAT(error_of({"--model", model, "--onnx", folder / "none/model.onnx"}), HasSubstr("none/model.onnx"));
  EXPECT_THAT(error_of({"--model", model, "--onnx", file, "--data", folder / "none.csv"}), HasSubstr("none.csv"));
  EXPECT_FALSE(std::filesystem::exists(file)) << "half of what was asked for";
  const Finished other = run(IMAGE_CLASSIFIER, {"export", "--model", model, "--onnx", file});
  EXPECT_THAT(other.error, HasSubstr("a model of text_classifier, not of image_classifier"));
}

}  // namespace
}  // namespace fovea::test

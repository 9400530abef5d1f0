#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "data/temp_folder.h"
#include "program.h"

namespace fovea::test {
namespace {

using data::testing::read_back;
using data::testing::TempFolder;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Finished write_with(std::vector<std::string> arguments) { return run(LANGUAGE_MODEL, std::move(arguments)); }

/// The number behind "name": in JSON.
double number_in(const std::string& json, const std::string& name) {
  return nlohmann::json::parse(json.substr(json.rfind('{')))[name].get<double>();
}

/// Two thousand characters, some of them of several bytes.
std::string two_kilobytes() {
  const std::vector<std::string> who{"the reader", "an eye", "my naïve friend", "the encoder", "阅读者", "nobody"};
  const std::vector<std::string> does{"looks at", "attends to", "skips", "remembers", "asks for", "weighs"};
  const std::vector<std::string> what{"every word", "the last line", "two keys", "a small lamp", "its own memory"};
  data::testing::Random random(5);
  std::string text;
  while (text.size() < 2048) {
    text += random.pick(who) + ' ' + random.pick(does) + ' ' + random.pick(what) + (random.below(4) ? ", " : ".\n");
  }
  return text;
}

class LanguageModel : public testing::Test {
 protected:
  TempFolder folder;
  const std::string text = two_kilobytes();
  const std::string file = folder.write("text.txt", text);
  const std::string model = folder / "model";

  /// A model that is quickly made and knows little.
  Finished train_small(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments{
        "train", "--train",  file, "--out",        model, "--context", "16", "--dim",   "8",         "--heads",
        "2",     "--layers", "1",  "--batch-size", "2",   "--epochs",  "1",  "--quiet", "--threads", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return write_with(arguments);
  }

  std::string generate(std::vector<std::string> options) const {
    std::vector<std::string> arguments{"generate", "--model", model, "--json", "--threads", "1"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const Finished finished = write_with(arguments);
    EXPECT_EQ(finished.status, 0) << finished.error;
    return finished.status == 0 ? nlohmann::json::parse(finished.out)["text"].get<std::string>() : "";
  }
};

TEST_F(LanguageModel, OverfitsTwoKilobytesAndGeneratesTheSameWithAndWithoutTheCache) {
  const Finished trained =
      write_with({"train", "--train", file,   "--out",     model, "--hold-out",   "0",         "--context",
                  "256",   "--dim",   "128",  "--layers",  "1",   "--batch-size", "2",         "--epochs",
                  "28",    "--lr",    "3e-3", "--dropout", "0",   "--json",       "--threads", "1"});
  ASSERT_EQ(trained.status, 0) << trained.error;
  EXPECT_LT(number_in(trained.out, "loss"), 0.1) << trained.out;
  const Finished tested =
      write_with({"evaluate", "--model", model, "--data", file, "--json", "--quiet", "--threads", "1"});
  EXPECT_EQ(tested.status, 0) << tested.error;
  EXPECT_NEAR(number_in(tested.out, "loss"), number_in(trained.out, "loss"), 1e-6);

  const std::string prompt = text.substr(0, text.find(", ", 150));
  const std::string recited = generate({"--prompt", prompt, "--length", "60", "--temperature", "0"});
  EXPECT_GT(recited.size(), prompt.size());
  EXPECT_THAT(text, StartsWith(recited));

  for (const char* temperature : {"0", "1"}) {
    // Prompt and text are longer than the context.
    const std::vector<std::string> options{"--prompt",  text.substr(0, 200), "--length", "120",     "--temperature",
                                           temperature, "--top-k",           "8",        "--top-p", "0.95"};
    std::vector<std::string> without = options;
    without.emplace_back("--no-cache");
    const std::string cached = generate(options);
    EXPECT_GE(cached.size(), 320u);
    EXPECT_EQ(cached, generate(without));
  }

  for (const char* name : {"config.json", "metrics.jsonl", "model.safetensors", "report.html", "vocabulary.txt"}) {
    EXPECT_TRUE(std::filesystem::exists(model + "/" + name)) << name;
  }
  EXPECT_FALSE(std::filesystem::exists(model + "/checkpoint.safetensors"));
  EXPECT_THAT(read_back(model + "/report.html"), AllOf(HasSubstr("What it writes"), HasSubstr("perplexity")));
}

TEST_F(LanguageModel, WritesTheSameForTheSameSeed) {
  ASSERT_EQ(train_small().status, 0);
  const auto written = [&](const std::string& seed) { return generate({"--seed", seed, "--temperature", "2"}); };
  const std::string one = written("1");
  EXPECT_EQ(one, written("1"));
  EXPECT_NE(one, written("2"));
  const Finished plain = write_with({"generate", "--model", model, "--prompt", "an eye", "--length", "20"});
  EXPECT_EQ(plain.status, 0) << plain.error;
  EXPECT_THAT(plain.out, StartsWith("an eye"));
  EXPECT_EQ(plain.out.back(), '\n');
}

TEST_F(LanguageModel, LearnsNoByteOrderMarkAndNoCarriageReturn) {
  ASSERT_EQ(train_small().status, 0);
  const std::string weights = read_back(model + "/model.safetensors");
  folder.write("text.txt", "\ufeff" + text);
  ASSERT_EQ(train_small().status, 0);
  EXPECT_EQ(read_back(model + "/model.safetensors"), weights);
  std::string lines;
  for (const char c : text) lines += c == '\n' ? "\r\n" : std::string(1, c);
  folder.write("text.txt", lines);
  ASSERT_EQ(train_small().status, 0);
  EXPECT_EQ(read_back(model + "/model.safetensors"), weights);
  folder.write("text.txt", std::string("\xff\xfe"
                                       "a\0b\0",
                                       6));
  EXPECT_THAT(train_small().error, HasSubstr("text.txt:1: the text is UTF-16, expected UTF-8\n"));
}

TEST_F(LanguageModel, SearchesForTheLikeliest) {
  ASSERT_EQ(train_small().status, 0);
  const auto searched = [&](const std::string& beams) {
    return generate({"--prompt", "an eye", "--length", "30", "--beams", beams});
  };
  EXPECT_EQ(searched("1"), generate({"--prompt", "an eye", "--length", "30", "--temperature", "0"}));
  EXPECT_THAT(searched("4"), StartsWith("an eye"));
  EXPECT_EQ(searched("4"), searched("4"));
  const Finished refused = write_with({"generate", "--model", model, "--beams", "2", "--seed", "3"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.error, HasSubstr("--seed is of no use with --beams"));
}

TEST_F(LanguageModel, WritesTheSameInOtherRuntimes) {
  for (const char* positions : {"rotary", "learned", "alibi"}) {
    std::filesystem::remove_all(model);
    ASSERT_EQ(train_small({"--positions", positions}).status, 0);
    const std::string onnx = model + ".onnx";
    const Finished exported = write_with({"export", "--model", model, "--onnx", onnx});
    ASSERT_EQ(exported.status, 0) << exported.error;
    EXPECT_THAT(exported.out, HasSubstr(" MB, tokens [batch, time] -> logits [batch, time, "));
    const Finished named = write_with({"export", "--model", model, "--onnx", folder / "name\xff", "--json", "--quiet"});
    EXPECT_EQ(named.status, 0) << named.error;
    EXPECT_THAT(named.out, HasSubstr("name\uFFFD\""));
    const Finished refused = write_with({"export", "--model", model, "--onnx", model + "/model.safetensors"});
    EXPECT_EQ(refused.status, 2);
    EXPECT_THAT(refused.error, HasSubstr(" would overwrite what the model consists of\n"));
    const char* given = std::getenv("FOVEA_PYTHON");
    const Finished elsewhere = run("/usr/bin/env", {given ? given : FOVEA_PYTHON,
                                                    FOVEA_SOURCE_DIR "/tests/onnx/continue.py", onnx, "my naïve", "8"});
    if (elsewhere.status == 127 || elsewhere.out.starts_with("skipped: ")) {
      GTEST_SKIP() << "skipped: no Python with the package onnxruntime; FOVEA_PYTHON may name one";
    }
    ASSERT_EQ(elsewhere.status, 0) << elsewhere.error;
    EXPECT_EQ(elsewhere.out, generate({"--prompt", "my naïve", "--length", "8", "--temperature", "0"}));
  }
}

TEST_F(LanguageModel, GoesOnToTheSameBytes) {
  const auto train = [&](const std::string& name, std::vector<std::string> more) {
    more.insert(more.end(), {"--save-every", "7", "--epochs", "2", "--out", folder / name});
    return train_small(more);
  };
  ASSERT_EQ(train("whole", {}).status, 0);
  ASSERT_EQ(train("parts", {"--max-minutes", "0.00001"}).status, 0);  // stops behind the first step
  EXPECT_TRUE(std::filesystem::exists(folder / "parts/checkpoint.safetensors"));
  const Finished refused = train("parts", {"--resume", "--lr", "0.5"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.error, HasSubstr("--lr is 0.5, but 0.002 for the run to go on with"));
  ASSERT_EQ(train("parts", {"--resume"}).status, 0);
  EXPECT_EQ(read_back(folder / "parts/model.safetensors"), read_back(folder / "whole/model.safetensors"));
}

TEST_F(LanguageModel, BadInputGetsOneLine) {
  ASSERT_EQ(train_small().status, 0);
  const std::string out = folder / "never";
  const std::string binary = folder.write("binary", "good\n\xff\xfe bad"), empty = folder.write("empty", "");
  const std::string one = folder.write("one", "x"), good = file;
  std::filesystem::create_directories(folder / "hollow");
  struct Case {
    std::vector<std::string> arguments;
    std::string says;
  };
  for (const Case& c : {
           Case{{"train", "--train", folder / "none", "--out", out}, "none: no such file"},
           Case{{"train", "--train", binary, "--out", out}, "binary:2: byte 6 of the file is not UTF-8"},
           Case{{"train", "--train", empty, "--out", out}, "empty: 0 characters to learn from; two are the least"},
           Case{{"train", "--train", one, "--out", out, "--hold-out", "0"},
                "one: 1 characters to learn from; two are the least"},
           Case{{"train", "--train", good, "--valid", one, "--out", out}, "one: 1 characters; two are the least"},
           Case{{"train", "--out", out}, "language_model: --train is missing"},
           Case{{"train", "--train", good}, "language_model: --out is missing"},
           Case{{"train", "--train", good, "--out", out, "--heads", "5"}, "--dim 128 does not divide into --heads 5"},
           Case{{"train", "--train", good, "--out", out, "--dim", "12"}, "--positions rotary needs an even number"},
           Case{{"train", "--train", good, "--out", out, "--positions", "up"}, "\"up\" is not one of learned"},
           Case{{"train", "--train", good, "--out", out, "--context", "0"}, "--context: 0 is not between 1"},
           Case{{"generate", "--model", folder / "none"}, "none: there is no such folder"},
           Case{{"generate", "--model", folder / "hollow"}, "hollow: no model: it has no config.json"},
           Case{{"generate", "--model", model, "--temperature", "-1"}, "--temperature: -1 is not between"},
           Case{{"generate", "--model", model, "--top-p", "0"}, "--top-p: 0 is not between"},
           Case{{"generate", "--model", model, "--top-k", "few"}, "--top-k: \"few\" is not a whole number"},
           Case{{"generate", "--model", model, "--prompt", "\xff"}, "language_model: --prompt: not UTF-8"},
           Case{{"evaluate", "--model", model, "--data", empty}, "empty: 0 characters; two are the least"},
           Case{{"train", "--train", good, "--out", out, "--device", "tpu"}, "language_model: "},
           Case{{}, "language_model: a command is missing"},
       }) {
    SCOPED_TRACE(c.says);
    const Finished finished = write_with(c.arguments);
    EXPECT_EQ(finished.status, 2);
    EXPECT_THAT(finished.error, HasSubstr(c.says));
    EXPECT_EQ(std::count(finished.error.begin(), finished.error.end(), '\n'), 1) << finished.error;
    EXPECT_FALSE(std::filesystem::exists(out));
  }
}

TEST_F(LanguageModel, ReadsEveryKindOfPositionsAndAnOutputOfItsOwn) {
  for (const std::string positions : {"learned", "sinusoidal", "alibi", "none"}) {
    const Finished finished = train_small({"--positions", positions, "--untied"});
    ASSERT_EQ(finished.status, 0) << finished.error;
    EXPECT_EQ(write_with({"generate", "--model", model, "--length", "40", "--quiet"}).status, 0);
  }
}

TEST_F(LanguageModel, TheDemoLearnsItsPageByHeart) {
  const Finished done =
      write_with({"demo", "--out", folder / "demo", "--device", "cpu", "--threads", "2", "--quiet", "--json"});
  ASSERT_EQ(done.status, 0) << done.error;
  EXPECT_LT(number_in(done.out, "loss"), 0.3) << done.out;
  const std::string page = read_back(folder / "demo/fovea.txt");
  const Finished recited = write_with({"generate", "--model", folder / "demo/model", "--prompt", page.substr(0, 52),
                                       "--length", "100", "--temperature", "0"});
  ASSERT_GE(recited.out.size(), 150u) << recited.error;
  EXPECT_THAT(page, StartsWith(recited.out.substr(0, 150)));
}

TEST_F(LanguageModel, IsToldOfByLossAndAccuracyAlone) {
  ASSERT_EQ(train_small().status, 0);
  const std::string metrics = read_back(model + "/metrics.jsonl");
  EXPECT_THAT(metrics, AllOf(HasSubstr("valid_loss"), HasSubstr("valid_accuracy")));
  EXPECT_EQ(metrics.find("macro_f1"), std::string::npos);
  const Finished refused = train_small({"--monitor", "roc_auc"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.error, HasSubstr("--monitor roc_auc is not told of a language model"));
}

}  // namespace
}  // namespace fovea::test

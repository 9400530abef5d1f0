#include "fovea/train/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

namespace fovea::train {
namespace {

using testing::AllOf;
using testing::HasSubstr;

struct Printed {
  int status;
  std::string out;
  std::string error;
};

struct Given {
  std::string out = "model";
  int64_t epochs = 20;
  bool gate = false;
  std::string config;
  std::vector<std::string> texts;
  bool ran = false;
};

class CommandLineTest : public testing::Test {
 protected:
  Printed run(std::vector<const char*> arguments) {
    CommandLine line("program", "Learns.");
    line.add({.name = "train",
              .description = "Trains a model",
              .declare =
                  [this](OptionTable& table) {
                    table.group("Data");
                    table.add("out", &given.out, "where to write", {.placeholder = "DIR", .required = true});
                    table.group("Training");
                    table.add("epochs", &given.epochs, "passes over the data", {.min = 1});
                    table.add("gate", &given.gate, "adds a gate");
                    table.add("config", &given.config, "options as JSON", {.placeholder = "FILE"});
                  },
              .run =
                  [this](OptionTable&) {
                    given.ran = true;
                    return action();
                  }});
    line.add({.name = "predict",
              .description = "Predicts",
              .declare =
                  [this](OptionTable& table) { table.add("TEXT", &given.texts, "what to read", {.positional = true}); },
              .run = [](OptionTable&) { return ExitStatus::success; }});
    arguments.insert(arguments.begin(), "program");
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int status = line.run(static_cast<int>(arguments.size()), arguments.data());
    return {status, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
  }

  std::string write(const std::string& name, const std::string& content) {
    const std::string path = testing::TempDir() + name;
    std::ofstream(path) << content;
    return path;
  }

  Given given;
  std::function<int()> action = [] { return ExitStatus::success; };
};

TEST_F(CommandLineTest, RunsTheCommandWithItsOptions) {
  const Printed outcome = run({"train", "--out", "here", "--epochs=3", "--gate"});
  EXPECT_EQ(outcome.status, 0) << outcome.error;
  EXPECT_TRUE(given.ran);
  EXPECT_EQ(given.out, "here");
  EXPECT_EQ(given.epochs, 3);
  EXPECT_TRUE(given.gate);
}

TEST_F(CommandLineTest, TakesArgumentsWithoutAFlag) {
  EXPECT_EQ(run({"predict", "one text", "another, with a comma"}).status, 0);
  EXPECT_THAT(given.texts, testing::ElementsAre("one text", "another, with a comma"));
}

TEST_F(CommandLineTest, ArgumentsInBracketsStayWhole) {
  EXPECT_EQ(run({"predict", "[a, b]", "[]", "x]", "[c"}).status, 0);
  EXPECT_THAT(given.texts, testing::ElementsAre("[a, b]", "[]", "x]", "[c"));
  EXPECT_EQ(run({"train", "--out", "[a,b]"}).status, 0);
  EXPECT_EQ(given.out, "[a,b]");
  EXPECT_EQ(run({"train", "--out=[a,b]"}).status, 0);
  EXPECT_EQ(given.out, "[a,b]");
  EXPECT_EQ(run({"train", "--out", "x", "[a,b]"}).error.find('\0'), std::string::npos);
}

TEST_F(CommandLineTest, HelpShowsGroupsAndDefaults) {
  const Printed outcome = run({"train", "--help"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_FALSE(given.ran);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("Data:"), HasSubstr("Training:"), HasSubstr("--epochs N"),
                                 HasSubstr("passes over the data [20]"), HasSubstr("--out DIR")));
  EXPECT_THAT(run({"--help"}).out, AllOf(HasSubstr("train"), HasSubstr("Trains a model"), HasSubstr("predict")));
}

TEST_F(CommandLineTest, AUsersMistakeIsOneLineAndStatusTwo) {
  const auto expect = [&](std::vector<const char*> arguments, const std::string& error) {
    const Printed outcome = run(std::move(arguments));
    EXPECT_EQ(outcome.status, 2);
    EXPECT_THAT(outcome.error, AllOf(testing::StartsWith("program: "), HasSubstr(error), testing::EndsWith("\n")));
    EXPECT_EQ(std::count(outcome.error.begin(), outcome.error.end(), '\n'), 1) << outcome.error;
    EXPECT_EQ(std::count(outcome.error.begin(), outcome.error.end(), '\0'), 0);
    EXPECT_FALSE(given.ran);
  };
  expect({}, "a command is missing: train, predict");
  expect({"fly"}, "fly");
  expect({"train"}, "--out is missing");
  expect({"train", "--out", "x", "--speed", "3"}, "--speed");
  expect({"train", "--out", "x", "--epochs", "many"}, "--epochs: \"many\" is not a whole number");
  expect({"train", "--out", "x", "--epochs"}, "--epochs");
  expect({"train", "--out", "x", "surplus"}, "surplus");
  expect({"train", "--out", "x", "[surplus]"}, "[surplus]");
}

TEST_F(CommandLineTest, ConfigSetsWhatFlagsDoNot) {
  const std::string config = write("config_sets.json", R"({"out": "there", "epochs": 9, "gate": true})");
  EXPECT_EQ(run({"train", "--config", config.c_str(), "--epochs", "4"}).status, 0);
  EXPECT_EQ(given.out, "there");
  EXPECT_EQ(given.epochs, 4);
  EXPECT_TRUE(given.gate);
}

TEST_F(CommandLineTest, ABadConfigIsRefused) {
  const std::string config = write("config_bad.json", R"({"epoch": 9})");
  Printed outcome = run({"train", "--out", "x", "--config", config.c_str()});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.error, HasSubstr("unknown option \"epoch\""));
  outcome = run({"train", "--out", "x", "--config", "/no/such/file.json"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.error, HasSubstr("/no/such/file.json"));
}

TEST_F(CommandLineTest, ReportsErrorsOfTheCommand) {
  action = []() -> int { throw DataError("train.csv:1042: 2 columns, expected 3"); };
  Printed outcome = run({"train", "--out", "x"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(outcome.error, "train.csv:1042: 2 columns, expected 3\n");

  action = []() -> int { raise<ValueError>(Caller(), "Linear: 0 features"); };
  outcome = run({"train", "--out", "x"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(outcome.error, "program: Linear: 0 features\n");

  for (const char* kept : {"texts: 3 are too long (at most 400)", "the file ends early (byte: 17)", "no (such)",
                           "classes stand (3:2)", "what is here (of a.txt:3)", "no line (a.txt:)"}) {
    action = [kept]() -> int { throw ValueError(kept); };
    EXPECT_EQ(run({"train", "--out", "x"}).error, "program: " + std::string(kept) + "\n");
  }

  action = []() -> int { throw ShapeError("a fault\nof ours"); };
  outcome = run({"train", "--out", "x"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.error, "program: a fault of ours\n");
}

}  // namespace
}  // namespace fovea::train

#include "fovea/train/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fovea::train {
namespace {

using testing::ElementsAre;

struct Settings {
  bool gate = false;
  int64_t epochs = 20;
  double lr = 0.001;
  std::string encoder = "gru";
  std::vector<std::string> text;
  int64_t threads = 0;

  void declare(OptionTable& table) {
    table.group("Model");
    table.add("gate", &gate, "a gate");
    table.add("encoder", &encoder, "what reads", {.choices = {"bag", "gru"}});
    table.group("Training");
    table.add("epochs", &epochs, "passes", {.min = 1});
    table.add("lr", &lr, "learning rate", {.min = 0, .max = 10});
    table.add("text", &text, "columns");
    table.add("threads", &threads, "threads", {.configuration = false});
  }
};

class OptionTableTest : public testing::Test {
 protected:
  OptionTableTest() { settings.declare(table); }

  std::string error_of(const std::function<void()>& action) {
    try {
      action();
    } catch (const UsageError& error) {
      return error.what();
    }
    return "no error";
  }

  Settings settings;
  OptionTable table;
};

TEST_F(OptionTableTest, AssignsWordsByType) {
  table.assign("gate", {"true"});
  table.assign("epochs", {"3"});
  table.assign("lr", {"5e-2"});
  table.assign("encoder", {"bag"});
  table.assign("text", {"title,body"});
  EXPECT_TRUE(settings.gate);
  EXPECT_EQ(settings.epochs, 3);
  EXPECT_EQ(settings.lr, 0.05);
  EXPECT_EQ(settings.encoder, "bag");
  EXPECT_THAT(settings.text, ElementsAre("title", "body"));
  EXPECT_TRUE(table.given("lr"));
  EXPECT_FALSE(table.given("threads"));
}

TEST_F(OptionTableTest, RefusesWordsThatDoNotFitAndSaysWhy) {
  const auto assign = [&](const char* name, const char* word) { return error_of([&] { table.assign(name, {word}); }); };
  EXPECT_EQ(assign("epochs", "three"), "--epochs: \"three\" is not a whole number");
  EXPECT_EQ(assign("epochs", "3.5"), "--epochs: \"3.5\" is not a whole number");
  EXPECT_EQ(assign("epochs", "99999999999999999999"), "--epochs: \"99999999999999999999\" is not a whole number");
  EXPECT_EQ(assign("epochs", "0"), "--epochs: 0 is less than 1");
  EXPECT_EQ(assign("lr", "fast"), "--lr: \"fast\" is not a number");
  EXPECT_EQ(assign("lr", "nan"), "--lr: \"nan\" is not a number");
  EXPECT_EQ(assign("lr", "-1"), "--lr: -1 is not between 0 and 10");
  EXPECT_EQ(assign("encoder", "conv"), "--encoder: \"conv\" is not one of bag, gru");
  EXPECT_EQ(settings.epochs, 20);
  EXPECT_FALSE(table.given("epochs"));
}

TEST_F(OptionTableTest, WritesItsConfigurationAndReadsItBack) {
  settings = {.gate = true, .epochs = 7, .lr = 0.1 + 0.2, .encoder = "bag", .text = {"a", "b"}, .threads = 2};
  const std::string json = table.to_json();
  EXPECT_EQ(json.find("threads"), std::string::npos);

  Settings other;
  OptionTable others;
  other.declare(others);
  others.from_json(json, "config.json");
  EXPECT_TRUE(other.gate);
  EXPECT_EQ(other.epochs, 7);
  EXPECT_EQ(other.lr, 0.1 + 0.2);
  EXPECT_EQ(other.encoder, "bag");
  EXPECT_THAT(other.text, ElementsAre("a", "b"));
  EXPECT_EQ(other.threads, 0);
}

TEST_F(OptionTableTest, FlagsWinOverJson) {
  table.assign("epochs", {"3"});
  table.from_json(R"({"epochs": 9, "lr": 1})", "c.json");
  EXPECT_EQ(settings.epochs, 3);
  EXPECT_EQ(settings.lr, 1);
  EXPECT_TRUE(table.given("lr"));
}

TEST_F(OptionTableTest, ConfigurationsSayNothingThatWasSaidInAnotherWay) {
  std::string label, columns;
  table.add("label", &label, "one", {.unless = {"columns", "elsewhere"}});
  table.add("columns", &columns, "several", {.unless = {"label"}});
  table.assign("columns", {"a"});
  table.from_json(R"({"label": "x", "columns": "y", "epochs": 3})", "here");
  EXPECT_EQ(label, "");
  EXPECT_EQ(columns, "a");
  EXPECT_EQ(settings.epochs, 3);
  EXPECT_FALSE(table.given("label"));
}

TEST_F(OptionTableTest, KnowsWhatEachValueUsuallyIs) {
  settings.text = {"title"};
  table.add("more", &settings.text, "columns again");
  table.assign("epochs", {"3"});
  EXPECT_EQ(table.find("epochs")->usual, "20");
  EXPECT_EQ(table.find("gate")->usual, "false");
  EXPECT_EQ(table.find("encoder")->usual, "\"gru\"");
  EXPECT_EQ(table.find("text")->usual, "[]");
  EXPECT_EQ(table.find("more")->usual, "[\"title\"]");
}

TEST_F(OptionTableTest, ReadsTheOptionsOfAModelsConfiguration) {
  table.from_json(R"({"trainer": "text_classifier", "options": {"epochs": 9}})", "config.json");
  EXPECT_EQ(settings.epochs, 9);
}

TEST_F(OptionTableTest, SetsNothingFromJsonThatIsWrong) {
  const auto read = [&](const char* text) { return error_of([&] { table.from_json(text, "c.json"); }); };
  EXPECT_EQ(read(R"({"epochs": 9, "speed": 1})"), "c.json: unknown option \"speed\"");
  EXPECT_EQ(read(R"({"lr": 2, "epochs": "9"})"), "c.json: epochs: \"9\" is not a whole number");
  EXPECT_EQ(read(R"({"epochs": 1.5})"), "c.json: epochs: 1.5 is not a whole number");
  EXPECT_EQ(read(R"({"epochs": 0})"), "c.json: epochs: 0 is less than 1");
  EXPECT_EQ(read(R"({"epochs": 9223372036854775808})"), "c.json: epochs: 9223372036854775808 is too great");
  EXPECT_EQ(read(R"({"encoder": "conv"})"), "c.json: encoder: \"conv\" is not one of bag, gru");
  EXPECT_EQ(read(R"({"gate": 1})"), "c.json: gate: 1 is neither true nor false");
  EXPECT_EQ(read(R"({"text": [true]})"), "c.json: text: [true] is not a list of strings");
  EXPECT_EQ(read(R"({"lr": null})"), "c.json: lr: null is not a number");
  EXPECT_THROW(table.from_json("{\n", "c.json"), DataError);
  EXPECT_EQ(read("[1]"), "c.json: not a JSON object");
  EXPECT_EQ(settings.lr, 0.001);
  EXPECT_EQ(settings.epochs, 20);
}

TEST_F(OptionTableTest, RefusesANameTwice) { EXPECT_THROW(table.add("lr", &settings.lr, "again"), ValueError); }

TEST_F(OptionTableTest, AConfigurationIsText) {
  EXPECT_EQ(error_of([&] { table.assign("text", {"caf\xe9"}); }), "--text: not UTF-8");
  table.assign("text", {"caf\u00e9"});
  EXPECT_NE(table.to_json().find("caf\u00e9"), std::string::npos);
}

}  // namespace
}  // namespace fovea::train

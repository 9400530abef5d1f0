#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <csignal>

#include "examples/exports.h"

namespace fovea::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const Words small_table{"--dim",        "16", "--heads",  "2",  "--layers", "1",    "--feedforward", "16",
                        "--batch-size", "16", "--epochs", "12", "--lr",     "0.01", "--threads",     "1"};

Finished classify_rows(const Words& arguments, const std::string& input = {}) {
  return run(TABULAR_CLASSIFIER, arguments, input);
}

class TabularClassifier : public testing::Test {
 protected:
  Words train_into(const std::string& out, const Words& flags = {}) const {
    return with(with({"train", "--train", train, "--out", folder / out}, small_table), flags);
  }
  std::string weights(const std::string& out) const { return read_back(folder / (out + "/model.safetensors")); }

  TempFolder folder;
  std::string train = folder.write("train.csv", rows(400, 1)), other = folder.write("test.csv", rows(200, 2));
};

TEST_F(TabularClassifier, LearnsWhatNoColumnTellsAlone) {
  // The smallest model that learns a product of three signs whatever its first weights.
  const Finished done = classify_rows(train_into("model", {"--quiet", "--json", "--epochs", "40", "--dim", "32",
                                                           "--layers", "2", "--feedforward", "64", "--lr", "0.003"}));
  ASSERT_EQ(done.status, 0) << done.error;
  for (const char* name : {"config.json", "columns.json", "model.safetensors", "metrics.jsonl", "report.html"}) {
    EXPECT_TRUE(std::filesystem::exists(folder / ("model/" + std::string(name)))) << name;
  }
  const Finished tested = classify_rows({"evaluate", "--model", folder / "model", "--data", other, "--json"});
  ASSERT_EQ(tested.status, 0) << tested.error;
  const Json metrics = last_line(tested.out);
  EXPECT_GT(metrics["accuracy"], 0.85) << tested.out;
  EXPECT_GT(metrics["roc_auc"], 0.9);
  EXPECT_THAT(metrics.dump(-1, ' ', false), HasSubstr("calibration_error"));
  const Json first = Json::parse(tested.out.substr(tested.out.rfind("{\"examples\":200,\"accuracy\":")));
  EXPECT_EQ(first["examples"], 200);

  const Finished told = classify_rows({"predict", "--model", folder / "model", "--explain", "--json", "0.5,0.5,red,3",
                                       R"({"x": -0.5, "y": 0.5, "colour": "red"})"});
  ASSERT_EQ(told.status, 0) << told.error;
  EXPECT_THAT(told.out, HasSubstr("\"label\":\"yes\""));
  const Json second = last_line(told.out);
  EXPECT_EQ(second["label"], "no") << told.out;
  double sum = 0;
  for (const Json& token : second["tokens"]) sum += token["weight"].get<double>();
  EXPECT_NEAR(sum, 1, 1e-3);
  EXPECT_EQ(second["tokens"][3]["token"], "z=(missing)");

  const std::string report = read_back(folder / "model/report.html");
  for (const char* part : {"Deletion test", "Calibration", "ROC", "colour=red"}) EXPECT_THAT(report, HasSubstr(part));
}

TEST_F(TabularClassifier, FewRowsAreReadInFewerPasses) {
  const Words tiny{"--dim", "8", "--heads", "2", "--layers", "0", "--hidden", "8", "--batch-size", "512", "--quiet"};
  const auto epochs = [&](const std::string& name, int count, const Words& flags = {}) -> int64_t {
    const Words files{"train", "--train", folder.write(name + ".csv", rows(count, 3)), "--out", folder / name};
    const Finished done = classify_rows(files + tiny + flags);
    EXPECT_EQ(done.status, 0) << done.error;
    return Json::parse(read_back(folder / (name + "/config.json")))["options"]["epochs"];
  };
  EXPECT_EQ(epochs("few", 200, {"--hold-out", "0"}), 12);
  EXPECT_EQ(epochs("some", 1300, {"--hold-out", "0"}), 21);
  EXPECT_EQ(epochs("many", 1700, {"--hold-out", "0"}), 30);
  EXPECT_EQ(epochs("chosen", 200, {"--epochs", "2"}), 2);
}

TEST_F(TabularClassifier, CrossValidatesAndGoesOnWhereItWasCut) {
  const Words flags{"--folds", "3", "--quiet", "--json", "--epochs", "25"};
  const Finished whole = classify_rows(train_into("whole", flags));
  ASSERT_EQ(whole.status, 0) << whole.error;
  const Json metrics = last_line(whole.out)["cross_validation"];
  EXPECT_EQ(metrics["folds"], 3);
  EXPECT_GT(metrics["accuracy"], 0.6);
  EXPECT_GE(metrics["accuracy_spread"], 0.0);
  EXPECT_THAT(read_back(folder / "whole/report.html"), HasSubstr("Cross-validation"));

  Program cut(TABULAR_CLASSIFIER, train_into("cut", {"--folds", "3", "--epochs", "25"}));
  for (auto line = cut.line(); line && !line->starts_with("fold 2/3"); line = cut.line()) continue;
  cut.signal(SIGKILL);
  cut.finish();
  const Finished resumed = classify_rows(train_into("cut", with(flags, {"--resume"})));
  ASSERT_EQ(resumed.status, 0) << resumed.error;
  EXPECT_EQ(read_back(folder / "cut/folds.jsonl"), read_back(folder / "whole/folds.jsonl"));
  EXPECT_EQ(weights("cut"), weights("whole"));
}

TEST_F(TabularClassifier, DecidesByCostsOrAThreshold) {
  const std::string costs = folder.write("costs.csv", "truth,no,yes\nno,0,100\nyes,1,0\n");
  Finished done = classify_rows(train_into("costs", {"--costs", costs, "--quiet", "--json", "--epochs", "2"}));
  ASSERT_EQ(done.status, 0) << done.error;
  EXPECT_TRUE(last_line(done.out).contains("mean_cost"));
  Finished told = classify_rows({"predict", "--model", folder / "costs", "0.5,0.5,red,3"});
  EXPECT_THAT(told.out, StartsWith("no")) << "an unsure yes costs too much";
  EXPECT_TRUE(last_line(classify_rows({"evaluate", "--model", folder / "costs", "--data", other, "--json"}).out)
                  .contains("mean_cost"));

  done = classify_rows(train_into("never", {"--threshold", "1", "--quiet", "--epochs", "2"}));
  ASSERT_EQ(done.status, 0) << done.error;
  told = classify_rows({"predict", "--model", folder / "never", "0.5,0.5,red,3"});
  EXPECT_THAT(told.out, StartsWith("no"));
  for (const char* goal : {"accuracy", "macro_f1", "cost"}) {
    done = classify_rows(train_into("goal", {"--threshold", goal, "--costs", costs, "--epochs", "2"}));
    ASSERT_EQ(done.status, 0) << done.error;
    EXPECT_THAT(done.out, HasSubstr("from a probability of"));
  }
}

TEST_F(TabularClassifier, EveryOptionDoesWhatItSays) {
  for (const Words& flags :
       {Words{"--balance", "weights"}, Words{"--balance", "sampling"}, Words{"--monitor", "roc_auc"},
        Words{"--drop", "z"}, Words{"--categorical", "z"}, Words{"--numeric", "z,x"}, Words{"--missing", "0,1"},
        Words{"--scale", "standard"}, Words{"--knots", "0", "--noise", "0.1", "--column-dropout", "0.2"},
        Words{"--layers", "0"}, Words{"--label", "class"}, Words{"--label", "4"}}) {
    SCOPED_TRACE(testing::PrintToString(flags));
    const Finished done = classify_rows(with(train_into("model", {"--epochs", "1", "--quiet"}), flags));
    ASSERT_EQ(done.status, 0) << done.error;
    EXPECT_EQ(classify_rows({"evaluate", "--model", folder / "model", "--data", other, "--quiet"}).status, 0);
  }
  const std::string bare = folder.write("bare.csv", "400,4,what the file holds\n" + rows(400, 1).substr(20));
  const Words headless{"train", "--train", bare, "--out", folder / "model", "--no-header", "--skip-lines", "1"};
  const Finished done = classify_rows(with(with(headless, small_table), {"--epochs", "1", "--quiet"}));
  ASSERT_EQ(done.status, 0) << done.error;
  EXPECT_EQ(classify_rows({"evaluate", "--model", folder / "model", "--data", bare, "--quiet"}).status, 0);
}

TEST_F(TabularClassifier, ReadsWhatAnotherDelimiterSeparates) {
  const std::string commas = rows(200, 1);
  const auto weights = [&](std::string content, const char* delimiter) {
    std::replace(content.begin(), content.end(), ',', delimiter[0] == 't' ? '\t' : delimiter[0]);
    const std::string path = folder.write("rows.csv", content);
    const Words train{"train", "--train", path, "--out", folder / "model", "--delimiter", delimiter};
    const Finished done = classify_rows(with(with(train, small_table), {"--epochs", "1", "--quiet"}));
    EXPECT_EQ(done.status, 0) << done.error;
    // A model remembers it.
    const Finished tested = classify_rows({"evaluate", "--model", folder / "model", "--data", path, "--quiet"});
    EXPECT_EQ(tested.status, 0) << tested.error;
    const std::string file = data::testing::read_back(folder / "model/model.safetensors");
    return file.substr(file.find("}}"));  // behind the header, which names the run
  };
  const std::string expected = weights(commas, ",");
  for (const char* delimiter : {";", "tab", "|"}) EXPECT_EQ(weights(commas, delimiter), expected) << delimiter;

  // As other countries write numbers.
  std::string content = "size;class\n";
  for (int i = 0; i < 40; ++i) content += fmt::format("{},5;{}\n", i, "ab"[i % 2]);
  const std::string path = folder.write("comma.csv", content);
  const Words train{"train", "--train", path, "--out", folder / "comma", "--delimiter", ";", "--epochs", "1"};
  EXPECT_THAT(classify_rows(with(train, small_table)).out,
              HasSubstr("; \"size\" holds categories, for \"0,5\" in line 2 has a comma (--decimal-comma?);"));
  const Finished told = classify_rows(with(train, small_table + Words{"--decimal-comma"}));
  EXPECT_EQ(told.status, 0) << told.error;
  EXPECT_THAT(told.out, Not(HasSubstr("categories")));
  EXPECT_EQ(classify_rows({"predict", "--model", folder / "comma", "\"3,5\"", R"({"size": 3.5})"}).status, 0);
}

TEST_F(TabularClassifier, ABadInputIsOneLineAndLeavesNothingBehind) {
  struct Case {
    std::string content;
    Words flags;
    std::string error;
  };
  const std::string head = "x,y,class\n";
  for (const Case& bad : std::vector<Case>{
           {"", {}, "bad.csv: the file is empty"},
           {head, {}, "bad.csv: no rows below the header"},
           {head + "1,2,a\n1,b\n", {}, "bad.csv:3: 2 columns, expected 3"},
           {head + "1,2,a\n1,2,3,b\n", {}, "bad.csv:3: 4 columns, expected 3"},
           {head + "1,2,a\n1,2,\n", {}, "bad.csv:3: the label is empty"},
           {head + "1,2,a\n1,2,a\n", {}, "bad.csv: all labels are \"a\"; a classifier needs two classes"},
           {head + "1,\"2,a\n1,2,b\n", {}, "bad.csv:2: "},
           {head + "1,\xff,a\n1,2,b\n", {}, "bad.csv:2: "},
           {head + "1,2,a\n1,z,b\n", {"--numeric", "y"}, "bad.csv:3: column \"y\": \"z\" is not a number"},
           {head + "1,2,a\n1,z,b\n",
            {"--numeric", "w"},
            "bad.csv: no column \"w\" to learn from; there are \"x\", \"y\""},
           {head + "1,2,a\n1,3,b\n", {"--label", "w"}, "bad.csv: no column \"w\"; it has \"x\", \"y\", \"class\""},
           {head + "1,2,a\n1,3,b\n", {"--drop", "x,y"}, "bad.csv: no column is left to learn from"},
           {head + "1,2,a\n1,3,b\n", {"--skip-lines", "9"}, "bad.csv: nothing follows the 9 skipped lines"},
           {head + "1,2,a\n1,3,b\n", {"--heads", "5"}, "tabular_classifier: --dim 16 is no multiple of --heads 5"},
           {head + "1,2,a\n1,3,b\n", {"--folds", "1"}, "tabular_classifier: --folds: one fold leaves nothing"},
           {head + "1,2,a\n1,3,b\n", {"--folds", "3"}, "bad.csv: 2 rows are too few for 3 folds"},
           {head + "1,2,a\n1,3,b\n", {"--threshold", "2"}, "tabular_classifier: --threshold: \"2\""},
           {head + "1,2,a\n1,3,b\n", {"--threshold", "cost"}, "tabular_classifier: --threshold cost needs --costs"},
           {head + "1,2,a\n1,3,b\n",
            {"--threshold", "accuracy", "--hold-out", "0"},
            "tabular_classifier: --threshold accuracy needs examples that are held out"},
           {"x,x,class\n1,2,a\n1,3,b\n",
            {},
            "bad.csv: 2 columns are named \"x\", by which a model finds its columns: rename them or leave them out by "
            "--drop 0,1"},
           {"1,1,a\n1,3,b\n",
            {},
            "bad.csv: 2 columns are named \"1\", by which a model finds its columns: use --no-header where the first "
            "line holds no names"},
           {"x,x,class\n1,2,a\n1,3,b\n", {"--drop", "0"}, "bad.csv: 2 columns are named \"x\""},
           {"x,class,class\n1,2,a\n1,3,b\n", {"--drop", "1"}, "bad.csv: 2 columns are named \"class\""},
           {head + "1,2,a\n1,3,b\n1,3,c\n",
            {"--threshold", "0.2"},
            "tabular_classifier: --threshold is for two classes"},
           {head + "1,2,a\n1,3,b\n", {"--costs", folder / "absent.csv"}, "absent.csv: "},
           {head + "1,2,a\n1,3,b\n",
            {"--costs", folder.write("costs.csv", "truth,a,b\na,0,x\nb,1,0\n")},
            "costs.csv:2: the cost \"x\" is not a number"},
       }) {
    const std::string path = folder.write("bad.csv", bad.content);
    const Words arguments = with(with({"train", "--train", path, "--out", folder / "nothing"}, small_table), bad.flags);
    const Finished done = classify_rows(arguments);
    EXPECT_EQ(done.status, 2) << bad.error;
    EXPECT_THAT(done.error, HasSubstr(bad.error));
    EXPECT_EQ(std::count(done.error.begin(), done.error.end(), '\n'), 1) << done.error;
    EXPECT_FALSE(std::filesystem::exists(folder / "nothing")) << bad.error;
  }
}

TEST_F(TabularClassifier, SaysWhichCellMakesCategoriesOfNumbers) {
  std::string content = "size,class\n";
  for (int i = 0; i < 40; ++i) content += fmt::format("{},{}\n", i == 20 ? "1e400" : std::to_string(i), "ab"[i % 2]);
  const std::string path = folder.write("typo.csv", content);
  const Words train{"train", "--train", path, "--out", folder / "model", "--epochs", "1", "--hold-out", "0"};
  const Finished done = classify_rows(with(train, small_table));
  ASSERT_EQ(done.status, 0) << done.error;
  EXPECT_THAT(done.out, HasSubstr("; \"size\" holds categories, for \"1e400\" in line 22 is not a number"));
  EXPECT_THAT(classify_rows(with(train, small_table + Words{"--categorical", "size"})).out,
              Not(HasSubstr("is not a number")));
}

TEST_F(TabularClassifier, SaysWhichColumnNamesRows) {
  std::string content = "patient,age,class\n";
  for (int i = 0; i < 40; ++i) content += fmt::format("P{},{},{}\n", i, i % 7, "ab"[i % 2]);
  const std::string path = folder.write("named.csv", content);
  const Words train{"train", "--train", path, "--out", folder / "model", "--epochs", "1", "--hold-out", "0"};
  const Finished done = classify_rows(with(train, small_table));
  ASSERT_EQ(done.status, 0) << done.error;
  EXPECT_THAT(done.out, HasSubstr("; \"patient\" is another one in almost every row, as \"P0\" in line 2 (--drop?);"));
  EXPECT_THAT(classify_rows(with(train, small_table + Words{"--categorical", "patient"})).out,
              Not(HasSubstr("almost every row")));
}

TEST_F(TabularClassifier, SaysThatAHeaderReadsLikeARowAndHowLinesWereTaken) {
  std::string content;
  for (int i = 0; i < 40; ++i) content += fmt::format("{}.5,{}\n", i, "ab"[i % 2]);
  const std::string path = folder.write("bare.csv", content);
  const Words train{"train", "--train", path, "--out", folder / "model", "--epochs", "1", "--hold-out", "0"};
  const Finished taken = classify_rows(with(train, small_table));
  ASSERT_EQ(taken.status, 0) << taken.error;
  EXPECT_THAT(taken.out,
              HasSubstr("; a column of numbers is called \"0.5\", as if the first line were a row (--no-header?)"));
  const Finished told = classify_rows(with(train, small_table + Words{"--no-header"}));
  ASSERT_EQ(told.status, 0) << told.error;
  EXPECT_THAT(told.out, AllOf(HasSubstr("40 rows of 2 classes"), Not(HasSubstr("as if the first line"))));
  const Finished tested = classify_rows({"evaluate", "--model", folder / "model", "--data", path});
  EXPECT_THAT(tested.out, AllOf(HasSubstr("on 40 rows"), HasSubstr("\nread with --no-header\n")));
}

TEST_F(TabularClassifier, WritesIntoNoFolderThatAnotherRunWritesInto) {
  const Words arguments = train_into("model", {"--epochs", "1", "--quiet"});
  ASSERT_EQ(classify_rows(arguments).status, 0);
  const std::string before = weights("model");
  const int other_run = ::open((folder / "model").c_str(), O_RDONLY);
  ASSERT_EQ(::flock(other_run, LOCK_EX), 0);
  const Finished done = classify_rows(with(arguments, {"--seed", "9"}));
  ::close(other_run);
  EXPECT_EQ(done.status, 2) << done.out;
  EXPECT_THAT(done.error, HasSubstr("model: another run is writing into it"));
  EXPECT_EQ(weights("model"), before);
  EXPECT_EQ(classify_rows(with(arguments, {"--seed", "9"})).status, 0);
}

TEST_F(TabularClassifier, EvaluatesNoModelThatComputesNoNumbers) {
  ASSERT_EQ(classify_rows(train_into("model", {"--epochs", "1", "--quiet"})).status, 0);
  std::string bytes = weights("model");
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof(header));
  std::fill(bytes.begin() + 8 + static_cast<int64_t>(header), bytes.end(), '\xff');  // each float a NaN
  folder.write("model/model.safetensors", bytes);
  const Finished done = classify_rows({"evaluate", "--model", folder / "model", "--data", other, "--json"});
  EXPECT_EQ(done.status, 2) << done.out;
  EXPECT_THAT(done.error, HasSubstr("is no number"));
  EXPECT_EQ(done.out, "");
}

TEST_F(TabularClassifier, AModelWithoutNumbersIsNotKept) {
  for (const char* share : {"0.2", "0"}) {
    // Two steps of finite losses, after which no other is.
    const Finished done = classify_rows(train_into(
        "model", {"--lr", "1e6", "--clip", "0", "--epochs", "1", "--batch-size", "200", "--hold-out", share}));
    EXPECT_EQ(done.status, 2) << done.out;
    EXPECT_THAT(done.error, StartsWith("tabular_classifier: the loss became "));
    EXPECT_FALSE(std::filesystem::exists(folder / "model/config.json"));
  }
}

TEST_F(TabularClassifier, RowsBeforeABadLineArePredicted) {
  ASSERT_EQ(classify_rows(train_into("model", {"--epochs", "1", "--quiet"})).status, 0);
  const std::string good = "0.5,0.5,red,3\n";
  for (const auto& [bad, error] :
       {std::pair<std::string, std::string>{"1,2\n", "\"1,2\": 2 values, expected 4"}, {"caf\xe9\n", "not UTF-8"}}) {
    const Finished done = classify_rows({"predict", "--model", folder / "model"}, good + good + bad + good);
    EXPECT_EQ(done.status, 2);
    EXPECT_EQ(std::count(done.out.begin(), done.out.end(), '\n'), 2) << done.out;
    EXPECT_THAT(done.error, StartsWith("standard input:3: " + error));
  }
}

TEST_F(TabularClassifier, HelpTellsOfItsOwnDefaults) {
  std::string help = classify_rows({"train", "--help"}).out;
  std::istringstream words(help);
  help.clear();
  for (std::string word; words >> word;) help += word + ' ';
  EXPECT_THAT(help, HasSubstr("--epochs N passes over the data, at most [12 up to 1000 training rows, 30 from 1600 on, "
                              "between them a number in between] "));
  EXPECT_THAT(help, HasSubstr("[adamw]"));
}

TEST_F(TabularClassifier, ABadRowIsOneLine) {
  ASSERT_EQ(classify_rows(train_into("model", {"--epochs", "1", "--quiet"})).status, 0);
  const auto error = [&](const std::string& row) {
    const Finished done = classify_rows({"predict", "--model", folder / "model", row});
    EXPECT_EQ(done.status, 2) << row;
    return done.error;
  };
  EXPECT_THAT(error("1,2"), HasSubstr("2 values, expected 4: \"x\", \"y\", \"colour\", \"z\""));
  EXPECT_THAT(error("one,2,red,3"), HasSubstr("column \"x\": \"one\" is not a number"));
  EXPECT_THAT(error("{\"x\": 1, \"w\": 2}"), HasSubstr("no column \"w\""));
  const std::string mixed = folder.write("mixed.csv", rows(5, 3) + "1,two,red,,yes\n");
  const Finished done = classify_rows({"evaluate", "--model", folder / "model", "--data", mixed});
  EXPECT_EQ(done.status, 2);
  EXPECT_THAT(done.error, HasSubstr("mixed.csv:7: column \"y\": \"two\" is not a number"));
}

TEST_F(TabularClassifier, DemoDecidesCheaperByCosts) {
  const Finished done =
      classify_rows({"demo", "--out", folder / "demo", "--device", "cpu", "--threads", "2", "--quiet", "--json"});
  ASSERT_EQ(done.status, 0) << done.error;
  EXPECT_EQ(std::count(done.out.begin(), done.out.end(), '\n'), 1) << done.out;
  const Json result = last_line(done.out);
  EXPECT_GT(result["roc_auc"], 0.85);
  EXPECT_LT(result["cost_with_costs"], result["cost"]);
  const std::string model = folder / "demo/plain", test = folder / "demo/test.csv";
  expect_as_good_in_8_bits(TABULAR_CLASSIFIER, model, test);
  if (!runs_elsewhere(TABULAR_CLASSIFIER, model, test)) GTEST_SKIP() << no_runtime;
}

}  // namespace
}  // namespace fovea::test

// Searches for options: the same seed finds the same model, however often it is killed.
#include <csignal>
#include <thread>

#include "refusal.h"
#include "trainers.h"

namespace fovea::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class Search : public testing::Test {
 protected:
  Words search_into(const std::string& out, const Words& flags = {}) const {
    return Words{"search", "--train", data, "--out", folder / out, "--trials", "4", "--epochs", "3"} + model + flags;
  }
  /// The lines of search.jsonl without what takes another time each time.
  std::vector<Json> records(const std::string& out) const {
    std::istringstream lines(read_back(folder / (out + "/search.jsonl")));
    std::vector<Json> all;
    for (std::string line; std::getline(lines, line);) {
      all.push_back(Json::parse(line));
      all.back().erase("seconds");
    }
    return all;
  }
  std::string best(const std::string& out) const { return read_back(folder / (out + "/best/model.safetensors")); }

  TempFolder folder;
  std::string data = folder.write("train.csv", reviews(200));
  const Words model{"--embedding", "8", "--hidden", "8", "--batch-size", "16", "--threads", "1"};
  const Words vary{"--vary", "lr=1e-4..1e-1:log", "--vary", "encoder=gru,lstm"};
};

TEST_F(Search, TheSameSeedFindsTheSameModel) {
  const Finished first = classify(search_into("a", vary + Words{"--json"}));
  ASSERT_EQ(first.status, 0) << first.error;
  ASSERT_EQ(classify(search_into("b", vary)).status, 0);
  ASSERT_EQ(classify(search_into("c", vary + Words{"--seed", "2"})).status, 0);
  ASSERT_EQ(records("a").size(), 5u);
  EXPECT_EQ(records("a"), records("b"));
  EXPECT_NE(records("a"), records("c"));
  EXPECT_EQ(best("a"), best("b"));

  const Json summary = last_line(first.out);
  double highest = 0;
  for (const Json& record : records("a")) highest = std::max(highest, record.value("accuracy", 0.0));
  EXPECT_EQ(summary["accuracy"], highest);
  EXPECT_EQ(summary["out"], folder / "a/best");
  EXPECT_THAT(first.out, HasSubstr("best by accuracy: trial "));
  // The model is one as train writes it, with the options that were found.
  const Json config = Json::parse(read_back(folder / "a/best/config.json"));
  EXPECT_EQ(config["options"]["encoder"], summary["options"]["encoder"]);
  EXPECT_EQ(config["options"]["lr"], std::stod(summary["options"]["lr"].get<std::string>()));
  EXPECT_EQ(classify({"evaluate", "--model", folder / "a/best", "--data", data}).status, 0);
  EXPECT_TRUE(fs::exists(folder / "a/best/report.html"));
  const std::string page = read_back(folder / "a/search.html");
  for (const char* text : {"accuracy by lr", "accuracy by encoder", "prefers-color-scheme:dark", "best so far"}) {
    EXPECT_THAT(page, HasSubstr(text));
  }
  EXPECT_EQ(page.find("<script"), std::string::npos);
  for (const auto& entry : fs::directory_iterator(folder / "a")) {
    EXPECT_EQ(entry.path().filename().string().find("trial_"), std::string::npos) << entry.path();
  }
}

TEST_F(Search, HalvingGivesTheBestMoreEpochs) {
  const Finished done = classify(search_into("a", vary + Words{"--method", "halving", "--factor", "2"}));
  ASSERT_EQ(done.status, 0) << done.error;
  const std::vector<Json> all = records("a");
  ASSERT_EQ(all.size(), 1u + 4 + 2) << done.out;  // three epochs leave room for two rounds
  std::vector<double> first, second;
  for (size_t i = 1; i < all.size(); ++i) {
    const bool last = i > 4;
    EXPECT_EQ(all[i]["round"], last ? 2 : 1);
    EXPECT_EQ(all[i]["epochs"], last ? 3 : 2);
    if (!last) continue;
    int better = 0;
    for (size_t k = 1; k <= 4; ++k) better += all[k]["accuracy"] > all[all[i]["trial"].get<size_t>()]["accuracy"];
    EXPECT_LT(better, 2) << "trial " << all[i]["trial"] << " was not among the better half";
  }
  EXPECT_LT(all[5]["trial"], all[6]["trial"]) << "in the order of their numbers";
}

TEST_F(Search, KilledItGoesOn) {
  const Words flags = vary + Words{"--save-every", "2"};
  ASSERT_EQ(classify(search_into("whole", flags)).status, 0);
  int killed = 0;
  for (int attempt = 0; attempt < 4; ++attempt) {
    Program program(TEXT_CLASSIFIER, search_into("cut", flags + Words{"--resume"}));
    // Somewhere in the trial after the next.
    auto line = program.line();
    while (line && !line->starts_with("trial ")) line = program.line();
    std::this_thread::sleep_for(std::chrono::milliseconds(10 * attempt));
    program.signal(SIGKILL);
    killed += program.finish().status == 128 + SIGKILL;
  }
  EXPECT_GT(killed, 1);
  const Finished last = classify(search_into("cut", flags + Words{"--resume"}));
  ASSERT_EQ(last.status, 0) << last.error;
  EXPECT_THAT(last.out, HasSubstr("going on behind trial"));
  EXPECT_EQ(records("cut"), records("whole"));
  EXPECT_EQ(best("cut"), best("whole"));
}

TEST_F(Search, GoesOnWithTheSameSearchAlone) {
  const Words few = vary + Words{"--trials", "2", "--epochs", "1"};
  ASSERT_EQ(classify(search_into("out", few)).status, 0);
  const std::string model = best("out");
  const Finished again = classify(search_into("out", few + Words{"--resume"}));
  EXPECT_EQ(again.status, 0) << again.error;
  EXPECT_THAT(again.out, HasSubstr("going on behind trial 2\n"));
  EXPECT_THAT(again.out, Not(HasSubstr("\ntrial 1/2"))) << "nothing is left to do";
  // As a version wrote it that did not know every option.
  const std::string path = folder / "out/search.jsonl", lines = read_back(path);
  const size_t end = lines.find('\n');
  auto first = nlohmann::ordered_json::parse(lines.substr(0, end));
  ASSERT_EQ(first["options"].erase("label-columns"), 1U);
  folder.write("out/search.jsonl", first.dump() + lines.substr(end));
  EXPECT_EQ(classify(search_into("out", few + Words{"--resume"})).status, 0);
  const std::string longer = folder.write("longer.csv", reviews(201));
  for (const Words& other : std::vector<Words>{{"--label-smoothing", "0.1"},
                                               {"--seed", "2"},
                                               {"--method", "halving"},
                                               {"--factor", "2"},
                                               {"--folds", "2"},
                                               {"--vary", "dropout=0..0.5"},
                                               {"--trials", "3"},
                                               {"--train", longer}}) {
    SCOPED_TRACE(other.front());
    const Finished refused = classify(search_into("out", few + Words{"--resume"} + other));
    EXPECT_EQ(refused.status, 2);
    EXPECT_THAT(refused.error, HasSubstr("--resume: " + folder / "out/search.jsonl" + " is of a search with other"));
    EXPECT_EQ(best("out"), model);
  }
}

TEST_F(Search, EndsWhenItsTimeIsOverAndGoesOnLater) {
  const Words few = vary + Words{"--epochs", "1"};
  ASSERT_EQ(classify(search_into("whole", few)).status, 0);
  const Finished late = classify(search_into("cut", few + Words{"--max-minutes", "1e-6", "--json"}));
  EXPECT_EQ(late.status, 0) << late.error;
  EXPECT_THAT(late.out, HasSubstr("stopped in trial 1; the same command with --resume goes on"));
  EXPECT_EQ(last_line(late.out)["ending"], "out_of_time");
  EXPECT_EQ(last_line(late.out)["runs"], 0);
  const Finished rest = classify(search_into("cut", few + Words{"--resume"}));
  EXPECT_EQ(rest.status, 0) << rest.error;
  EXPECT_THAT(rest.out, Not(HasSubstr("going on behind")));
  EXPECT_EQ(best("cut"), best("whole"));
}

TEST_F(Search, ComparesByFoldsWhereNothingIsHeldOut) {
  const Finished done = classify(search_into("a", vary + Words{"--hold-out", "0", "--folds", "2", "--trials", "2"}));
  ASSERT_EQ(done.status, 0) << done.error;
  EXPECT_EQ(records("a").size(), 3u);
}

TEST_F(Search, NotesWhatTrainFinds) {
  const Finished done = classify(search_into("a", {"--vary", "lr=0.001,0.01", "--monitor", "loss", "--json"}));
  ASSERT_EQ(done.status, 0) << done.error;
  const Json summary = last_line(done.out);
  std::vector<double> losses;
  for (const Json& record : records("a")) {
    if (record.contains("loss")) losses.push_back(record["loss"]);
  }
  ASSERT_EQ(losses.size(), 4u);
  EXPECT_EQ(summary["loss"], *std::min_element(losses.begin(), losses.end()));
  EXPECT_THAT(done.out, HasSubstr("best by loss: trial "));
  const Finished trained = classify(Words{"train", "--train", data, "--out", folder / "b", "--epochs", "3", "--monitor",
                                          "loss", "--json", "--lr", summary["options"]["lr"].get<std::string>()} +
                                    model);
  ASSERT_EQ(trained.status, 0) << trained.error;
  EXPECT_EQ(read_back(folder / "b/model.safetensors"), best("a"));
  for (const char* metric : {"accuracy", "macro_f1", "loss", "roc_auc", "best_epoch"}) {
    EXPECT_EQ(summary[metric], last_line(trained.out)[metric]) << metric;
  }
}

TEST_F(Search, ControlCStopsItSoThatItGoesOn) {
  ASSERT_EQ(classify(search_into("whole", vary)).status, 0);
  Program program(TEXT_CLASSIFIER, search_into("cut", vary));
  auto line = program.line();
  while (line && !line->starts_with("trial 2/")) line = program.line();
  program.signal(SIGINT);
  const Finished stopped = program.finish();
  if (stopped.status == 130) {
    EXPECT_THAT(stopped.out, HasSubstr("stopped in trial "));
  }
  ASSERT_EQ(classify(search_into("cut", vary + Words{"--resume"})).status, 0);
  EXPECT_EQ(best("cut"), best("whole"));
}

TEST_F(Search, RemovesNothingThatNoSearchMade) {
  const Words again = search_into("mine", vary + Words{"--epochs", "1"});
  const auto refused = [&](const std::string& file, const std::string& error, const char* text = "a person's") {
    fs::create_directories(fs::path(folder / ("mine/" + file)).parent_path());
    folder.write("mine/" + file, text);
    expect_refused(TEXT_CLASSIFIER, again, folder / ("mine/" + error), folder / "");
    expect_refused(TEXT_CLASSIFIER, again + Words{"--resume"}, folder / ("mine/" + error), folder / "");
    fs::remove_all(folder / "mine");
  };
  refused("best/notes.txt", "best: is there already");
  refused("trial_002/notes.txt", "trial_002: is there already");
  for (const char* text : {"a person's", "", "[1]", "{\"space\": {}, \"trials\": 4}", "{\"program\": 1, \"trials\": 4}",
                           "{\"program\": 1, \"space\": {}, \"trials\": 1.5}"}) {
    refused("search.jsonl", "search.jsonl: there is such a file already", text);
  }
  // A model that `train` put there is no search's.
  ASSERT_EQ(classify(Words{"train", "--train", data, "--out", folder / "mine/best", "--epochs", "1"} + model).status,
            0);
  expect_refused(TEXT_CLASSIFIER, again, folder / "mine/best: is there already", folder / "");
  fs::remove_all(folder / "mine");

  ASSERT_EQ(classify(again).status, 0);
  const std::string first = best("mine");
  // Of no search, of a longer one, and one that was cut.
  for (const char* name : {"trial_x", "trial_009", "trial_003"})
    fs::create_directory(folder / (std::string("mine/") + name));
  const Finished done = classify(again + Words{"--seed", "2"});
  ASSERT_EQ(done.status, 0) << done.error;
  EXPECT_NE(best("mine"), first);
  EXPECT_TRUE(fs::exists(folder / "mine/trial_x"));
  EXPECT_TRUE(fs::exists(folder / "mine/trial_009"));
  EXPECT_FALSE(fs::exists(folder / "mine/trial_003"));
}

TEST_F(Search, ABadSpaceIsRefusedBeforeAnythingIsWritten) {
  const auto refused = [&](const Words& flags, const std::string& error) {
    expect_refused(TEXT_CLASSIFIER, search_into("out", flags), error, folder / "");
  };
  refused({"--vary", "speed=1..2"}, "text_classifier: --vary speed: there is no option --speed");
  refused({"--vary", "lr=2..1"}, "text_classifier: --vary lr: 2 is not less than 1");
  refused({"--vary", "hidden=2..4"}, "text_classifier: --vary hidden: --hidden is given, too");
  refused({"--space", folder / "none.json"}, folder / "none.json: ");
  refused({"--space", folder.write("space.json", "{\"lr\": [}")}, folder / "space.json:1: not valid JSON");
  refused({"--space", folder.write("empty.json", "{}")}, "text_classifier: there is nothing to vary");
  // Values that never go together.
  refused({"--vary", "encoder=bag", "--vary", "attention=dot,cosine"}, "text_classifier: --");
  refused({"--trials", "0"}, "text_classifier: --trials: 0");
  refused({"--hold-out", "0"}, "text_classifier: a search needs examples to compare by");
  refused({"--label", "none"}, data + ": ");
}

TEST_F(Search, WhatGoesTogetherIsFoundAndWhatFailsIsTold) {
  // Heads must divide the width, and a learning rate of 1e6 ends in no number.
  const Finished done = classify(search_into("a", {"--vary", "attention=multi_head", "--vary", "heads=1..16", "--vary",
                                                   "lr=0.01,1e6", "--optimizer", "sgd", "--clip", "0"}));
  ASSERT_EQ(done.status, 0) << done.error;
  bool failed = false;
  for (const Json& record : records("a")) {
    if (!record.contains("trial")) continue;
    EXPECT_EQ(16 % std::stoi(record["options"]["heads"].get<std::string>()), 0);
    EXPECT_EQ(record.contains("error"), record["options"]["lr"] == "1e6");
    failed |= record.contains("error");
  }
  EXPECT_TRUE(failed) << "another seed will show it";
  EXPECT_THAT(done.out, HasSubstr("  failed: "));
  const size_t table = done.out.find("  epochs  seconds");
  ASSERT_NE(table, std::string::npos);
  EXPECT_THAT(done.out.substr(table), Not(HasSubstr("1e6")));
}

/// What ends in no number at a learning rate of 1e6.
const Words fragile{"--attention", "multi_head", "--heads", "2", "--optimizer", "sgd", "--clip", "0"};

TEST_F(Search, WhatFailedTakesNoPartInLaterRounds) {
  const Words halving{"--vary", "lr=0.01,8e5,9e5,1e6", "--trials", "6", "--method", "halving", "--factor", "2"};
  const Finished done = classify(search_into("a", fragile + halving));
  ASSERT_EQ(done.status, 0) << done.error;
  int failed = 0;
  for (const Json& record : records("a")) {
    failed += record.contains("error");
    const bool goes_on = record.value("round", 1) > 1;
    EXPECT_TRUE(!goes_on || record["options"]["lr"] == "0.01") << record;
  }
  EXPECT_GT(failed, 3) << "another seed will show it";
}

TEST_F(Search, WhereAllFailItSaysWhy) {
  const Finished done = classify(search_into("a", fragile + Words{"--vary", "lr=9e5,1e6", "--trials", "2"}));
  EXPECT_EQ(done.status, 2);
  EXPECT_THAT(done.error, HasSubstr("no trial ended well; trial 2: "));
  EXPECT_FALSE(fs::exists(folder / "a/best"));
}

TEST(SearchEveryTrainer, FindsAModelInItsUsualSpace) {
  for (const Trainer& trainer : classifiers()) {
    SCOPED_TRACE(trainer.name);
    const TempFolder folder;
    const Finished done =
        run(trainer.program, {"search", "--train", trainer.write(folder), "--out", folder / "out", "--trials", "2",
                              "--epochs", "1", "--threads", "1", trainer.name == "multimodal" ? "--text" : "--hold-out",
                              trainer.name == "multimodal" ? "note" : "0.2"});
    EXPECT_EQ(done.status, 0) << done.error;
    EXPECT_TRUE(fs::exists(folder / "out/best/config.json"));
    EXPECT_TRUE(fs::exists(folder / "out/search.html"));
  }
}

}  // namespace
}  // namespace fovea::test

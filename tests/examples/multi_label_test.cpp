// Examples that have any number of labels: from training to serving, and what does not go with them.
#include "multi_label.h"

#include <csignal>

#include "exports.h"
#include "refusal.h"
#include "server.h"

namespace fovea::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class MultiLabel : public testing::Test {
 protected:
  Words train_into(const std::string& out, const Words& flags = {}) const {
    return Words{"train", "--train", file, "--out", folder / out, "--multi-label", "--lr", "0.02"} + small + flags;
  }
  void train(const Words& flags = {}) const {
    const Finished done = classify(train_into("model", flags));
    ASSERT_EQ(done.status, 0) << done.error;
    EXPECT_EQ(done.error, "");
  }
  Json evaluate(const std::string& out, const std::string& data, const Words& flags = {}) const {
    const Words files{"evaluate", "--model", folder / out, "--data", data, "--quiet", "--json"};
    const Finished done = classify(files + flags);
    EXPECT_EQ(done.status, 0) << done.error;
    return done.status == 0 ? Json::parse(done.out) : Json();
  }
  Json config(const std::string& out) const { return Json::parse(read_back(folder / (out + "/config.json"))); }

  TempFolder folder;
  std::string file = folder.write("train.csv", topics_csv(400)),
              test_file = folder.write("test.csv", topics_csv(100, 2));
  std::string model = folder / "model";
  const Words texts{"the wave was bright", "frost and a day", "we saw it"};
};

TEST_F(MultiLabel, TrainsEvaluatesAndPredicts) {
  const Finished trained = classify(train_into("model", {"--epochs", "12", "--json"}));
  ASSERT_EQ(trained.status, 0) << trained.error;
  EXPECT_THAT(trained.out, HasSubstr("micro F1 "));
  const Json summary = last_line(trained.out);
  EXPECT_GT(summary["micro_f1"], 0.95);
  EXPECT_EQ(config("model")["options"]["multi-label"], true);
  EXPECT_EQ(config("model")["options"]["monitor"], "micro_f1");
  EXPECT_EQ(config("model")["decision"], (Json{{"label_threshold", 0.5}}));
  EXPECT_THAT(read_back(model + "/metrics.jsonl"), HasSubstr("\"valid_micro_f1\":"));
  const std::string report = read_back(model + "/report.html");
  EXPECT_THAT(report, HasSubstr("subset accuracy"));
  EXPECT_THAT(report, Not(HasSubstr("Confusion matrix")));

  const Json result = evaluate("model", test_file);
  EXPECT_EQ(result["examples"], 100);
  EXPECT_GT(result["micro_f1"], 0.95);
  EXPECT_GT(result["macro_f1"], 0.95);
  EXPECT_GT(result["accuracy"], 0.9);
  EXPECT_LT(result["loss"], 0.2);
  EXPECT_LT(result["hamming_loss"], 0.05);
  EXPECT_FALSE(result.contains("roc_auc"));
  const Finished shown = classify({"evaluate", "--model", model, "--data", test_file});
  for (const char* part :
       {"micro F1 ", "label ranking average precision ", "precision  recall      F1  examples  class"}) {
    EXPECT_THAT(shown.out, HasSubstr(part));
  }

  const Finished predicted = classify(Words{"predict", "--model", model} + texts);
  ASSERT_EQ(predicted.status, 0) << predicted.error;
  EXPECT_THAT(predicted.out, testing::MatchesRegex("sea, sun\t[01]\\.[0-9]+, [01]\\.[0-9]+\tthe wave was bright\n"
                                                   "snow\t[01]\\.[0-9]+\tfrost and a day\n"
                                                   "\\(none\\)\t\twe saw it\n"));
  EXPECT_EQ(classify({"predict", "--model", model}, texts[0] + '\n' + texts[1] + '\n' + texts[2] + '\n').out,
            predicted.out);
  const Json both = last_line(classify({"predict", "--model", model, "--json", texts[0]}).out);
  EXPECT_EQ(both["labels"], (Json{"sea", "sun"}));
  EXPECT_EQ(both["probabilities"].size(), 3u);
  EXPECT_GT(both["probabilities"]["sea"], 0.5);
  EXPECT_LT(both["probabilities"]["snow"], 0.5);
  EXPECT_FALSE(both.contains("label") || both.contains("probability") || both.contains("explanations"));
}

TEST_F(MultiLabel, ExplainsEachLabelThatItCalls) {
  train({"--epochs", "12", "--attention", "none"});
  const auto explain = [&](const std::string& text) {
    return last_line(classify({"predict", "--model", model, "--json", "--explain", text}).out)["explanations"];
  };
  const auto heaviest = [](const Json& explanation) {
    std::string where;
    double most = -1;
    for (const Json& token : explanation["tokens"]) {
      if (token["weight"] > most) where = token["token"];
      most = std::max(most, token["weight"].get<double>());
    }
    return where;
  };
  const Json both = explain(texts[0]);
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(heaviest(both["sea"]), "wave");
  EXPECT_EQ(heaviest(both["sun"]), "bright");
  EXPECT_EQ(explain(texts[2]).size(), 1u);  // the most probable one that it did not call
  const Finished plain = classify({"predict", "--model", model, "--explain", texts[0]});
  EXPECT_THAT(plain.out, HasSubstr("    sea: "));
  EXPECT_THAT(plain.out, HasSubstr("    sun: "));
}

TEST_F(MultiLabel, ReadsListsAndEverySeparatorAlike) {
  const Words flags{"--epochs", "2"};
  train(flags);
  const Json expected = evaluate("model", test_file);
  file = folder.write("lists.jsonl", topics_jsonl(400));
  ASSERT_EQ(classify(train_into("lists", flags)).status, 0);
  EXPECT_EQ(evaluate("lists", test_file), expected);
  file = folder.write("bars.csv", topics_csv(400, 1, " || "));
  ASSERT_EQ(classify(train_into("bars", flags + Words{"--label-separator", "||"})).status, 0);
  // How a file is read is told by evaluate, else by the model.
  EXPECT_EQ(evaluate("bars", test_file, {"--label-separator", ","}), expected);
  EXPECT_EQ(evaluate("bars", folder.write("bars_test.csv", topics_csv(100, 2, "||"))), expected);
  EXPECT_EQ(evaluate("model", folder.write("lists_test.jsonl", topics_jsonl(100, 2))), expected);
}

TEST_F(MultiLabel, CallsLabelsFromAThresholdOn) {
  train({"--epochs", "1", "--threshold", "0.2"});
  EXPECT_EQ(config("model")["decision"], (Json{{"label_threshold", 0.2}}));
  const Json object = last_line(classify({"predict", "--model", model, "--json", texts[0]}).out);
  Json called = Json::array();
  for (const auto& [label, probability] : object["probabilities"].items()) {
    if (probability >= 0.2) called.push_back(label);
  }
  EXPECT_EQ(object["labels"], called);
  const double recall = evaluate("model", test_file)["micro_recall"];

  // A model that has hardly learned is too sure or not sure enough: another threshold is better than a half.
  const Finished done = classify(train_into("best", {"--epochs", "1", "--threshold", "micro_f1", "--lr", "0.005"}));
  ASSERT_EQ(done.status, 0) << done.error;
  const double best = config("best")["decision"]["label_threshold"];
  EXPECT_THAT(done.out, HasSubstr(fmt::format("labels from a probability of {:.4f} on", best)));
  ASSERT_EQ(classify(train_into("half", {"--epochs", "1", "--lr", "0.005"})).status, 0);
  const Json chosen = evaluate("best", file), half = evaluate("half", file);
  EXPECT_EQ(chosen["loss"], half["loss"]);
  EXPECT_GT(chosen["micro_f1"], half["micro_f1"]);
  EXPECT_GT(recall, half["micro_recall"]);
}

TEST_F(MultiLabel, CallsEachLabelFromAThresholdOfItsOwn) {
  // Nothing but a single example has the rare one: it has to share what suits all.
  file = folder.write("rare.csv", topics_csv(400) + "rare,a trip of rain\n");
  const Words flags{"--epochs", "1", "--lr", "0.005"};
  const Finished done = classify(train_into("each", flags + Words{"--threshold", "label_f1", "--json"}));
  ASSERT_EQ(done.status, 0) << done.error;
  EXPECT_THAT(done.out, HasSubstr("labels from probabilities of their own on, "));
  EXPECT_THAT(done.out, HasSubstr("\"rare\" from a probability of "));
  EXPECT_THAT(done.out, HasSubstr(" on: fewer than 5 of the held-out examples have it\n"));
  ASSERT_EQ(classify(train_into("common", flags + Words{"--threshold", "micro_f1"})).status, 0);
  const Json thresholds = config("each")["decision"]["label_thresholds"], names = config("each")["classes"];
  ASSERT_EQ(thresholds.size(), 4u);
  const Json chosen = last_line(done.out)["thresholds"];
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(chosen[names[i].get<std::string>()], thresholds[i]);
  EXPECT_EQ(chosen["rare"], config("common")["decision"]["label_threshold"]);
  EXPECT_NE(chosen["sea"], chosen["sun"]);
  const std::string report = read_back(folder / "each/report.html");
  EXPECT_THAT(report, HasSubstr("<th>threshold</th>"));
  EXPECT_THAT(report, HasSubstr("Each label is called from a probability of its own on, which stands by its class. "
                                "&quot;rare&quot; from a probability of "));
  EXPECT_THAT(read_back(folder / "common/report.html"), Not(HasSubstr("<th>threshold</th>")));

  const Json each = evaluate("each", file), common = evaluate("common", file);
  EXPECT_EQ(each["loss"], common["loss"]);
  EXPECT_GT(each["macro_f1"], common["macro_f1"]);
  EXPECT_EQ(each["thresholds"], chosen);
  EXPECT_FALSE(common.contains("thresholds"));
  EXPECT_THAT(classify({"evaluate", "--model", folder / "each", "--data", test_file}).out,
              HasSubstr("precision  recall      F1  examples  threshold  class"));

  const Words predict{"predict", "--model", folder / "each", "--explain", texts[0]};
  const Json object = last_line(classify(predict + Words{"--json"}).out);
  Json called = Json::array();
  for (const auto& [label, probability] : object["probabilities"].items()) {
    if (probability >= chosen[label]) called.push_back(label);
  }
  EXPECT_EQ(object["labels"], called);
  for (const auto& [label, explanation] : object["explanations"].items()) {
    EXPECT_EQ(explanation["threshold"], chosen[label]);
    EXPECT_THAT(classify(predict).out,
                HasSubstr(fmt::format("    {} (from {:.4f} on): ", label, chosen[label].get<double>())));
  }

  ASSERT_EQ(classify({"export", "--model", folder / "each", "--int8", folder / "small"}).status, 0);
  EXPECT_EQ(config("small")["decision"], config("each")["decision"]);
  ASSERT_EQ(classify({"export", "--model", folder / "each", "--onnx", folder / "each.onnx"}).status, 0);
  EXPECT_THAT(read_back(folder / "each.onnx"), HasSubstr("{\"label_thresholds\":["));
}

TEST_F(MultiLabel, ThresholdsOfLabelsGoWithFoldsAndSearches) {
  const Finished folds = classify(train_into("folds", {"--epochs", "1", "--folds", "2", "--threshold", "label_f1"}));
  ASSERT_EQ(folds.status, 0) << folds.error;
  EXPECT_THAT(folds.out, HasSubstr("2 folds:  accuracy "));
  EXPECT_EQ(config("folds")["decision"]["label_thresholds"].size(), 3u);
  Words words =
      train_into("found", {"--epochs", "1", "--trials", "2", "--vary", "dropout=0,0.1", "--threshold", "label_f1"});
  words[0] = "search";
  const Finished search = classify(words);
  ASSERT_EQ(search.status, 0) << search.error;
  EXPECT_EQ(config("found/best")["decision"]["label_thresholds"].size(), 3u);
}

TEST_F(MultiLabel, WeighsTheExamplesThatHaveALabel) {
  ASSERT_EQ(classify(train_into("weighed", {"--epochs", "1", "--balance", "weights"})).status, 0);
  train({"--epochs", "1"});
  EXPECT_NE(evaluate("weighed", test_file)["loss"], evaluate("model", test_file)["loss"]);
}

TEST_F(MultiLabel, GoesOnWhereItStopped) {
  const Words flags{"--epochs", "3", "--patience", "0"};
  train(flags);
  const Finished stopped = classify(train_into("cut", flags + Words{"--max-minutes", "1e-6"}));
  ASSERT_EQ(stopped.status, 0) << stopped.error;
  EXPECT_THAT(stopped.out, HasSubstr("the same command with --resume goes on"));
  ASSERT_EQ(classify(train_into("cut", flags + Words{"--resume"})).status, 0);
  EXPECT_EQ(read_back(folder / "cut/model.safetensors"), read_back(model + "/model.safetensors"));
}

TEST_F(MultiLabel, GoesWithWhatElseTrainingDoes) {
  for (const Words& flags : {Words{"--memory", "64MiB"}, Words{"--ema", "0.5"}, Words{"--precision", "bf16"},
                             Words{"--drop", "0.05"}, Words{"--accumulate", "2"}, Words{"--encoder", "hierarchical"}}) {
    train(Words{"--epochs", "12"} + flags);
    EXPECT_GT(evaluate("model", test_file)["micro_f1"], 0.85) << testing::PrintToString(flags);
  }
}

TEST_F(MultiLabel, TwoRanksLearnAsOneDoes) {
  if (std::string(FOVEA_MPIRUN).empty()) GTEST_SKIP() << "skipped: MPI (libopenmpi-dev, openmpi-bin) is not installed";
  const Words flags{"--epochs", "2", "--batch-size", "30"};  // the last batch leaves a rank without examples
  file = folder.write("odd.csv", topics_csv(401));
  train(flags + Words{"--valid", test_file});
  const Words as_two{"--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-np", "2", TEXT_CLASSIFIER};
  const Finished done = run(FOVEA_MPIRUN, as_two + train_into("two", flags + Words{"--valid", test_file}));
  ASSERT_EQ(done.status, 0) << done.error;
  EXPECT_NEAR(evaluate("two", test_file)["loss"], evaluate("model", test_file)["loss"], 1e-3);
}

TEST_F(MultiLabel, CrossValidatesAndSearches) {
  const Finished folds = classify(train_into("model", {"--epochs", "2", "--folds", "2", "--json"}));
  ASSERT_EQ(folds.status, 0) << folds.error;
  EXPECT_THAT(folds.out, HasSubstr("2 folds:  accuracy "));
  EXPECT_THAT(folds.out, HasSubstr("  micro F1 "));
  EXPECT_GT(last_line(folds.out)["cross_validation"]["micro_f1"], 0);
  EXPECT_THAT(read_back(model + "/report.html"), HasSubstr("Cross-validation"));

  Words words = train_into("found", {"--epochs", "2", "--trials", "2", "--vary", "lr=1e-4,2e-2", "--json"});
  words[0] = "search";
  const auto lr = std::find(words.begin(), words.end(), "--lr");
  words.erase(lr, lr + 2);
  const Finished search = classify(words);
  ASSERT_EQ(search.status, 0) << search.error;
  EXPECT_THAT(search.out, HasSubstr("best by micro_f1: trial "));
  EXPECT_EQ(evaluate("found/best", test_file)["examples"], 100);
  EXPECT_EQ(last_line(search.out)["monitor"], "micro_f1");
  EXPECT_THAT(read_back(folder / "found/search.html"), HasSubstr("<th>micro F1</th>"));
}

TEST_F(MultiLabel, IsExported) {
  train({"--epochs", "2"});
  ASSERT_EQ(classify({"export", "--model", model, "--int8", folder / "small"}).status, 0);
  EXPECT_NEAR(evaluate("small", test_file)["loss"], evaluate("model", test_file)["loss"], 0.01);
  if (!runs_elsewhere(TEXT_CLASSIFIER, model, test_file)) GTEST_SKIP() << no_runtime;
}

TEST_F(MultiLabel, IsServed) {
  SKIP_WITHOUT_HTTP();
  train({"--epochs", "12"});
  Server server(TEXT_CLASSIFIER, model);
  const Reply reply = server.predict({{"inputs", texts}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  const Json answers = Json::parse(reply.body)["predictions"];
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[0]["labels"], (Json{"sea", "sun"}));
  EXPECT_EQ(answers[2]["labels"], Json::array());
  EXPECT_EQ(answers[2]["probabilities"].size(), 3u);
  const Json explained = Json::parse(server.predict({{"input", texts[1]}, {"explain", true}}).body)["predictions"][0];
  EXPECT_EQ(explained["labels"], Json{"snow"});
  EXPECT_TRUE(explained["explanations"]["snow"].contains("tokens"));
  const Json description = Json::parse(ask(server.port, "GET", "/model").body);
  EXPECT_EQ(description["options"]["multi-label"], true);
  EXPECT_EQ(description["decision"], (Json{{"label_threshold", 0.5}}));
  server.signal(SIGTERM);
  EXPECT_EQ(server.finish().status, 0);
}

TEST_F(MultiLabel, RefusesFilesByLine) {
  const auto refuses = [&](const std::string& name, const std::string& content, const std::string& error) {
    const Words train{"train", "--multi-label", "--train", folder.write(name, content), "--out", folder / "out"};
    expect_refused(TEXT_CLASSIFIER, train, folder / (name + error), folder / "");
  };
  refuses("gap.csv", "label,text\nsea,one\n\"sea,,sun\",two\n", ":3: an empty label among those of \"sea,,sun\"");
  refuses("twice.csv", "label,text\nsea,one\n\"sun, sun\",two\n", ":3: the label \"sun\" stands there twice");
  refuses("none.csv", "label,text\n,one\n,two\n", ": no example has a label; a classifier needs two classes");
  refuses("one.csv", "label,text\nsea,one\n,two\n", ": all labels are \"sea\"; a classifier needs two classes");
  const std::string good = "{\"label\": [\"sea\", \"sun\"], \"text\": \"one\"}\n";
  refuses("nested.jsonl", good + "{\"label\": [[\"sea\"]], \"text\": \"two\"}\n",
          ":2: field \"label\" holds an array in its list");
  refuses("blank.jsonl", good + "{\"label\": [\"\"], \"text\": \"two\"}\n", ":2: an empty label in a list");
  refuses("text.jsonl", good + "{\"label\": [], \"text\": [\"two\"]}\n", ":2: field \"text\" is an array");
  expect_refused(TEXT_CLASSIFIER, {"train", "--train", folder.write("lists.jsonl", good), "--out", folder / "out"},
                 folder / "lists.jsonl:1: field \"label\" is an array", folder / "");

  train({"--epochs", "1"});
  const auto unknown = [&](const std::string& name, const std::string& content, const std::string& error) {
    const Words words{"evaluate", "--model", model, "--data", folder.write(name, content)};
    expect_refused(TEXT_CLASSIFIER, words, folder / (name + error), folder / "");
  };
  unknown("moon.csv", "label,text\n\"sea,sun\",one\n\"sun,moon\",two\n",
          ":3: unknown label \"moon\"; the classes are \"sea\", \"snow\", \"sun\"");
  unknown("moon.jsonl", good + "{\"label\": [\"moon\"], \"text\": \"two\"}\n", ":2: unknown label \"moon\"");
  unknown("bar.csv", "label,text\nsea|sun,one\n", ":2: unknown label \"sea|sun\"");
}

TEST_F(MultiLabel, RefusesOptionsThatDoNotGoTogether) {
  const auto refuses = [&](const Words& flags, const std::string& error) {
    const Words train{"train", "--train", file, "--out", folder / "out"};
    expect_refused(TEXT_CLASSIFIER, train + flags, "text_classifier: " + error, folder / "");
  };
  const auto with_labels = [&](const Words& flags, const std::string& error) {
    refuses(Words{"--multi-label"} + flags, error);
  };
  const std::string costs = folder.write("costs.csv", "truth,sea,snow,sun\nsea,0,1,1\nsnow,1,0,1\nsun,1,1,0\n");
  with_labels({"--costs", costs}, "--costs is of no use to --multi-label");
  with_labels({"--label-smoothing", "0.1"}, "--label-smoothing is of no use to --multi-label");
  with_labels({"--balance", "sampling"}, "--balance sampling does not go with --multi-label");
  with_labels({"--monitor", "roc_auc"}, "--monitor roc_auc does not go with --multi-label");
  with_labels(
      {"--threshold", "cost"},
      "--threshold: \"cost\" is neither a number from 0 to 1 nor one of accuracy, macro_f1, micro_f1, label_f1");
  with_labels({"--threshold", "1.5"}, "--threshold: \"1.5\" is neither a number from 0 to 1 nor one of accuracy, ");
  with_labels({"--threshold", "micro_f1", "--hold-out", "0"}, "--threshold micro_f1 needs examples that are held out");
  with_labels({"--label-separator", ""}, "--label-separator: \"\" separates nothing");
  refuses({"--label-separator", ";"}, "--label-separator is of no use without --multi-label");
  refuses({"--label-separator", ";", "--stream"}, "--label-separator is of no use without --multi-label");
  refuses({"--monitor", "micro_f1"}, "--monitor micro_f1 is of examples with several labels");
  const std::string two = folder.write("two.csv", reviews(20));
  expect_refused(TEXT_CLASSIFIER, {"train", "--train", two, "--out", folder / "out", "--threshold", "micro_f1"},
                 "text_classifier: --threshold: \"micro_f1\" is neither a number from 0 to 1 nor one of accuracy, "
                 "macro_f1, cost",
                 folder / "");
  expect_refused(TEXT_CLASSIFIER,
                 {"search", "--train", file, "--out", folder / "out", "--vary", "multi-label=true,false"},
                 "text_classifier: multi-label cannot vary: trials of one search have one kind of labels", folder / "");
}

TEST_F(MultiLabel, AConfigurationThatContradictsItselfIsRefused) {
  train({"--epochs", "1"});
  const auto refuses = [&](const std::function<void(Json&)>& change) {
    const std::string before = read_back(model + "/config.json");
    Json changed = Json::parse(before);
    change(changed);
    folder.write("model/config.json", changed.dump());
    expect_refused(TEXT_CLASSIFIER, {"predict", "--model", model, "a text"},
                   model + "/config.json: its decision does not fit its option multi-label", folder / "");
    folder.write("model/config.json", before);
  };
  refuses([](Json& json) { json["options"]["multi-label"] = false; });
  refuses([](Json& json) { json["decision"] = {{"costs", {{0, 1, 1}, {1, 0, 1}, {1, 1, 0}}}}; });
}

TEST_F(MultiLabel, AConfigurationMayLackWhatIsUsual) {
  const auto predicts_without = [&](const std::function<void(Json&)>& remove) {
    const Words predict{"predict", "--model", model, "--json", texts[0]};
    const std::string before = classify(predict).out;
    Json lacking = config("model");
    remove(lacking);
    folder.write("model/config.json", lacking.dump());
    const Finished done = classify(predict);
    EXPECT_EQ(done.status, 0) << done.error;
    EXPECT_EQ(done.out, before);
  };
  // A model that was saved where memory did not suffice for its test has no decision.
  train({"--epochs", "1"});
  predicts_without([](Json& json) { json.erase("decision"); });
  // One from before there were several labels.
  const std::string one = folder.write("one.csv", reviews(40));
  ASSERT_EQ(classify(Words{"train", "--train", one, "--out", model, "--epochs", "1"} + small).status, 0);
  predicts_without([](Json& json) {
    json["options"].erase("multi-label");
    json["options"].erase("label-separator");
  });
}

}  // namespace
}  // namespace fovea::test

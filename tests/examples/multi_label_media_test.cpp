// Pictures and recordings whose labels stand in a file: one each or any number of them.
#include <csignal>
#include <cstring>

#include "data/tar_writer.h"
#include "exports.h"
#include "fovea/data/npy.h"
#include "fovea/data/string_index.h"
#include "fovea/tensor/creation.h"
#include "fovea/train/checkpoint.h"
#include "fovea/train/model_folder.h"
#include "json.h"
#include "media_classifiers.h"
#include "refusal.h"
#include "server.h"

namespace fovea::test {
namespace {

using testing::HasSubstr;
using testing::Not;

/// A picture of 8 x 8 pixels whose left or right half is bright, or both, or none.
data::Image halves(bool left, bool right, uint64_t seed) {
  data::testing::Random random(seed);
  data::Image image{1, 8, 8, {}};
  for (int i = 0; i < 64; ++i) {
    const bool bright = i % 8 < 4 ? left : right;
    image.pixels.push_back(static_cast<uint8_t>((bright ? 150 : 20) + random.below(80)));
  }
  return image;
}

/// A high tone, a low one, both, or a murmur.
data::Audio tones(bool high, bool low, uint64_t seed) {
  data::testing::Random random(seed);
  data::Audio audio{4000, {}};
  const uint64_t length = 400 + random.below(400);
  for (uint64_t i = 0; i < length; ++i) {
    const double t = 6.283185 * static_cast<double>(i) / 4000;
    const double murmur = (static_cast<double>(random.below(1000)) / 1000 - 0.5) * 0.05;
    audio.samples.push_back(
        static_cast<float>(murmur + high * 0.4 * std::sin(1300 * t) + low * 0.4 * std::sin(350 * t)));
  }
  return audio;
}

struct Medium {
  Kind kind;
  std::function<std::string(bool, bool, uint64_t)> content;

  /// Which of the two labels example `i` has.
  std::vector<std::string> labels(int i) const {
    std::vector<std::string> held;
    for (int k = 0; k < 2; ++k) {
      if ((i >> k) % 2) held.push_back(kind.labels[k]);
    }
    return held;
  }
  std::string name(int i) const { return "example_" + std::to_string(i) + kind.ending; }
  /// Files in one folder, which is returned.
  std::string write(const TempFolder& folder, const std::string& path, int count, uint64_t seed) const {
    std::filesystem::create_directories(folder / path);
    for (int i = 0; i < count; ++i) {
      folder.write(path + '/' + name(i), content(i % 2, (i >> 1) % 2, 1000 * seed + static_cast<uint64_t>(i)));
    }
    return folder / path;
  }
  /// A table of their labels.
  std::string table(int count, const std::string& separator = ",", const std::string& prefix = "") const {
    std::string csv = "file,labels\n";
    for (int i = 0; i < count; ++i) {
      csv += prefix + name(i) + ",\"" + fmt::format("{}", fmt::join(labels(i), separator)) + "\"\n";
    }
    return csv;
  }
};

Medium pictures_of_halves() {
  return {pictures(), [](bool left, bool right, uint64_t seed) { return data::encode_png(halves(left, right, seed)); }};
}
Medium recordings_of_tones() {
  return {recordings(), [](bool high, bool low, uint64_t seed) { return data::encode_wav(tones(high, low, seed)); }};
}

class MultiLabelMedia : public testing::TestWithParam<Medium (*)()> {
 protected:
  Finished call(const Words& arguments) const { return run(medium.kind.program, arguments); }
  Words train_into(const std::string& out, const Words& flags = {}) const {
    return Words{"train", "--train", train, "--labels", labels, "--multi-label", "--out", folder / out} +
           medium.kind.small + flags;
  }
  void learn(const std::string& out, const Words& flags = {}) const {
    const Finished done = call(train_into(out, flags));
    ASSERT_EQ(done.status, 0) << done.error;
    EXPECT_EQ(done.error, "");
  }
  Json evaluate(const std::string& out, const Words& flags = {}) const {
    const Words words{"evaluate", "--model", folder / out, "--data", test, "--labels", test_labels, "--json"};
    const Finished done = call(words + flags);
    EXPECT_EQ(done.status, 0) << done.error;
    return done.status == 0 ? last_line(done.out) : Json();
  }
  Json config(const std::string& out) const { return Json::parse(read_back(folder / (out + "/config.json"))); }
  /// The model's tensors: its file names the run, too.
  std::string weights(const std::string& out) const {
    const std::string bytes = read_back(folder / (out + "/model.safetensors"));
    uint64_t header;
    std::memcpy(&header, bytes.data(), sizeof header);
    return bytes.substr(sizeof header + header);
  }
  std::string example(int i) const { return test + '/' + medium.name(i); }

  const Medium medium = GetParam()();
  TempFolder folder;
  const std::string train = medium.write(folder, "train", 120, 1), test = medium.write(folder, "test", 20, 2);
  std::string labels = folder.write("train.csv", medium.table(120)),
              test_labels = folder.write("test.csv", medium.table(20));
  const Json both{medium.kind.labels[0], medium.kind.labels[1]};
};

TEST_P(MultiLabelMedia, AreLearnedTestedPredictedAndExplainedWithEitherEncoder) {
  for (const std::string& encoder : medium.kind.encoders) {
    const Finished trained = call(train_into(encoder, {"--encoder", encoder, "--epochs", "40", "--json"}));
    ASSERT_EQ(trained.status, 0) << trained.error;
    EXPECT_THAT(trained.out, HasSubstr("file \"file\", label \"labels\""));
    EXPECT_THAT(trained.out, HasSubstr("micro F1 "));
    EXPECT_EQ(config(encoder)["decision"], (Json{{"label_threshold", 0.5}}));
    const std::string report = read_back(folder / (encoder + "/report.html"));
    EXPECT_THAT(report, HasSubstr("subset accuracy"));
    EXPECT_THAT(report, HasSubstr("<img alt=\"where the attention is\""));
    EXPECT_THAT(report, HasSubstr("Deletion test"));
    EXPECT_THAT(report, Not(HasSubstr("Confusion matrix")));

    const Json result = evaluate(encoder);
    EXPECT_EQ(result["examples"], 20);
    EXPECT_GT(result["micro_f1"], 0.9) << encoder;

    const Finished predicted =
        call({"predict", "--model", folder / encoder, "--explain", "--json", example(3), example(4)});
    ASSERT_EQ(predicted.status, 0) << predicted.error;
    const Json first = Json::parse(predicted.out.substr(0, predicted.out.find('\n'))), last = last_line(predicted.out);
    EXPECT_EQ(first[medium.kind.input], example(3));
    EXPECT_EQ(first["labels"], both);
    EXPECT_EQ(first["explanations"].size(), 2u);
    for (const Json& each : first["explanations"]) EXPECT_TRUE(each.contains(medium.kind.attention));
    EXPECT_EQ(last["labels"], Json::array());
    EXPECT_EQ(last["explanations"].size(), 1u);
  }
}

TEST_P(MultiLabelMedia, TablesOfEveryFormAreReadAlike) {
  learn("csv", {"--epochs", "2"});
  std::string lines;
  for (int i = 119; i >= 0; --i) {  // the order of the rows is of no account
    lines += Json{{"tags", medium.labels(i)}, {"name", medium.name(i)}}.dump() + '\n';
  }
  labels = folder.write("train.jsonl", lines);
  learn("jsonl", {"--epochs", "2", "--file-column", "name", "--label-column", "tags"});
  EXPECT_TRUE(weights("jsonl") == weights("csv"));
  labels = folder.write("bare.csv", data::testing::gzip("labels;of;all\n" + medium.table(120, " ").substr(12)));
  std::filesystem::rename(labels, folder / "bare.csv.gz");
  labels = folder / "bare.csv.gz";
  learn("bare", {"--epochs", "2", "--no-header", "--skip-lines", "1", "--delimiter", ",", "--label-separator", " "});
  EXPECT_TRUE(weights("bare") == weights("csv"));
  // How a file is written is told by evaluate, else by the model.
  const Json expected = evaluate("csv");
  EXPECT_EQ(evaluate("jsonl", {"--file-column", "file", "--label-column", "labels"}), expected);
  test_labels = folder.write("bare_test.csv", "labels\n" + medium.table(20, " ").substr(12));
  EXPECT_EQ(evaluate("bare"), expected);
}

TEST_P(MultiLabelMedia, LabelsMayHaveAColumnEach) {
  learn("named", {"--epochs", "2"});
  const auto apart = [&](int count) {
    std::string csv = fmt::format("{},name,{}\n", medium.kind.labels[0], medium.kind.labels[1]);
    for (int i = 0; i < count; ++i) csv += fmt::format("{},{},{}\n", i % 2, medium.name(i), (i >> 1) % 2 ? "1" : "");
    return csv;
  };
  const std::string names = labels, columns = medium.kind.labels[0] + "," + medium.kind.labels[1];
  labels = folder.write("apart.csv", apart(120));
  const Words flags{"--label-columns", columns};
  learn("apart", flags + Words{"--epochs", "2", "--patience", "0"});
  EXPECT_TRUE(weights("apart") == weights("named"));
  const Json expected = evaluate("named");
  EXPECT_EQ(evaluate("apart", {"--label-column", "labels"}), expected);
  test_labels = folder.write("apart_test.csv", apart(20));
  EXPECT_EQ(evaluate("apart"), expected);
  EXPECT_EQ(evaluate("named", flags), expected);
  const Words onnx{"export", "--model", folder / "named", "--onnx", folder / "named.onnx", "--data", test};
  const Finished exported = call(onnx + Words{"--labels", test_labels, "--label-columns", columns});
  EXPECT_EQ(exported.status, 0) << exported.error;

  ASSERT_EQ(call(train_into("cut", flags + Words{"--epochs", "2", "--patience", "0", "--max-minutes", "1e-6"})).status,
            0);
  ASSERT_EQ(call(train_into("cut", {"--resume"})).status, 0);
  EXPECT_TRUE(weights("cut") == weights("named"));

  std::string wrong = apart(120);
  wrong.insert(wrong.find('\n', wrong.find('\n') + 1), "x");
  labels = folder.write("wrong.csv", wrong);
  expect_refused(medium.kind.program, train_into("out", flags),
                 labels + ":2: \"x\" in column \"" + medium.kind.labels[1] + "\"; whether a row has that label",
                 folder / "");
  const Words by_folder{"train", "--train", train, "--multi-label", "--out", folder / "out"};
  expect_refused(medium.kind.program, by_folder + flags,
                 medium.kind.program.substr(medium.kind.program.rfind('/') + 1) +
                     ": --label-columns is of no use to labels without --labels",
                 folder / "");
}

TEST_P(MultiLabelMedia, OneTableMayTellOfSeveralFolders) {
  labels = folder.write("all.csv", medium.table(120, ",", "train/") + medium.table(20, ",", "./test/").substr(12));
  const std::string valid = test;
  learn("one", {"--epochs", "2", "--valid", valid});
  EXPECT_THAT(read_back(folder / "one/report.html"), HasSubstr("On 20 "));
  labels = folder / "train.csv";
  learn("two", {"--epochs", "2", "--valid", valid, "--valid-labels", test_labels});
  EXPECT_TRUE(weights("one") == weights("two"));
  const Json expected = evaluate("one");
  test_labels = folder / "all.csv";
  EXPECT_EQ(evaluate("one"), expected);
}

TEST_P(MultiLabelMedia, GoesOnWhereItStopped) {
  learn("whole", {"--epochs", "3", "--patience", "0"});
  const Words flags{"--epochs", "3", "--patience", "0"};
  const Finished stopped = call(train_into("cut", flags + Words{"--max-minutes", "1e-6"}));
  ASSERT_EQ(stopped.status, 0) << stopped.error;
  ASSERT_EQ(call(train_into("cut", flags + Words{"--resume"})).status, 0);
  EXPECT_TRUE(weights("cut") == weights("whole"));
  // Other labels of the same files are another run.
  std::string other = medium.table(120);
  other[other.find(medium.name(1)) + medium.name(1).size() + 2] = 'X';
  folder.write("train.csv", other);
  expect_refused(medium.kind.program, train_into("whole", flags + Words{"--resume"}),
                 medium.kind.program.substr(medium.kind.program.rfind('/') + 1) + ": --resume: ", folder / "");
}

TEST_P(MultiLabelMedia, AreCrossValidatedSearchedExportedAndServed) {
  const Finished folds = call(train_into("model", {"--epochs", "8", "--folds", "2", "--threshold", "label_f1"}));
  ASSERT_EQ(folds.status, 0) << folds.error;
  EXPECT_THAT(folds.out, HasSubstr("2 folds:  accuracy "));
  EXPECT_EQ(config("model")["decision"]["label_thresholds"].size(), 2u);

  Words words = train_into("found", {"--epochs", "1", "--trials", "2", "--vary", "dropout=0,0.1"});
  words[0] = "search";
  const Finished search = call(words);
  ASSERT_EQ(search.status, 0) << search.error;
  EXPECT_THAT(search.out, HasSubstr("best by micro_f1: trial "));
  EXPECT_EQ(evaluate("found/best")["examples"], 20);

  ASSERT_EQ(call({"export", "--model", folder / "model", "--int8", folder / "small"}).status, 0);
  EXPECT_NEAR(evaluate("small")["loss"], evaluate("model")["loss"], 0.05);

  SKIP_WITHOUT_HTTP();
  Server server(medium.kind.program, folder / "model");
  const std::string type = medium.kind.ending == ".png" ? "image/png" : "audio/wav";
  const Reply reply = ask(server.port, "POST", "/predict", read_back(example(3)), type);
  ASSERT_EQ(reply.status, 200) << reply.body;
  const Json answer = Json::parse(reply.body)["predictions"][0];
  EXPECT_EQ(answer["labels"], both);
  EXPECT_EQ(Json::parse(ask(server.port, "GET", "/model").body)["decision"], config("model")["decision"]);
  server.signal(SIGTERM);
  EXPECT_EQ(server.finish().status, 0);
}

TEST_P(MultiLabelMedia, AreTheSameElsewhere) {
  learn("model", {"--epochs", "2"});
  const bool even = medium.kind.ending == ".png";
  const bool ran = runs_elsewhere(medium.kind.program, folder / "model", test, even, {"--labels", test_labels});
  EXPECT_THAT(read_back(folder / "model.onnx"), HasSubstr("{\"label_threshold\":0.5}"));
  if (!ran) GTEST_SKIP() << no_runtime;
}

TEST_P(MultiLabelMedia, RowsThatDoNotFitAreRefusedByLine) {
  const std::string name = medium.name(1);
  const auto refuses = [&](const std::string& content, const std::string& error, const Words& flags = {}) {
    labels = folder.write("wrong.csv", content);
    expect_refused(medium.kind.program, train_into("out", flags), labels + error, folder / "");
  };
  const std::string table = medium.table(120);
  refuses(table + "none.png,left\n",
          ":122: there is no \"none.png\" in " + train + ", whose first file is \"" + medium.name(0) + "\"");
  refuses(table + name + ",left\n", ":122: a second row of \"" + name + "\"; the first is in line 3");
  refuses(medium.table(118), ": no row of \"" + medium.name(118) + "\", \"" + medium.name(119) + "\" in " + train);
  refuses(table + ",left\n", ":122: the file's name is empty");
  refuses("file,labels\n", ": no row of \"" + medium.name(0) + "\"");
  refuses("file\n" + name + "\n", ": no column is left for the label; it has only \"file\"");
  refuses(table, ": no column \"tags\"; it has \"file\", \"labels\"", {"--label-column", "tags"});
  refuses(table, ": column \"labels\" cannot be both file and label",
          {"--file-column", "labels", "--label-column", "1"});
  refuses(table + "a,b,c\n", ":122: 3 columns, expected 2");
  std::string gap = table, twice = table;
  const std::string two = medium.kind.labels[0] + ',' + medium.kind.labels[1];
  gap.replace(gap.find(two), two.size(), "a,,b");
  twice.replace(twice.find(two), two.size(), "a,a");
  refuses(gap, ":5: an empty label among those of \"a,,b\"");
  refuses(twice, ":5: the label \"a\" stands there twice");

  labels = folder / "train.csv";
  learn("model", {"--epochs", "1"});
  std::string unknown = medium.table(20);
  unknown.replace(unknown.find(two), two.size(), "moon");
  const std::string wrong = folder.write("moon.csv", unknown);
  expect_refused(medium.kind.program, {"evaluate", "--model", folder / "model", "--data", test, "--labels", wrong},
                 wrong + ":5: unknown label \"moon\"; the classes are \"" + medium.kind.labels[0] + "\", \"" +
                     medium.kind.labels[1] + '"',
                 folder / "");
  expect_refused(medium.kind.program, {"evaluate", "--model", folder / "model", "--data", test},
                 test + ": its folders and names tell one label of each file; several stand in a table (--labels)",
                 folder / "");
}

TEST_P(MultiLabelMedia, OptionsThatDoNotGoTogetherAreRefused) {
  const auto refuses = [&](const Words& flags, const std::string& error) {
    const Words train{"train", "--train", this->train, "--out", folder / "out"};
    const std::string program = medium.kind.program.substr(medium.kind.program.rfind('/') + 1);
    expect_refused(medium.kind.program, train + flags, program + ": " + error, folder / "");
  };
  refuses({"--label-column", "a"}, "--label-column is of no use to labels without --labels");
  refuses({"--no-header"}, "--no-header is of no use to labels without --labels");
  refuses({"--labels", labels, "--valid-labels", labels}, "--valid-labels is of no use without --valid");
  refuses({"--labels", labels, "--label-separator", ";"}, "--label-separator is of no use without --multi-label");
  refuses({"--labels", labels, "--multi-label", "--balance", "sampling"},
          "--balance sampling does not go with --multi-label");
  if (medium.kind.ending == ".wav")
    refuses({"--labels", labels, "--label", "name"}, "--label is of no use to --labels");
}

TEST_P(MultiLabelMedia, OneLabelEachMayStandInATable) {
  const std::string by_folder = medium.kind.write(folder, "folders", 40, 3);
  std::string csv = "label,path\n";
  for (int i = 0; i < 40; ++i) {
    const std::string label = medium.kind.labels[i % 2];
    csv += label + ',' + label + "/example_" + std::to_string(i) + medium.kind.ending + '\n';
  }
  const Words flags = medium.kind.small + Words{"--epochs", "2"};
  ASSERT_EQ(call(Words{"train", "--train", by_folder, "--out", folder / "a"} + flags).status, 0);
  labels = folder.write("one.csv", csv);
  const Finished done = call(Words{"train", "--train", by_folder, "--labels", labels, "--out", folder / "b"} + flags);
  ASSERT_EQ(done.status, 0) << done.error;
  EXPECT_THAT(done.out, HasSubstr("file \"path\", label \"label\""));
  EXPECT_TRUE(weights("a") == weights("b"));
  // A pattern chooses among the files; rows of the others take no part.
  const Words part{"evaluate", "--model", folder / "b", "--data", by_folder + "[" + medium.kind.labels[0] + "/*]"};
  const Finished evaluated = call(part + Words{"--labels", labels, "--json"});
  ASSERT_EQ(evaluated.status, 0) << evaluated.error;
  EXPECT_EQ(last_line(evaluated.out)["examples"], 20);

  csv.replace(csv.find(medium.kind.labels[1] + ','), medium.kind.labels[1].size(), "");
  const std::string empty = folder.write("empty.csv", csv);
  expect_refused(medium.kind.program, {"train", "--train", by_folder, "--labels", empty, "--out", folder / "out"},
                 empty + ":3: the label is empty", folder / "");
}

using Ordered = nlohmann::ordered_json;

/// Without the options that came with tables of labels: what was written before these knew none.
void make_older(Ordered& options) {
  for (const char* name : {"file-column", "label-column", "no-header", "skip-lines", "delimiter", "label-separator",
                           "label-columns", "multi-label"}) {
    EXPECT_EQ(options.erase(name), 1U) << name;
  }
}

TEST_P(MultiLabelMedia, FoldersOfVersionsWithoutTablesOfLabelsAreGoneOnWith) {
  const std::string by_folder = medium.kind.write(folder, "folders", 40, 3);
  const auto train_into = [&](const std::string& out, const Words& flags) {
    return Words{"train", "--train", by_folder, "--out", folder / out} + medium.kind.small + flags;
  };
  const Words flags{"--epochs", "2", "--patience", "0"};
  ASSERT_EQ(call(train_into("whole", flags)).status, 0);
  ASSERT_EQ(call(train_into("cut", flags + Words{"--max-minutes", "1e-6"})).status, 0);
  const std::string file = train::checkpoint_path(folder / "cut");
  train::Checkpoint checkpoint = train::load_checkpoint(file);
  Ordered run = Ordered::parse(checkpoint.run);
  make_older(run["options"]);
  checkpoint.run = run.dump();
  train::save_checkpoint(file, checkpoint);
  // It had the usual values of what it does not name: with another one it is another run.
  if (medium.kind.ending == ".png") {
    std::string table = "label,picture\n";
    for (int i = 0; i < 40; ++i) {
      const std::string label = medium.kind.labels[i % 2];
      table += fmt::format("{0},{0}/example_{1}.png\n", label, i);
    }
    const Words others{"--resume", "--labels", folder.write("table.csv", table), "--file-column", "picture"};
    expect_refused(medium.kind.program, train_into("cut", others),
                   "image_classifier: --file-column is \"picture\", but \"\" for the run", folder / "");
  }
  const Finished resumed = call(train_into("cut", {"--resume"}));
  ASSERT_EQ(resumed.status, 0) << resumed.error;
  EXPECT_TRUE(weights("cut") == weights("whole"));

  // A complete one, whose name came of the options that there were.
  const std::string path = train::config_path(folder / "whole");
  Ordered config = Ordered::parse(read_back(path));
  make_older(config["options"]);
  const std::string named = config["options"].dump(2) + ' ' + run["data"].get<std::string>();
  config["run"] = fmt::format("{:016x}", data::hash_bytes(named));
  folder.write("whole/config.json", config.dump(2));
  const Finished complete = call(train_into("whole", {"--resume"}));
  EXPECT_EQ(complete.status, 0) << complete.error;
  EXPECT_THAT(complete.out, HasSubstr("complete"));
  expect_refused(medium.kind.program, train_into("whole", {"--resume", "--epochs", "3"}),
                 medium.kind.program.substr(medium.kind.program.rfind('/') + 1) + ": --resume: the run in ",
                 folder / "");
}

INSTANTIATE_TEST_SUITE_P(Media, MultiLabelMedia, testing::Values(pictures_of_halves, recordings_of_tones),
                         [](const auto& info) { return info.index == 0 ? "Pictures" : "Recordings"; });

/// Pictures in an array, and as a matrix which labels each has.
class MultiLabelArrays : public testing::Test {
 protected:
  std::string write(const std::string& name, int count, uint64_t seed) const {
    std::vector<int32_t> pixels;
    std::vector<float> rows;
    for (int i = 0; i < count; ++i) {
      for (const uint8_t pixel : halves(i % 2, (i >> 1) % 2, 1000 * seed + static_cast<uint64_t>(i)).pixels) {
        pixels.push_back(pixel);
      }
      rows.push_back(static_cast<float>(i % 2));
      rows.push_back(static_cast<float>((i >> 1) % 2));
    }
    data::save_npy(folder / (name + "_images.npy"), from_vector(pixels, {count, 8, 8}));
    data::save_npy(folder / (name + "_labels.npy"), from_vector(rows, {count, 2}));
    return folder / (name + "_images.npy");
  }
  Finished call(const Words& arguments) const { return run(IMAGE_CLASSIFIER, arguments); }

  TempFolder folder;
  const std::string train = write("train", 120, 1), test = write("test", 20, 2);
  const Words flags = pictures().small + Words{"--multi-label", "--out", folder / "model"};
};

TEST_F(MultiLabelArrays, AreAMatrixOfNoughtAndOne) {
  const Finished trained = call(Words{"train", "--train", train, "--epochs", "15", "--mixup", "0.2"} + flags);
  ASSERT_EQ(trained.status, 0) << trained.error;
  const Finished evaluated = call({"evaluate", "--model", folder / "model", "--data", test, "--json"});
  ASSERT_EQ(evaluated.status, 0) << evaluated.error;
  EXPECT_GT(last_line(evaluated.out)["micro_f1"], 0.9);
  const Json predicted = last_line(call({"predict", "--model", folder / "model", "--json", test + "[3:4]"}).out);
  EXPECT_EQ(predicted["labels"], (Json{"0", "1"}));
  const std::string named = folder / "named.npy";
  std::filesystem::rename(folder / "test_labels.npy", named);
  const Words words{"evaluate", "--model", folder / "model", "--data", test, "--json"};
  EXPECT_EQ(last_line(call(words + Words{"--labels", named}).out), last_line(evaluated.out));
}

TEST_F(MultiLabelArrays, NameWhatIsWrong) {
  const std::string file = folder / "train_labels.npy";
  const auto refuses = [&](const Tensor& labels, const std::string& error, const Words& more = {}) {
    data::save_npy(file, labels);
    expect_refused(IMAGE_CLASSIFIER, Words{"train", "--train", train} + flags + more, file + error, folder / "");
  };
  refuses(zeros({119, 2}), ": 119 labels for the 120 images of " + train);
  refuses(full({120, 2}, 0.5), ": label 0 of picture 0 is 0.5; it has to be 0 or 1");
  refuses(zeros({120}), ": several labels stand along two axes, a row of 0 and 1 for each picture; this file has 1");
  data::save_npy(file, zeros({120, 2}));
  expect_refused(IMAGE_CLASSIFIER, Words{"train", "--train", train} + flags,
                 train + ": no example has a label; a classifier needs two classes", folder / "");
  expect_refused(IMAGE_CLASSIFIER, {"train", "--train", train, "--out", folder / "out"},
                 file + ": labels stand along one axis; this file has 2, which are read with --multi-label",
                 folder / "");
  const std::string csv = folder.write("labels.csv", "file,labels\n");
  expect_refused(IMAGE_CLASSIFIER, {"train", "--train", train, "--labels", csv, "--out", folder / "out"},
                 csv + ": byte 0: not an IDX file", folder / "");
}

TEST(MultiLabelArchives, AreToldByTheNamesInThem) {
  const Medium medium = recordings_of_tones();
  const TempFolder folder;
  std::string tar;
  for (int i = 0; i < 40; ++i) {
    const std::string content = medium.content(i % 2, (i >> 1) % 2, static_cast<uint64_t>(i));
    tar += data::testing::tar_entry("./sounds/" + medium.name(i), content);
  }
  const std::string archive = folder.write("sounds.tar", tar + data::testing::tar_end());
  const auto train = [&](const std::string& prefix) {
    const std::string labels = folder.write("labels.csv", medium.table(40, ",", prefix));
    return Words{"train",         "--train", archive,          "--labels", labels,
                 "--multi-label", "--out",   folder / "model", "--epochs", "1"} +
           medium.kind.small;
  };
  const Finished done = run(SPEECH_CLASSIFIER, train("sounds/"));
  EXPECT_EQ(done.status, 0) << done.error;
  expect_refused(SPEECH_CLASSIFIER, train(""),
                 folder / "labels.csv:2: there is no \"" + medium.name(0) + "\" in " + archive +
                     ", whose first file is \"./sounds/" + medium.name(0) + '"',
                 folder / "");
}

}  // namespace
}  // namespace fovea::test

// Every flag that --help tells of is used by a test: by the runs below, or by another test that is named here.
#include <fmt/format.h>

#include <fstream>
#include <set>
#include <sstream>

#include "trainers.h"

namespace fovea::test {
namespace {

using Flags = std::set<std::string>;

Flags flags_among(const Words& words) {
  Flags flags;
  for (const std::string& word : words) {
    if (word.starts_with("--")) flags.insert(word);
  }
  return flags;
}

/// The first words of the indented lines below a heading of --help, or below all of them.
Words entries(const std::string& help, const std::string& heading) {
  Words found;
  bool below = heading.empty();
  std::istringstream in(help);
  for (std::string line; std::getline(in, line);) {
    if (line.empty()) continue;
    if (line[0] != ' ') below = heading.empty() || line == heading;
    const bool entry = line.starts_with("  ") && line.size() > 2 && line[2] != ' ';
    if (below && entry) found.push_back(line.substr(2, line.find(' ', 2) - 2));
  }
  return found;
}

/// Flags of a command that another test uses: it stands in tests/examples/ and has lines with all these words.
struct Elsewhere {
  std::string command;
  std::string file;
  Words flags;
};

/// How each trainer's flags are used. `{}` stands for the folder, `{}/data` for the data in it.
struct Uses {
  std::vector<std::string> lines;
  std::vector<Elsewhere> elsewhere;
};

/// What all classifiers share.
const std::string how =
    " --batch-size 8 --accumulate 2 --precision bf16 --lr 0.01 --optimizer sgd --schedule cosine --warmup 0.1 "
    "--weight-decay 0.01 --dropout 0.1 --label-smoothing 0.1 --clip 2 --ema 0.9 --patience 1 --monitor loss --keep "
    "last "
    "--balance sampling --seed 3 --save-every 5 --max-minutes 5 --device cpu --threads 1 --quiet --json "
    "--config {}/two_epochs.json";
const std::string all = "train --train {}/data --valid {}/data --out {}/all" + how;
/// Those that the language model does not have.
const std::string of_classifiers = all + " --memory 64MiB --rank-timeout 60";
const std::string folds =
    "train --train {}/data --hold-out 0.2 --folds 2 --resume --costs {}/costs.csv --threshold cost --epochs 1 "
    "--out {}/folds --quiet";
const std::string evaluate = "evaluate --model {}/all --data {}/data --device cpu --threads 1 --quiet --json";
const std::string search =
    "search --train {}/data --out {}/search --trials 2 --method halving --factor 2 --vary lr=1e-3..1e-2:log "
    "--space {}/space.json --epochs 2 --quiet";
const std::string several_labels =
    "train --train {}/data --multi-label --label-separator ; --epochs 1 --out {}/labels --quiet";
const std::string evaluate_labels = "evaluate --model {}/labels --data {}/data --label-separator ; --quiet";
const std::string predict = "predict --model {}/all --explain --device cpu --threads 1 --quiet --json ";

const std::string exports =
    "export --model {}/all --onnx {}/all.onnx --data {}/data --int8 {}/int8 --device cpu --threads 1 --quiet --json";

const std::string export_labels =
    "export --model {}/labels --onnx {}/labels.onnx --data {}/data --label-separator ; --quiet";
const std::string export_bare = "export --model {}/bare --onnx {}/bare.onnx --no-header --delimiter , --quiet";

/// `others`, and flags on a table of labels, which pictures and recordings have alike.
std::vector<Elsewhere> told_by_table(std::vector<Elsewhere> others) {
  const Words flags{"--labels",     "--file-column", "--label-column",    "--no-header",
                    "--skip-lines", "--delimiter",   "--label-separator", "--label-columns"};
  const std::string file = "multi_label_media_test.cpp";
  others.push_back({"train", file, flags + Words{"--valid-labels", "--multi-label"}});
  others.push_back({"evaluate", file, flags});
  others.push_back({"export", file, flags});
  return others;
}

/// `others`, and the flag on labels that have a column each.
std::vector<Elsewhere> told_by_columns(std::vector<Elsewhere> others) {
  for (const char* command : {"train", "evaluate", "export"}) {
    others.push_back({command, "multi_label_columns_test.cpp", {"--label-columns"}});
  }
  return others;
}

Uses uses_of(const std::string& trainer) {
  const Elsewhere serve{"serve",
                        "serving_test.cpp",
                        {"--model", "--host", "--port", "--batch-size", "--batch-wait", "--max-body", "--queue",
                         "--connections", "--device", "--quiet", "--json"}};
  const Elsewhere server{"serve", "server.h", {"--threads"}};
  const auto demo = [](const std::string& file) {
    return Elsewhere{"demo", file, {"--out", "--device", "--threads", "--quiet", "--json"}};
  };
  if (trainer == "text") {
    return {.lines = {of_classifiers +
                          " --text text --label label --encoder gru --attention multi_head --weights sum --gate "
                          "--embedding 8 --hidden 8 --layers 2 --heads 2 --word-dropout 0.1 --tokens char "
                          "--vocabulary 100 --min-count 1 --max-length 50",
                      folds + " --encoder bag --bigrams --bigram-buckets 4096",
                      "train --train {}/data --out {}/stream --encoder transformer --positions rotary --embedding 8 "
                      "--heads 2 --hidden 8 --layers 1 --stream --buffer 100 --epochs 1",
                      "train --train {}/data --no-header --skip-lines 0 --delimiter , --label 0 --text 1 --out {}/bare "
                      "--encoder conv --kernels 2,3 "
                      "--hidden 4 --epochs 1",
                      "train --train {}/data --out {}/sentences --encoder hierarchical --max-sentence 10 --drop 0.1 "
                      "--swap 0.1 --noise 0.1 --embedding 8 --hidden 4 --epochs 1",
                      search + " --embedding 8 --hidden 8", evaluate + " --text text --label label",
                      "evaluate --model {}/bare --data {}/data --no-header --skip-lines 0 --delimiter ,",
                      several_labels + " --encoder bag", evaluate_labels, predict + "lovely", exports, export_labels,
                      export_bare + " --skip-lines 0 --data {}/data --label 0 --text 1"},
            .elsewhere = told_by_columns({serve, server, demo("text_classifier_test.cpp")})};
  }
  if (trainer == "image") {
    return {.lines = {of_classifiers +
                          " --encoder transformer --patch 3 --layers 1 --heads 2 --channels 3 "
                          "--height 9 --width 12 --shift 0.1 --rotate 5 --scale 0.1 --crop 0.1 --flip --cutout 0.2 "
                          "--mixup 0.2 --hidden 8",
                      folds + " --hidden 8 --stages 2 --attention none", search + " --hidden 8 --stages 2", evaluate,
                      predict + "{}/data[0:2]", exports},
            .elsewhere = told_by_table({serve, server, demo("media_classifiers_test.cpp")})};
  }
  if (trainer == "speech") {
    return {.lines = {of_classifiers +
                          " --label folder --encoder gru --rate 4000 --max-seconds 0.12 --features mfcc --window 0.03 "
                          "--hop 0.015 --shift 0.01 --noise 0.1 --frequency-masks 1 --frequency-width 0.3 "
                          "--time-masks 1 --time-width 0.3 --mels 12 --coefficients 6 --hidden 8 --layers 1",
                      folds + " --hidden 8 --layers 1 --kernel 3 --mels 12 --window 0.03 --hop 0.015",
                      search + " --hidden 8 --layers 1 --mels 12", evaluate + " --label folder",
                      predict + "{}/data[0:2]", exports + " --label folder"},
            .elsewhere = told_by_table({serve, server, demo("media_classifiers_test.cpp")})};
  }
  if (trainer == "tabular") {
    return {
        .lines = {of_classifiers +
                      " --label class --dim 8 --heads 2 --layers 1 --feedforward 8 --hidden 8 --knots 2 "
                      "--column-dropout 0.1 "
                      "--noise 0.1 --drop z --numeric x,y --categorical colour --missing -,? --scale standard",
                  folds + " --dim 8 --heads 2",
                  "train --train {}/bare.csv --no-header --skip-lines 1 --decimal-comma --delimiter , --out {}/bare "
                  "--dim 8 --heads 2 --epochs 1",
                  search + " --dim 8 --heads 2", evaluate + " --label class",
                  "evaluate --model {}/bare --data {}/bare.csv --no-header --skip-lines 1 --delimiter ,",
                  several_labels + " --dim 8 --heads 2", evaluate_labels, predict + "0.5,0.5,red",
                  exports + " --label class", export_labels, export_bare + " --skip-lines 1 --data {}/bare.csv"},
        .elsewhere = told_by_columns({serve, server, demo("tabular_classifier_test.cpp")})};
  }
  if (trainer == "multimodal") {
    return {.lines = {of_classifiers +
                          " --text note --label class --use both --dim 8 --heads 2 --knots 2 --word-dropout 0.1 "
                          "--column-dropout 0.1 --drop z --numeric x,y --categorical colour --missing -,? "
                          "--scale standard --tokens char --vocabulary 50 --max-length 40",
                      folds + " --text note --dim 8 --heads 2",
                      "train --train {}/bare.csv --no-header --skip-lines 1 --decimal-comma --delimiter , --text 2 "
                      "--label 5 --out "
                      "{}/bare --dim 8 "
                      "--heads 2 --epochs 1",
                      search + " --text note --dim 8 --heads 2", evaluate + " --text note --label class",
                      "evaluate --model {}/bare --data {}/bare.csv --no-header --skip-lines 1 --delimiter ,",
                      several_labels + " --text note --dim 8 --heads 2", evaluate_labels,
                      predict + R"({"x":0.5,"note":"red"})", exports + " --text note --label class", export_labels,
                      export_bare + " --skip-lines 1 --data {}/bare.csv"},
            .elsewhere = told_by_columns({serve, server, demo("multimodal_classifier_test.cpp")})};
  }
  const std::string model =
      " --context 16 --dim 16 --layers 1 --heads 2 --feedforward 16 --positions learned --untied "
      "--vocabulary 20";
  return {
      .lines = {all + model, "train --train {}/data --hold-out 0.2 --resume --epochs 1 --out {}/more" + model, evaluate,
                "generate --model {}/all --prompt an --length 5 --temperature 0.5 --top-k 3 --top-p 0.9 --seed 2 "
                "--no-cache --device cpu --threads 1 --quiet --json",
                "generate --model {}/all --length 5 --beams 2 --quiet",
                "export --model {}/all --onnx {}/language.onnx --device cpu --threads 1 --quiet --json"},
      .elsewhere = {demo("language_model_test.cpp")}};
}

class EveryFlag : public EveryTrainer {
 protected:
  void SetUp() override {
    folder.write("two_epochs.json", "{\"epochs\": 2}");
    folder.write("space.json", "{\"dropout\": [0.1, 0.2]}");
    const std::string classes = GetParam().classes;
    const std::string first = classes.substr(0, classes.find(',')), second = classes.substr(classes.find(',') + 1);
    folder.write("costs.csv", fmt::format("truth,{0},{1}\n{0},0,1\n{1},2,0\n", first, second));
    if (GetParam().name == "tabular" || GetParam().name == "multimodal") {
      folder.write(
          "bare.csv", "what the file holds\n" +
                          [](const std::string& table) { return table.substr(table.find('\n') + 1); }(read_back(data)));
    }
  }

  std::string filled_in(std::string line) const {
    for (size_t at; (at = line.find("{}/data")) != std::string::npos;) line.replace(at, 7, data);
    for (size_t at; (at = line.find("{}/")) != std::string::npos;) line.replace(at, 3, folder / "");
    return line;
  }
  Words help_of(const std::string& command, const std::string& heading) const {
    const Finished help = run(GetParam().program, command.empty() ? Words{"--help"} : Words{command, "--help"});
    EXPECT_EQ(help.status, 0) << help.error;
    return entries(help.out, heading);
  }
};

TEST_P(EveryFlag, IsUsedByATest) {
  std::map<std::string, Flags> used;
  const Uses uses = uses_of(GetParam().name);
  for (const std::string& line : uses.lines) {
    const Words words = words_of(filled_in(line));
    const Finished done = run(GetParam().program, words);
    EXPECT_EQ(done.status, 0) << line << '\n' << done.error;
    used[words[0]].merge(flags_among(words));
  }
  for (const Elsewhere& each : uses.elsewhere) {
    const std::string source = read_back(std::string(FOVEA_SOURCE_DIR "/tests/examples/") + each.file);
    EXPECT_NE(source.find('"' + each.command + '"'), std::string::npos) << each.file;
    for (const std::string& flag : each.flags) {
      EXPECT_NE(source.find('"' + flag + '"'), std::string::npos) << each.file << " does not use " << flag;
    }
    used[each.command].insert(each.flags.begin(), each.flags.end());
  }

  const Words commands = help_of("", "Subcommands:");
  EXPECT_GE(commands.size(), 4u);
  for (const std::string& command : commands) {
    Flags flags = flags_among(help_of(command, ""));
    flags.erase("--help");  // just used
    // Its trials are training runs, whose options are declared by the same code.
    if (command == "search") used[command].insert(used["train"].begin(), used["train"].end());
    EXPECT_EQ(used[command], flags) << command << ": the one is used, the other is there";
  }
}

INSTANTIATE_TEST_SUITE_P(Trainers, EveryFlag, testing::ValuesIn(trainers()), name_of);

}  // namespace
}  // namespace fovea::test

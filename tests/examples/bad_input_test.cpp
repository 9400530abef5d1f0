// What a user may get wrong: one clear line, exit status 2, nothing written.
#include "refusal.h"
#include "text_classifier.h"

namespace fovea::test {
namespace {

using testing::HasSubstr;

class BadInputTest : public testing::Test {
 protected:
  /// `{}` in what is expected stands for the test's folder.
  void expect_refused(const Words& arguments, std::string expected, const std::string& input = {}) const {
    if (const size_t at = expected.find("{}"); at != std::string::npos) expected.replace(at, 2, folder / "");
    test::expect_refused(TEXT_CLASSIFIER, arguments, expected, folder / "", input);
  }
  void expect_file_refused(const std::string& name, const std::string& content, const std::string& expected,
                           const Words& flags = {}) const {
    folder.write(name, content);
    expect_refused(Words{"train", "--train", folder / name, "--out", folder / "out"} + flags, "{}" + name + expected);
  }
  void train_model(const std::string& name, const Words& flags = {}) const {
    const std::string file = folder.write("good.csv", reviews(20));
    const Finished done =
        classify(Words{"train", "--train", file, "--out", folder / name, "--epochs", "1"} + small + flags);
    ASSERT_EQ(done.status, 0) << done.error;
  }

  TempFolder folder;
};

TEST_F(BadInputTest, Files) {
  expect_refused({"train", "--train", folder / "missing.csv", "--out", folder / "out"}, "{}missing.csv: no such file");
  std::filesystem::create_directory(folder / "folder.csv");
  expect_refused({"train", "--train", folder / "folder.csv", "--out", folder / "out"}, "{}folder.csv: is a directory");
  expect_file_refused("empty.csv", "", ": the file is empty");
  expect_file_refused("empty.jsonl", "", ": the file is empty");
  expect_file_refused("header.csv", "label,text\n", ": no rows below the header");
  expect_file_refused("one_column.csv", "text\na\nb\n", ": no column is left for the label; it has only \"text\"");
  expect_file_refused("semicolons.csv", "label;text\na;b\n",
                      ": no column is left for the text; it has only \"label;text\"; its columns seem to be separated "
                      "by \";\": say so (--delimiter, TableOptions::delimiter)");
  expect_refused(
      {"train", "--train", folder / "semicolons.csv", "--out", folder / "out", "--delimiter", "ab"},
      "text_classifier: --delimiter: \"ab\" is neither \"tab\" nor a character that can stand between columns");
  expect_file_refused("no_text.csv", "label,text\na,\nb,\n",
                      ": no text to learn from holds a token; the columns are label \"label\", text \"text\"");
  expect_file_refused("no_text.csv", "label,text\na,\nb,\n", ": no text to learn from holds a token", {"--stream"});
  expect_file_refused("ragged.csv", "label,text\na,one\nb\n", ":3: 1 column, expected 2");
  expect_file_refused("ragged_longer.csv", "label,text\na,one\nb,two,three\n", ":3: 3 columns, expected 2");
  expect_file_refused("ragged.tsv", "label\ttext\na\tone\nb\ttwo\tthree\n", ":3: 3 columns, expected 2");
  expect_file_refused("quote.csv", "label,text\na,one\nb,\"two\nc,three\n",
                      ":3: a quote opens here and is never closed");
  expect_file_refused("quote_inside.csv", "label,text\na,o\"ne\n", ":2: a quote inside a field that is not quoted");
  expect_file_refused("behind_quote.csv", "label,text\na,\"one\"x\n", ":2: text behind a closing quote");
  expect_file_refused("latin1.csv", "label,text\na,one\nb,caf\xe9\n", ":3: not UTF-8");
  expect_file_refused("latin1.jsonl", "{\"label\":\"a\",\"text\":\"caf\xe9\"}\n", ":1: not UTF-8");
  expect_file_refused("unlabelled.csv", "label,text\na,one\n,two\n", ":3: the label is empty");
  expect_file_refused("one_class.csv", "label,text\na,one\na,two\n",
                      ": all labels are \"a\"; a classifier needs two classes");
  expect_file_refused("cut.jsonl", "{\"label\":\"a\",\"text\":\"one\"}\n{\"label\":\"b\",\"te",
                      ":2: the JSON object is cut off");
  expect_file_refused("broken.jsonl", "{\"label\":\"a\",\"text\":\"one\"}\n{\"label\":b}\n", ":2: not valid JSON");
  expect_file_refused("list.jsonl", "[1, 2]\n", ":1: expected a JSON object");
  expect_file_refused("missing_field.jsonl", "{\"label\":\"a\",\"text\":\"one\"}\n{\"label\":\"b\"}\n",
                      ":2: no field \"text\"");
  expect_file_refused("field.jsonl", "{\"label\":\"a\",\"text\":\"one\"}\n{\"label\":\"b\",\"text\":[]}\n",
                      ":2: field \"text\" is ");
  expect_file_refused("letters.txt", "a one\n", ": unknown kind of file");
}

TEST_F(BadInputTest, CompressedFiles) {
  const std::string whole = data::testing::gzip(reviews(200));
  expect_file_refused("cut.csv.gz", whole.substr(0, whole.size() / 2), ": gzip data ends early, at byte ");
  expect_file_refused("empty.csv.gz", "", ": the file is empty");
  std::string flipped = whole;
  flipped[whole.size() - 6] ^= 1;  // of the checksum
  expect_file_refused("flipped.csv.gz", flipped, ": gzip data is broken at byte ");
  expect_file_refused("behind.csv.gz", whole + "garbage", ": bytes that are not gzip data follow it, from byte ");
}

TEST_F(BadInputTest, Columns) {
  const std::string table = "label,text\na,one\nb,two\n";
  expect_file_refused("t.csv", table, ": no column \"body\"; it has \"label\", \"text\"", {"--text", "body"});
  expect_file_refused("t.csv", table, ": no column \"2\"; it has", {"--label", "2"});
  expect_file_refused("t.csv", table, ": column \"text\" cannot be both text and label",
                      {"--label", "text", "--text", "text"});
  expect_file_refused("t.csv", table, ": no column \"text\"; it has \"0\", \"1\"", {"--text", "text", "--no-header"});
}

TEST_F(BadInputTest, Flags) {
  const std::string file = folder.write("train.csv", reviews(20));
  const Words train{"train", "--train", file, "--out", folder / "out"};
  const auto expect = [&](const Words& flags, const std::string& error) {
    expect_refused(train + flags, "text_classifier: " + error);
  };
  expect({"--encoder", "mamba"}, "--encoder: \"mamba\" is not one of bag");
  expect({"--attention", "total"}, "--attention: \"total\" is not one of");
  expect({"--weights", "hard"}, "--weights: \"hard\" is not one of");
  expect({"--optimizer", "lion"}, "--optimizer: \"lion\" is not one of");
  expect({"--tokens", "syllable"}, "--tokens: \"syllable\" is not one of");
  expect({"--epochs", "0"}, "--epochs: 0 is not between 1 and");
  expect({"--epochs", "ten"}, "--epochs: \"ten\" is not a whole number");
  expect({"--dropout", "1"}, "--dropout: 1 is not between");
  expect({"--lr", "nan"}, "--lr: \"nan\" is not a number");
  expect({"--seed", "-1"}, "--seed: -1 is less than 0");
  expect({"--hidden", "0"}, "--hidden: 0 is not between 1 and");
  expect({"--device", "cuda"}, "device: 'cuda' is none of cpu, vulkan, vulkan:N");
  expect({"--device", "vulkan:99"}, "vulkan:99: ");
  expect({"--bigrams"}, "--bigrams goes with --encoder bag only");
  expect({"--encoder", "bag", "--hidden", "16"}, "--hidden is of no use to --encoder bag");
  expect({"--label", "caf\xe9"}, "--label: not UTF-8");
  expect({"--colour"}, "there is no option --colour (--help");
  expect({"--epoch", "3"}, "there is no option --epoch; --epochs is meant, perhaps (--help");
  expect({"--epochs"}, "--epochs: ");
  expect({"--max-length", "-5"}, "--max-length: -5 is");
  expect_refused({"train", "--train", file}, "text_classifier: --out is missing");
  expect_refused({"train", "--out", folder / "out"}, "text_classifier: --train is missing");
  expect_refused({}, "text_classifier: a command is missing: train, search, evaluate, predict, export, serve, demo");
  expect_refused({"teach"}, "text_classifier: ");
  expect_refused(train + Words{"--config", folder / "none.json"}, "{}none.json: no such file");
  expect_refused(train + Words{"--config", folder.write("list.json", "[]")}, "text_classifier: {}list.json");
  expect_refused(train + Words{"--config", folder.write("cut.json", "{\"epochs\": ")}, "{}cut.json:1: not valid JSON");
  expect_refused(train + Words{"--config", folder.write("far.json", "{\"lr\": 1e999}")},
                 "{}far.json: it holds a number that is too large");
  expect_refused(train + Words{"--config", folder.write("unknown.json", "{\"epoch\": 3}")},
                 "text_classifier: {}unknown.json: unknown option \"epoch\"");
  expect_refused(train + Words{"--config", folder.write("value.json", "{\"epochs\": \"many\"}")},
                 "text_classifier: {}value.json");
}

// They are no text, and may be any bytes.
TEST_F(BadInputTest, NamesOfFilesNeedNotBeUtf8) {
  const std::string file = folder.write("t\xe9.csv", reviews(20)), out = folder / "m\xe9";
  const Finished done = classify(Words{"train", "--train", file, "--out", out, "--epochs", "1", "--json"} + small);
  EXPECT_EQ(done.status, 0) << done.error;
  EXPECT_THAT(done.out, HasSubstr("m\xef\xbf\xbd\"}"));
  EXPECT_EQ(classify({"evaluate", "--model", out, "--data", file}).status, 0);
}

TEST_F(BadInputTest, JsonNestedTooDeeply) {
  const std::string file = folder.write("good.csv", reviews(20));
  const std::string deep = "{\"x\":" + std::string(200000, '[') + std::string(200000, ']') + "}";
  expect_refused({"train", "--train", file, "--out", folder / "out", "--config", folder.write("deep.json", deep)},
                 "{}deep.json:1: ");
  expect_refused({"search", "--train", file, "--out", folder / "out", "--space", folder / "deep.json"},
                 "{}deep.json:1: ");
  std::filesystem::create_directory(folder / "model");
  folder.write("model/config.json", deep);
  expect_refused({"predict", "--model", folder / "model", "text"}, "{}model/config.json:1: ");
}

TEST_F(BadInputTest, AFolderThatCannotBeWritten) {
  const std::string file = folder.write("train.csv", reviews(20));
  expect_refused({"train", "--train", file, "--out", file}, "{}train.csv: ");
  expect_refused({"train", "--train", file, "--out", file + "/model"}, "{}train.csv/model: ");
  // What is there keeps its model when the data is refused.
  train_model("model");
  expect_refused({"train", "--train", folder.write("bad.csv", "label,text\na\n"), "--out", folder / "model"},
                 "{}bad.csv:2: 1 column, expected 2");
}

TEST_F(BadInputTest, DataOfAnotherKindThanTheModels) {
  train_model("model");
  const auto evaluate = [&](const std::string& name, const std::string& content, const std::string& expected) {
    expect_refused({"evaluate", "--model", folder / "model", "--data", folder.write(name, content)},
                   "{}" + name + expected);
  };
  evaluate("unknown.csv", "label,text\ngood,one\nugly,two\n",
           ":3: unknown label \"ugly\"; the classes are \"bad\", \"good\"");
  evaluate("ragged.csv", "label,text\ngood\n", ":2: 1 column, expected 2");
  evaluate("empty.csv", "", ": the file is empty");
  expect_refused({"predict", "--model", folder / "model", "caf\xe9"}, "argument 1 is not UTF-8");
  expect_refused({"predict", "--model", folder / "model"}, "standard input:1: not UTF-8", "caf\xe9\n");
}

TEST_F(BadInputTest, ModelFolders) {
  const std::string data = folder.write("data.csv", reviews(4)), model = folder / "model";
  const auto refused = [&](const std::string& expected) {
    expect_refused({"evaluate", "--model", model, "--data", data}, expected);
    expect_refused({"predict", "--model", model, "text"}, expected);
  };
  refused("{}model: there is no such folder");
  std::filesystem::create_directory(model);
  refused("{}model: no model: it has no config.json");
  train_model("model");
  train_model("other", {"--seed", "9"});
  train_model("wider", {"--hidden", "16"});

  const std::string config = read_back(model + "/config.json"), weights = read_back(model + "/model.safetensors"),
                    vocabulary = read_back(model + "/vocabulary.txt");
  const auto with = [&](const std::string& name, const std::string& content, const std::string& expected) {
    const std::string before = read_back(model + '/' + name);
    folder.write("model/" + name, content);
    refused(expected);
    folder.write("model/" + name, before);
  };
  with("config.json", "", "{}model/config.json:1: not valid JSON");
  with("config.json", config.substr(0, config.size() / 2), "{}model/config.json:");
  with("config.json", "{\"model_type\": \"bert\"}", "{}model/config.json: not the configuration of a model");
  std::string foreign = config;
  foreign.replace(foreign.find("text_classifier"), 15, "image_classifier");
  with("config.json", foreign, "{}model/config.json: a model of image_classifier, not of text_classifier");
  std::string unknown = config;
  unknown.replace(unknown.find("\"epochs\""), 8, "\"epoch_count\"");
  with("config.json", unknown, "{}model/config.json: unknown option \"epoch_count\"");

  with("model.safetensors", "", "{}model/model.safetensors: ");
  with("model.safetensors", weights.substr(0, weights.size() / 2), "{}model/model.safetensors: ");
  with("model.safetensors", "PK\x03\x04 something else altogether", "{}model/model.safetensors: ");
  for (const char* name : {"other", "wider"}) {
    with("model.safetensors", read_back(folder / (std::string(name) + "/model.safetensors")),
         "{}model/model.safetensors: not the weights of the model that config.json describes");
  }
  with("vocabulary.txt", "", "{}model/vocabulary.txt");
  with("vocabulary.txt", vocabulary.substr(0, vocabulary.size() / 2), "{}model/");
  std::filesystem::remove(model + "/vocabulary.txt");
  refused("{}model/vocabulary.txt: no such file");
  folder.write("model/vocabulary.txt", vocabulary);
  std::filesystem::remove(model + "/model.safetensors");
  refused("{}model/model.safetensors: no such file");
}

TEST_F(BadInputTest, Checkpoints) {
  train_model("model");
  const std::string file = folder / "good.csv";
  const auto refused = [&](const std::string& content, const std::string& expected) {
    folder.write("model/checkpoint.safetensors", content);
    expect_refused({"train", "--train", file, "--out", folder / "model", "--resume"}, expected);
  };
  refused("", "{}model/checkpoint.safetensors: ");
  refused("nothing like it, but longer than a header", "{}model/checkpoint.safetensors: ");
  refused(read_back(folder / "model/model.safetensors"), "{}model/checkpoint.safetensors: not a checkpoint");
}

}  // namespace
}  // namespace fovea::test

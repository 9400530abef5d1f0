// Files of a model's folder that are broken: one line that names the file and the line or the byte, exit status 2, nothing
// written.
#include <cstring>

#include "malformed_files.h"
#include "media_classifiers.h"
#include "tables.h"
#include "text_classifier.h"

namespace fovea::test {
namespace {

TEST_F(MalformedFiles, Safetensors) {
  make_model(TEXT_CLASSIFIER, folder.write("good.csv", reviews(20)), small);
  const std::string good = read_back(folder / "model/model.safetensors");
  uint64_t length = 0;
  std::memcpy(&length, good.data(), 8);
  const std::string header = good.substr(8, length);
  /// The file with another header.
  const auto with = [&](const std::string& what, const std::string& by) {
    const std::string changed = replaced(header, what, by);
    return little(changed.size()) + changed + good.substr(8 + length);
  };
  expect_model_refused(
      TEXT_CLASSIFIER, "model.safetensors", {"text"},
      {
          {"", ": not a safetensors file: it has only 0 bytes"},
          {good.substr(0, 7), ": not a safetensors file: it has only 7 bytes"},
          {"PK\x03\x04 something else altogether", ": not a safetensors file: it begins as torch.save's do"},
          {overwritten(good, 0, little(~uint64_t{0})),
           ": not a safetensors file: a header of 18446744073709551615 bytes"},
          {overwritten(good, 8, "["), ": not a safetensors file: the header does not begin with {"},
          {overwritten(good, 8 + 20, "\x01"), ": the header is not valid JSON at byte "},
          {first_half(good), ": "},
          {good.substr(0, good.size() - 4), ": tensor "},
          {good + "x", ": bytes "},
          {with("\"F32\"", "\"F33\""), ": tensor "},
          {with("\"shape\":[", "\"shape\":[9007199254740993,4611686018427387905,"), ": tensor "},
          {with("\"data_offsets\":[0,", "\"data_offsets\":[4,"), ": "},
          {with("\"dtype\"", "\"dtyp\""), ": tensor "},
          {with("{\"", "{\"extra\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},\""),
           ": its tensors are not"},
          {with("\"run\":\"", "\"run\":\"0"), ": not the weights of the model that config.json describes"},
      });
}

TEST_F(MalformedFiles, SafetensorsOf8Bits) {
  make_model(TEXT_CLASSIFIER, folder.write("good.csv", reviews(20)), small);
  const Finished done = run(TEXT_CLASSIFIER, {"export", "--model", folder / "model", "--int8", folder / "small"});
  ASSERT_EQ(done.status, 0) << done.error;
  const std::string good = read_back(folder / "small/model.safetensors");
  const std::string what = ": tensor \"embedding.weight\" is I8 and has no BF16 .scale for each of its rows";
  const auto with = [&](const std::string& from, const std::string& to) { return replaced(good, from, to); };
  expect_model_refused(
      TEXT_CLASSIFIER, "model.safetensors", {"text"},
      {{with("embedding.weight.scale", "embedding.weight.scald"), what},
       {with("\"embedding.weight.scale\":{\"dtype\":\"BF16\"", "\"embedding.weight.scale\":{ \"dtype\":\"F16\""), what},
       {with("\"dtype\":\"I8\"", "\"dtype\":\"U8\""), ": tensor "}});
}

TEST_F(MalformedFiles, Checkpoints) {
  const std::string data = folder.write("good.csv", reviews(20));
  make_model(TEXT_CLASSIFIER, data, small);
  const std::string weights = read_back(folder / "model/model.safetensors");
  const std::string path = folder / "model/checkpoint.safetensors";
  for (const auto& [content, error] : std::vector<std::pair<std::string, std::string>>{
           {"", ": not a safetensors file: it has only 0 bytes"},
           {"nothing like it, but longer than a header", ": not a safetensors file: a header of "},
           {first_half(weights), ": "},
           {weights, ": not a checkpoint"},
       }) {
    folder.write("model/checkpoint.safetensors", content);
    test::expect_refused(TEXT_CLASSIFIER, {"train", "--train", data, "--out", folder / "model", "--resume"},
                         path + error, folder / "");
  }
}

TEST_F(MalformedFiles, TokenizerJson) {
  make_model(TEXT_CLASSIFIER, folder.write("good.csv", reviews(60)),
             small + Words{"--tokens", "bpe", "--vocabulary", "300"});
  const std::string good = read_back(folder / "model/tokenizer.json");
  const auto with = [&](const std::string& what, const std::string& by) { return replaced(good, what, by); };
  const auto lines = static_cast<int64_t>(std::count(good.begin(), good.end(), '\n'));
  const size_t splitter = good.find("\"pre_tokenizer\"");
  expect_model_refused(
      TEXT_CLASSIFIER, "tokenizer.json", {"text"},
      {
          {"", ":1: not valid JSON"},
          {good.substr(0, good.rfind('}')), ":" + std::to_string(lines) + ": not valid JSON"},
          {"{\n\"model\": {,\n", ":2: not valid JSON"},
          {"[1e999]", ": it holds a number that is too large"},
          {"[]", ": not a tokenizer: it has no model"},
          {"{\"model\": 1}", ": not a tokenizer: it has no model"},
          {with("\"BPE\"", "\"Unigram\""), ": a tokenizer of the kind \"Unigram\"; BPE is supported"},
          {good.substr(0, splitter) + replaced(good.substr(splitter), "\"ByteLevel\"", "\"Metaspace\""),
           ": the pre_tokenizer \"Metaspace\" is not supported"},
          {with("\"Lowercase\"", "\"NFKC\""), ": the normalizer \"NFKC\" is not supported"},
          {with("\"vocab\"", "\"words\""), ": model has no vocab"},
          {with("\"merges\"", "\"joins\""), ": model has no merges"},
          {with("\"vocab\": {", "\"vocab\": {\"zz\": -1,"), ": the id of \"zz\" is not from 0 to "},
          {with("\"vocab\": {", "\"vocab\": {\"zz\": 1e99,"), ": the id of \"zz\" is not a whole number"},
          {with("\"vocab\": {", "\"vocab\": {\"zz\": 99999999999,"), ": the id of \"zz\" is not from 0 to "},
          {with("\"vocab\": {", "\"vocab\": {\"zz\": 5,"), ": "},
          {with("\"merges\": [", "\"merges\": [[\"zz\", \"yy\"],"), ": merge 0: \"zz\" is no token"},
          {with("\"merges\": [", "\"merges\": [\"zz\","), ": merge 0: \"zz\" is not two tokens"},
          {with("\"merges\": [", "\"merges\": [7,"), ": merge 0 is not two tokens"},
          {overwritten(good, 5, "\xff"), ": byte 6 is not UTF-8"},
      });
}

TEST_F(MalformedFiles, ConfigJson) {
  make_model(TEXT_CLASSIFIER, folder.write("good.csv", reviews(20)), small);
  const std::string good = read_back(folder / "model/config.json");
  const auto with = [&](const std::string& what, const std::string& by) { return replaced(good, what, by); };
  const auto lines = static_cast<int64_t>(std::count(good.begin(), good.end(), '\n'));
  expect_model_refused(
      TEXT_CLASSIFIER, "config.json", {"text"},
      {
          {"", ":1: not valid JSON"},
          {good.substr(0, good.rfind('}')), ":" + std::to_string(lines) + ": not valid JSON"},
          {"[1e999]", ": it holds a number that is too large"},
          {"[]", ": not the configuration of a model"},
          {"{\"model_type\": \"bert\"}", ": not the configuration of a model"},
          {with("fovea model 1", "fovea model 9"), ": not the configuration of a model"},
          {with("\"text_classifier\"", "\"image_classifier\""),
           ": a model of image_classifier, not of text_classifier"},
          {with("\"text_classifier\"", "7"), ": not the configuration of a model"},
          {with("\"epochs\"", "\"epoch_count\""), ": unknown option \"epoch_count\""},
          {with("\"epochs\": 1", "\"epochs\": \"many\""), ": epochs: \"many\" is not a whole number"},
          {with("\"epochs\": 1", "\"epochs\": -1"), ": epochs: -1 is not between 1 and"},
          {with("\"epochs\": 1", "\"epochs\": 18446744073709551615"), ": epochs: 18446744073709551615 is too great"},
          {with("\"options\": {", "\"options\": [], \"more\": {"), ": its options are not an object"},
          {with("\"good\"", "\"bad\""), ": two of its classes have one name"},
          {with("\"bad\",", ""), ": a model needs two classes; it has 1"},
          {with("\"good\"", "7"), ": not the configuration of a model"},
      });
}

TEST_F(MalformedFiles, Vocabulary) {
  make_model(TEXT_CLASSIFIER, folder.write("good.csv", reviews(20)), small);
  const std::string good = read_back(folder / "model/vocabulary.txt");
  const size_t third = good.find('\n', good.find('\n') + 1) + 1;
  expect_model_refused(TEXT_CLASSIFIER, "vocabulary.txt", {"text"},
                       {
                           {"", ": the file is empty"},
                           {good.substr(0, 3), ":1: "},
                           {good.substr(third), ":1: not a vocabulary: expected "},
                           {good.substr(0, good.size() - 1), ":"},
                           {good + good.substr(third, good.find('\n', third) + 1 - third), ":"},
                           {good + "a\\q\n", ":"},
                           {good + "caf\xe9\n", ":"},
                       });
}

TEST_F(MalformedFiles, ColumnsJson) {
  make_model(TABULAR_CLASSIFIER, folder.write("good.csv", rows(60, 1)),
             {"--dim", "8", "--heads", "2", "--layers", "1", "--feedforward", "8"});
  const std::string good = read_back(folder / "model/columns.json");
  expect_model_refused(TABULAR_CLASSIFIER, "columns.json", {"0.5,0.5,red,3"},
                       {
                           {"", ":1: not valid JSON"},
                           {first_half(good), ":"},
                           {"[1e999]", ": it holds a number that is too large"},
                           {"{}", ": not the columns of a model"},
                           {replaced(good, "\"name\"", "\"nam\""), ": not the columns of a model"},
                           {replaced(good, "\"scale\": [", "\"scale\": [\"x\","), ": not the columns of a model"},
                       });
}

}  // namespace
}  // namespace fovea::test

// tokenizer.json files of the `tokenizers` package and the ids that it gives: those of data/, or of the folder that
// FOVEA_TOKENIZERS_CASES names, into which the package has just written (see compare.cmake); FOVEA_TOKENIZERS_SAVE names
// one from which the package then reads what is saved here.

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "data/temp_folder.h"
#include "fovea/data/bpe.h"
#include "fovea/data/files.h"

namespace fovea::data {
namespace {

using Json = nlohmann::json;
using testing::TempFolder;

std::string folder_of(const char* variable, const std::string& usual) {
  const char* set = std::getenv(variable);
  return set ? set : usual;
}

class Tokenizers : public ::testing::TestWithParam<const char*> {
 protected:
  const std::string folder = folder_of("FOVEA_TOKENIZERS_CASES", FOVEA_TOKENIZERS_DATA);
  const std::string path = folder + "/" + GetParam() + ".json";
  const Json cases = Json::parse(read_file(folder + "/" + GetParam() + "_cases.json"));
  const std::vector<std::string> learned = cases["learned"].get<std::vector<std::string>>();
  const std::vector<std::string> texts = cases["texts"].get<std::vector<std::string>>();
  const BpeTokenizer theirs = BpeTokenizer::load(path);

  BpeTokenizer trained() const {
    const bool bytes = theirs.options().words.split == BpeSplit::byte_level;
    return BpeTokenizer::train(learned, {.words = theirs.options().words,
                                         .vocabulary = cases["vocabulary"].get<int64_t>(),
                                         .special_tokens = {"<pad>", "<unk>"},
                                         .unknown = theirs.options().unknown.empty() && bytes ? "" : "<unk>"});
  }
  static std::vector<std::string> tokens_of(const BpeTokenizer& tokenizer) {
    std::vector<std::string> out;
    for (int32_t i = 0; i < tokenizer.size(); ++i) out.push_back(tokenizer.token(i));
    return out;
  }
};

TEST_P(Tokenizers, TextsHaveTheSameIds) {
  for (size_t i = 0; i < texts.size(); ++i) {
    ASSERT_EQ(theirs.encode(texts[i]), cases["ids"][i].get<std::vector<int32_t>>()) << texts[i];
  }
}

TEST_P(Tokenizers, IdsHaveTheSameText) {
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto ids = cases["ids"][i].get<std::vector<int32_t>>();
    EXPECT_EQ(theirs.decode(ids), cases["decoded"][i].get<std::string>());
  }
}

TEST_P(Tokenizers, WhatIsLoadedIsSavedTheSame) {
  const TempFolder temporary;
  const std::string to = folder_of("FOVEA_TOKENIZERS_SAVE", temporary / ".") + "/" + GetParam() + "_loaded";
  theirs.save(to + ".json");
  const BpeTokenizer again = BpeTokenizer::load(to + ".json");
  EXPECT_EQ(tokens_of(again), tokens_of(theirs));
  for (const std::string& text : texts) EXPECT_EQ(again.encode(text), theirs.encode(text)) << text;
  write_atomically(to + "_cases.json", Json{{"texts", texts}, {"ids", cases["ids"]}}.dump());
}

/// Of tokenizers that are as the package's trainer made them.
class TrainedTokenizers : public Tokenizers {};

TEST_P(TrainedTokenizers, TrainingFindsTheSameTokens) {
  const BpeTokenizer ours = trained();
  ASSERT_EQ(tokens_of(ours), tokens_of(theirs));
  for (size_t i = 0; i < texts.size(); ++i) ASSERT_EQ(ours.encode(texts[i]), theirs.encode(texts[i])) << texts[i];
}

TEST_P(TrainedTokenizers, WhatIsSavedReadsTheSame) {
  const TempFolder temporary;
  const std::string to = folder_of("FOVEA_TOKENIZERS_SAVE", temporary / ".") + "/";
  const BpeTokenizer ours = trained();
  ours.save(to + GetParam() + ".json");
  const BpeTokenizer again = BpeTokenizer::load(to + GetParam() + ".json");
  EXPECT_EQ(tokens_of(again), tokens_of(ours));
  Json saved{{"texts", texts}, {"ids", Json::array()}};
  for (const std::string& text : texts) {
    saved["ids"].push_back(ours.encode(text));
    EXPECT_EQ(again.encode(text), ours.encode(text));
  }
  write_atomically(to + GetParam() + "_cases.json", saved.dump());
}

std::string name_of(const ::testing::TestParamInfo<const char*>& info) { return info.param; }

INSTANTIATE_TEST_SUITE_P(Kinds, Tokenizers, ::testing::Values("byte_level", "byte_level_prefix", "whitespace", "added"),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Kinds, TrainedTokenizers, ::testing::Values("byte_level", "byte_level_prefix", "whitespace"),
                         name_of);

}  // namespace
}  // namespace fovea::data

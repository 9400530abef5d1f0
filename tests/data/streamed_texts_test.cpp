#include "fovea/data/streamed_texts.h"

#include <algorithm>
#include <set>

#include "temp_folder.h"

namespace fovea::data {
namespace {

using testing::error_of;
using testing::TempFolder;

std::string numbered_texts(int rows) {
  std::string csv = "label,text\n";
  for (int i = 0; i < rows; ++i) csv += std::string(i % 3 == 0 ? "b" : "a") + ",word" + std::to_string(i) + "\n";
  return csv;
}

class StreamedTextsTest : public ::testing::Test {
 protected:
  StreamedTexts open(int rows, StreamedTextsOptions options = {}) {
    return StreamedTexts(folder.write("t.csv", numbered_texts(rows)), std::move(options));
  }
  TextEncoder encoder_of(const StreamedTexts& texts) const {
    TokenCounts counts;
    Tokens tokens;
    for (StreamedTexts::Reader reader(texts); reader.next();) {
      tokenizer->tokenize(reader.text(), tokens);
      counts.add(tokens);
    }
    return TextEncoder(tokenizer, Vocabulary::build(counts));
  }
  /// The texts of a block, as words.
  static std::vector<std::string> words(const TextBlocks::Block& block, const TextEncoder& encoder) {
    std::vector<std::string> out;
    for (int64_t i = 0; i < block.ids.size(); ++i) out.emplace_back(encoder.vocabulary().token(block.ids[i][0]));
    return out;
  }

  TempFolder folder;
  std::shared_ptr<const Tokenizer> tokenizer = make_tokenizer("word");
};

TEST_F(StreamedTextsTest, KnowsItsClassesAndReadsTextsInOrder) {
  const StreamedTexts texts = open(7, {.hold_out = 0});
  EXPECT_EQ(texts.size(), 7);
  EXPECT_EQ(texts.labels().names(), (std::vector<std::string>{"a", "b"}));
  StreamedTexts::Reader reader(texts);
  for (int i = 0; i < 7; ++i) {
    ASSERT_TRUE(reader.next());
    EXPECT_EQ(reader.text(), "word" + std::to_string(i));
    EXPECT_EQ(reader.label(), i % 3 == 0 ? 1 : 0);
    EXPECT_FALSE(reader.held_out());
  }
  EXPECT_FALSE(reader.next());
  EXPECT_FALSE(reader.next());
}

TEST_F(StreamedTextsTest, TellsTheSetOfSeveralLabels) {
  const std::string path = folder.write("s.csv", "label,text\nb;a,x\n,y\nb,x\na; b,z\n");
  StreamedTextsOptions options{.label_separator = ";", .hold_out = 0};
  options.columns.several_labels = true;
  const StreamedTexts texts(path, options);
  EXPECT_EQ(texts.labels().names(), (std::vector<std::string>{"a", "b"}));
  std::vector<std::vector<int32_t>> classes;
  for (StreamedTexts::Reader reader(texts); reader.next();) {
    const std::span<const int32_t> set = texts.label_sets()[reader.label()];
    classes.emplace_back(set.begin(), set.end());
  }
  EXPECT_EQ(classes, (std::vector<std::vector<int32_t>>{{0, 1}, {}, {1}, {0, 1}}));
  EXPECT_EQ(texts.label_sets().size(), 3);
  EXPECT_EQ(error_of([&] { StreamedTexts(folder.write("bad.csv", "label,text\na,x\na;a,y\n"), options); }),
            "bad.csv:3: the label \"a\" stands there twice");
}

TEST_F(StreamedTextsTest, HoldsOutTheSameShareEachTimeAndNeverMoreThanItMay) {
  const StreamedTexts texts = open(2000, {.hold_out = 0.2, .seed = 5}),
                      few = open(2000, {.hold_out = 0.2, .most_held_out = 50});
  const auto held_out = [](const StreamedTexts& of) {
    std::set<std::string> names;
    for (StreamedTexts::Reader reader(of); reader.next();) {
      if (reader.held_out()) names.emplace(reader.text());
    }
    return names;
  };
  EXPECT_NEAR(static_cast<double>(held_out(texts).size()), 400, 60);
  EXPECT_EQ(held_out(texts), held_out(texts));
  EXPECT_NEAR(static_cast<double>(held_out(few).size()), 50, 25);
}

TEST_F(StreamedTextsTest, BlocksHoldEveryTextToLearnFromOnce) {
  const StreamedTexts texts = open(100, {.hold_out = 0.1});
  const TextEncoder encoder = encoder_of(texts);
  std::vector<std::string> wanted;
  for (StreamedTexts::Reader reader(texts); reader.next();) {
    if (!reader.held_out()) wanted.emplace_back(reader.text());
  }
  TextBlocks blocks(texts, encoder, 30);
  std::vector<std::string> found;
  std::vector<std::vector<std::string>> by_block;
  for (int64_t number = 0;; ++number) {
    const TextBlocks::Block block = blocks.read(number);
    EXPECT_EQ(block.ids.size(), static_cast<int64_t>(block.labels.size()));
    if (block.labels.empty()) break;
    by_block.push_back(words(block, encoder));
    found.insert(found.end(), by_block.back().begin(), by_block.back().end());
  }
  EXPECT_EQ(found, wanted);
  ASSERT_EQ(by_block.size(), 3u + (wanted.size() > 90));
  EXPECT_EQ(by_block[0].size(), 30u);
  // In any order.
  for (const int64_t number : {2, 0, 1, 1, 2}) {
    EXPECT_EQ(words(blocks.read(number), encoder), by_block[static_cast<size_t>(number)]);
  }
}

TEST_F(StreamedTextsTest, TheFingerprintIsThatOfTheContent) {
  EXPECT_EQ(open(50).fingerprint(), open(50).fingerprint());
  EXPECT_NE(open(50).fingerprint(), open(51).fingerprint());
}

TEST_F(StreamedTextsTest, SaysWhereAFileIsWrongAndWhenItChanges) {
  EXPECT_EQ(error_of([&] { StreamedTexts(folder.write("bad.csv", "label,text\na,x\nb\n"), {}); }),
            "bad.csv:3: 1 column, expected 2");
  EXPECT_EQ(error_of([&] { StreamedTexts(folder.write("bad.csv", "label,text\n"), {}); }),
            "bad.csv: no rows below the header");
  const StreamedTexts texts = open(10);
  for (const int rows : {9, 11}) {
    folder.write("t.csv", numbered_texts(rows));
    EXPECT_EQ(error_of([&] {
                for (StreamedTexts::Reader reader(texts); reader.next();) continue;
              }),
              "t.csv: the file has changed while it was being read");
  }
}

}  // namespace
}  // namespace fovea::data

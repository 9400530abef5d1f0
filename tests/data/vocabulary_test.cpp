#include "fovea/data/vocabulary.h"

#include "data/temp_folder.h"

namespace fovea::data {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using testing::Random;
using testing::read_back;
using testing::TempFolder;
using Strings = std::vector<std::string>;

TokenCounts count(const Strings& tokens) {
  TokenCounts counts;
  for (const std::string& token : tokens) counts.add(token);
  return counts;
}

Strings tokens_of(const Vocabulary& vocabulary) {
  Strings tokens;
  for (int32_t id = 0; id < vocabulary.size(); ++id) tokens.emplace_back(vocabulary.token(id));
  return tokens;
}

TEST(StringIndex, NumbersDistinctStringsInOrder) {
  StringIndex index;
  Random random(1);
  std::vector<std::string> seen;
  for (int i = 0; i < 20000; ++i) {
    std::string text(random.below(12), 'a');
    for (char& c : text) c = static_cast<char>('a' + random.below(3));
    const auto known = std::find(seen.begin(), seen.end(), text);
    const auto expected = static_cast<int32_t>(known - seen.begin());
    EXPECT_EQ(index.find(text), known == seen.end() ? StringIndex::absent : expected);
    if (known == seen.end()) seen.push_back(text);
    EXPECT_EQ(index.add(text), expected);
    if (seen.size() > 2000) break;
  }
  ASSERT_EQ(index.size(), static_cast<int32_t>(seen.size()));
  for (int32_t i = 0; i < index.size(); ++i) EXPECT_EQ(index[i], seen[static_cast<size_t>(i)]);
}

TEST(StringIndex, KeepsStringsWithAnyBytes) {
  StringIndex index;
  const Strings all{"",         std::string(1, '\0'), std::string(2, '\0'),  std::string(8, '\0'), std::string(9, '\0'),
                    "abcdefgh", "abcdefghi",          std::string(1000, 'x')};
  for (const std::string& text : all) index.add(text);
  ASSERT_EQ(index.size(), static_cast<int32_t>(all.size()));
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(index.find(all[i]), static_cast<int32_t>(i));
}

// These go into saved models by way of the bigrams' buckets: they may never change.
TEST(HashBytes, IsTheSameForEver) {
  EXPECT_EQ(hash_bytes(""), 0xbe8cab644efdda51u);
  EXPECT_EQ(hash_bytes("a"), 0x55d954f40a8365bdu);
  EXPECT_EQ(hash_bytes("attention"), 0x8424b2a9688a7bb7u);
  EXPECT_EQ(hash_bytes("酒店"), 0x7faeb59765cb3222u);
}

TEST(Vocabulary, OrdersByCountThenByBytes) {
  const Vocabulary vocabulary = Vocabulary::build(count({"b", "c", "a", "c", "é", "B"}));
  EXPECT_EQ(tokens_of(vocabulary), (Strings{"<pad>", "<unk>", "c", "B", "a", "b", "é"}));
  EXPECT_EQ(vocabulary.id("c"), 2);
  EXPECT_EQ(vocabulary.id("é"), 6);
  EXPECT_EQ(vocabulary.id("x"), Vocabulary::unknown);
  EXPECT_EQ(vocabulary.id("<pad>"), Vocabulary::unknown) << "the reserved names are no tokens";
  EXPECT_TRUE(vocabulary.contains("a"));
  EXPECT_FALSE(vocabulary.contains("<unk>"));
}

TEST(Vocabulary, DoesNotDependOnTheOrderOfTexts) {
  Strings tokens;
  Random random(2);
  for (int i = 0; i < 5000; ++i) tokens.push_back(std::to_string(random.below(1 + random.below(300))));
  const Strings expected = tokens_of(Vocabulary::build(count(tokens), {.max_size = 100}));
  for (int round = 0; round < 5; ++round) {
    for (size_t i = tokens.size(); i > 1; --i) std::swap(tokens[i - 1], tokens[random.below(i)]);
    EXPECT_EQ(tokens_of(Vocabulary::build(count(tokens), {.max_size = 100})), expected);
  }
}

TEST(Vocabulary, KeepsToItsBounds) {
  const TokenCounts counts = count({"a", "a", "a", "b", "b", "c"});
  EXPECT_EQ(tokens_of(Vocabulary::build(counts, {.max_size = 4})), (Strings{"<pad>", "<unk>", "a", "b"}));
  EXPECT_EQ(tokens_of(Vocabulary::build(counts, {.max_size = 0, .min_count = 3})), (Strings{"<pad>", "<unk>", "a"}));
  EXPECT_EQ(Vocabulary::build(counts, {.max_size = 2}).size(), 2);
  EXPECT_EQ(Vocabulary::build(TokenCounts()).size(), 2);
  EXPECT_THAT(error_of<ValueError>([&] { Vocabulary::build(counts, {.max_size = 1}); }),
              ::testing::HasSubstr("max_size 1 has no room"));
}

TEST(TokenCounts, ForgetsWhatIsRarerThanThat) {
  TokenCounts counts = count({"a", "b", "a", "c", "b", "a"});
  counts.forget_below(2);
  ASSERT_EQ(counts.size(), 2);
  EXPECT_EQ(counts.token(0), "a");
  EXPECT_EQ(counts.count(0), 3);
  EXPECT_EQ(counts.count(1), 2);
}

TEST(Vocabulary, ThrowsForAnIdThatIsNotThere) {
  const Vocabulary vocabulary;
  EXPECT_THROW((void)vocabulary.token(-1), IndexError);
  EXPECT_THAT(error_of<IndexError>([&] { (void)vocabulary.token(2); }),
              ::testing::StartsWith("Vocabulary: no id 2; there are 2 (vocabulary_test.cpp:"));
}

TEST(Vocabulary, ComesBackFromItsFile) {
  TempFolder folder;
  const Strings odd{"a",     "",      " ",    "\n", "\r", "\r\n", "\\", "\\n", "\t", std::string(1, '\0'),
                    "<pad>", "<unk>", "酒店", "#",  "a\\"};
  const Vocabulary vocabulary = Vocabulary::build(count(odd));
  vocabulary.save(folder / "vocabulary.txt");
  const Vocabulary loaded = Vocabulary::load(folder / "vocabulary.txt");
  EXPECT_EQ(tokens_of(loaded), tokens_of(vocabulary));
  for (const std::string& token : odd) EXPECT_EQ(loaded.id(token), vocabulary.id(token));
  EXPECT_EQ(folder.names(), Strings{"vocabulary.txt"});
  loaded.save(folder / "again.txt");
  EXPECT_EQ(read_back(folder / "again.txt"), read_back(folder / "vocabulary.txt"));
}

TEST(Vocabulary, RefusesWhatItDidNotWrite) {
  TempFolder folder;
  const auto error = [&](std::string_view content) {
    return error_of([&] { Vocabulary::load(folder.write("v.txt", content)); });
  };
  EXPECT_EQ(error(""), "v.txt: the file is empty");
  EXPECT_EQ(error("a\nb\n"), "v.txt:1: not a vocabulary: expected <pad>");
  EXPECT_EQ(error("<pad>\nb\n"), "v.txt:2: not a vocabulary: expected <unk>");
  EXPECT_EQ(error("<pad>\n"), "v.txt: the vocabulary is cut off");
  EXPECT_EQ(error("<pad>\n<unk>\na\nb"), "v.txt:4: the vocabulary is cut off");
  EXPECT_EQ(error("<pad>\n<unk>\na\nb\na\n"), "v.txt:5: the token \"a\" stands there twice");
  EXPECT_EQ(error("<pad>\n<unk>\n\\x\n"), "v.txt:3: a backslash that escapes nothing");
  EXPECT_EQ(error("<pad>\n<unk>\n\\\n"), "v.txt:3: a backslash that escapes nothing");
  EXPECT_EQ(error("<pad>\n<unk>\n\xff\n"), "v.txt:3: not UTF-8: byte 0xff");
  EXPECT_EQ(error_of([&] { Vocabulary::load(folder / "none.txt"); }), "none.txt: no such file");
}

TEST(Labels, AreSorted) {
  EXPECT_EQ(Labels::sorted(Strings{"pos", "neg", "pos", "Neu"}).names(), (Strings{"Neu", "neg", "pos"}));
  EXPECT_EQ(Labels::sorted(Strings{"10", "9", "-1", "9", "0"}).names(), (Strings{"-1", "0", "9", "10"}));
  EXPECT_EQ(Labels::sorted(Strings{"10", "9", "x"}).names(), (Strings{"10", "9", "x"}));
  EXPECT_EQ(Labels::sorted(Strings{"1", "01"}).names(), (Strings{"01", "1"})) << "names, not values";
  EXPECT_EQ(Labels::sorted(Strings{}).size(), 0);
}

TEST(Labels, MapBothWays) {
  const Labels labels = Labels::in_order({"x", "a"});
  EXPECT_EQ(labels.find("a"), 1);
  EXPECT_EQ(labels.find("b"), std::nullopt);
  EXPECT_EQ(labels.name(0), "x");
  EXPECT_THROW((void)labels.name(2), IndexError);
  EXPECT_THROW(Labels::in_order({"a", "a"}), ValueError);
}

TEST(LabelIds, NameTheExampleWhoseLabelIsUnknown) {
  const Labels labels = Labels::in_order({"cat", "dog"});
  const std::vector<std::string> of{"dog", "cow"}, names{"1.png", "2.png"};
  EXPECT_THAT(label_ids(std::span(of).first(1), names, labels), ElementsAre(1));
  EXPECT_EQ(label_id("cat", names, 1, labels), 0);
  EXPECT_EQ(error_of([&] { label_ids(of, names, labels); }),
            "2.png: unknown label \"cow\"; the classes are \"cat\", \"dog\"");
}

}  // namespace
}  // namespace fovea::data

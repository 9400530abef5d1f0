#include "fovea/data/sentences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace fovea::data {
namespace {

using Ids = std::vector<int32_t>;

Ids lengths_of(std::string_view text, int64_t longest = 40, size_t most_tokens = 1000) {
  Tokens tokens;
  WordTokenizer().tokenize(text, tokens);
  return SentenceSplitter(longest).lengths(text, tokens, std::min(tokens.size(), most_tokens));
}

TEST(SentenceSplitter, CountsTheTokensOfEachSentence) {
  EXPECT_EQ(lengths_of("It is late. Are you tired? Yes!"), (Ids{4, 4, 2}));
  EXPECT_EQ(lengths_of("今天很好。我们走吧！"), (Ids{3, 4}));
  EXPECT_EQ(lengths_of("no stop at all"), (Ids{4}));
}

TEST(SentenceSplitter, KeepsToUnicodesRules) {
  EXPECT_EQ(lengths_of("About 3.5 of them. Good."), (Ids{5, 2}));
  EXPECT_EQ(lengths_of("a lower case letter e.g. here follows"), (Ids{8}));  // SB8
  EXPECT_EQ(lengths_of("One line\nanother"), (Ids{2, 1}));
  EXPECT_EQ(lengths_of("One paragraph\xe2\x80\xa9"
                       "another"),
            (Ids{2, 1}));
}

TEST(SentenceSplitter, CutsWhatRunsOn) {
  EXPECT_EQ(lengths_of("a b c d e f g", 3), (Ids{3, 3, 1}));
  EXPECT_EQ(lengths_of("a b c. D e f.", 4), (Ids{4, 4}));
  EXPECT_EQ(lengths_of("a b c. D e f.", 1), Ids(8, 1));
  EXPECT_THROW(SentenceSplitter(0), ValueError);
}

TEST(SentenceSplitter, CountsNoTokenThatIsNotRead) {
  EXPECT_EQ(lengths_of("It is late. Are you tired?", 40, 6), (Ids{4, 2}));
  EXPECT_EQ(lengths_of("It is late. Are you tired?", 40, 4), (Ids{4}));
}

TEST(SentenceSplitter, GivesAnEmptyTextItsStandIn) {
  EXPECT_EQ(lengths_of(""), (Ids{1}));
  EXPECT_EQ(lengths_of("  \n "), (Ids{1}));
}

TEST(SentenceSplitter, SpreadsAllTokensOfAnyText) {
  const std::string text =
      "  \n He said: \xe2\x80\x9cGo!\xe2\x80\x9d  And \xf0\x9f\x98\x80... went?!  \t Mr. X did. \n\n (So.) ";
  Tokens tokens;
  WordTokenizer().tokenize(text, tokens);
  for (const int64_t longest : {1, 2, 5, 40}) {
    const Ids lengths = SentenceSplitter(longest).lengths(text, tokens, tokens.size());
    EXPECT_EQ(std::accumulate(lengths.begin(), lengths.end(), 0), static_cast<int32_t>(tokens.size()));
    EXPECT_THAT(lengths, ::testing::Each(::testing::AllOf(::testing::Gt(0), ::testing::Le(longest))));
  }
}

}  // namespace
}  // namespace fovea::data

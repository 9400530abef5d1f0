#include "fovea/data/text_encoder.h"

#include <algorithm>
#include <map>

#include "data/temp_folder.h"
#include "fovea/data/safetensors.h"
#include "fovea/tensor/creation.h"

namespace fovea::data {
namespace {

using Ids = std::vector<int32_t>;

TextEncoder make_encoder(const std::vector<std::string>& texts, TextEncoderOptions options = {}) {
  auto tokenizer = std::make_shared<WordTokenizer>();
  Vocabulary vocabulary = Vocabulary::build(count_tokens(texts, *tokenizer));
  return TextEncoder(std::move(tokenizer), std::move(vocabulary), options);
}

TEST(TextEncoder, GivesTheIdsOfTokens) {
  const TextEncoder encoder = make_encoder({"b a b", "B c"});
  EXPECT_EQ(encoder.encode("a b c x"), (Ids{3, 2, 4, Vocabulary::unknown}));
  EXPECT_EQ(encoder.ids(), 5);
}

TEST(TextEncoder, ATextWithoutTokensIsOneUnknown) {
  const TextEncoder encoder = make_encoder({"a"}, {.bigram_buckets = 10});
  EXPECT_EQ(encoder.encode(""), Ids{Vocabulary::unknown});
  EXPECT_EQ(encoder.encode(" \n"), Ids{Vocabulary::unknown});
}

TEST(TextEncoder, CutsLongTexts) {
  const TextEncoder encoder = make_encoder({"a a a b b c"}, {.max_length = 2, .bigram_buckets = 7});
  EXPECT_EQ(encoder.encode("c b a"), encoder.encode("c b"));
  EXPECT_EQ(encoder.encode("c b a").size(), 3u) << "two tokens and their pair";
}

TEST(TextEncoder, BigramsFollowTheTokens) {
  const int64_t buckets = 1000;
  const TextEncoder encoder = make_encoder({"a b"}, {.bigram_buckets = buckets});
  const auto pair = [&](std::string_view first, std::string_view second) {
    return static_cast<int32_t>(4 + bigram_bucket(first, second, buckets));
  };
  EXPECT_EQ(encoder.encode("a b x y"), (Ids{2, 3, 1, 1, pair("a", "b"), pair("b", "x"), pair("x", "y")}));
  EXPECT_EQ(encoder.encode("a"), Ids{2});
  EXPECT_EQ(encoder.ids(), 4 + buckets);
}

TEST(TextEncoder, EncodesManyTextsAlike) {
  const std::vector<std::string> texts{"a b", "", "酒店 a", "b b b b"};
  const TextEncoder encoder = make_encoder(texts);
  const TokenIds all = encoder.encode(texts);
  ASSERT_EQ(all.size(), 4);
  for (int64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(Ids(all[i].begin(), all[i].end()), encoder.encode(texts[static_cast<size_t>(i)]));
  }
  EXPECT_EQ(all.lengths(), (std::vector<int64_t>{2, 1, 2, 4}));
}

TEST(TextEncoder, TokensCarryTheirSpans) {
  const TextEncoder encoder = make_encoder({"a b"});
  Tokens tokens;
  Ids ids;
  encoder.encode("A, 酒店", tokens, ids);
  ASSERT_EQ(tokens.size(), ids.size());
  EXPECT_EQ(tokens.span(0), (TextSpan{0, 1}));
  EXPECT_EQ(tokens.span(2), (TextSpan{3, 9}));
}

TEST(TokenIds, MappedOnesAreThoseThatWereSaved) {
  const testing::TempFolder folder;
  TokenIds ids;
  for (const Ids& sequence : {Ids{5, 6, 7}, Ids{}, Ids{8}}) ids.add(sequence);
  ids.save(folder / "ids");
  TokenIds mapped = TokenIds::map(folder / "ids");
  EXPECT_EQ(mapped.lengths(), (std::vector<int64_t>{3, 0, 1}));
  for (int64_t i = 0; i < 3; ++i) EXPECT_TRUE(std::ranges::equal(mapped[i], ids[i]));
  EXPECT_TRUE(std::ranges::equal(mapped.all(), Ids{5, 6, 7, 8}));
  const TokenIds copy = mapped;  // outlives the original
  mapped = {};
  EXPECT_EQ(copy[2][0], 8);
  EXPECT_THROW(TokenIds(copy).add(Ids{1}), ValueError);
  TokenIds().save(folder / "none");
  EXPECT_EQ(TokenIds::map(folder / "none").size(), 0);
}

TEST(TokenIds, AMappedFileIsLookedAtFirst) {
  const testing::TempFolder folder;
  const auto error = [&](const std::map<std::string, Tensor>& tensors) {
    save_safetensors(folder / "ids", tensors);
    return testing::error_of([&] { TokenIds::map(folder / "ids"); });
  };
  const Tensor ids = tensor({4, 5, 6}).to(i32);
  EXPECT_EQ(error({{"ids", ids}}), "ids: no tensor \"ends\"");
  EXPECT_EQ(error({{"ids", ids.to(f32)}, {"ends", ids}}), "ids: ids are not a list of i32");
  for (const Tensor& ends : {tensor({0, 2}), tensor({1, 3}), tensor({0, 2, 1, 3}), zeros({0})}) {
    EXPECT_EQ(error({{"ids", ids}, {"ends", ends.to(i32)}}), "ids: the ends of its sequences do not fit its ids");
  }
}

TEST(TextEncoder, RefusesBadOptions) {
  EXPECT_THROW(make_encoder({"a"}, {.max_length = -1}), ValueError);
  EXPECT_THROW(make_encoder({"a"}, {.bigram_buckets = -1}), ValueError);
  EXPECT_THROW(make_encoder({"a"}, {.bigram_buckets = INT32_MAX}), ValueError);
}

// Saved models hold a row per bucket: which one a pair falls into may never change.
TEST(BigramBucket, IsTheSameForEver) {
  EXPECT_EQ(bigram_bucket("new", "york", 1000000), 195662);
  EXPECT_EQ(bigram_bucket("york", "new", 1000000), 537810);
  EXPECT_EQ(bigram_bucket("a", "a", 1000000), 221839);
}

TEST(BigramBucket, SpreadsPairsEvenly) {
  constexpr int64_t buckets = 512, words = 256;
  std::vector<int64_t> filled(buckets, 0);
  for (int64_t a = 0; a < words; ++a) {
    for (int64_t b = 0; b < words; ++b) {
      ++filled[static_cast<size_t>(bigram_bucket(std::to_string(a), std::to_string(b), buckets))];
    }
  }
  // 128 a bucket, with a standard deviation of 11 if they fall at random.
  EXPECT_GT(*std::min_element(filled.begin(), filled.end()), 70);
  EXPECT_LT(*std::max_element(filled.begin(), filled.end()), 190);
}

}  // namespace
}  // namespace fovea::data

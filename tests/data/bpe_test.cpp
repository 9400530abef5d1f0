#include "fovea/data/bpe.h"

#include "data/temp_folder.h"
#include "fovea/data/utf8.h"

namespace fovea::data {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::StartsWith;
using testing::TempFolder;
using Strings = std::vector<std::string>;

Strings words_of(std::string_view text, const BpeWordOptions& options) {
  BpeWords words;
  split_for_bpe(text, {0, text.size()}, options, words);
  Strings out;
  for (size_t i = 0; i < words.size(); ++i) {
    std::string word;
    for (size_t k = words.begin_of(i); k < words.ends[i]; ++k) append_utf8(words.characters[k], word);
    out.push_back(word);
  }
  return out;
}

TEST(BpeWords, OfByteLevelAreThoseOfGpt2) {
  const BpeWordOptions plain;
  EXPECT_THAT(words_of("I'll see 12 of 'em, OK?!", plain),
              ElementsAre("I", "'ll", "Ġsee", "Ġ12", "Ġof", "Ġ'", "em", ",", "ĠOK", "?!"));
  EXPECT_THAT(words_of("a  b \n\nc ", plain), ElementsAre("a", "Ġ", "Ġb", "ĠĊ", "Ċ", "c", "Ġ"));
  EXPECT_THAT(words_of("é中", plain), ElementsAre("Ã©ä¸Ń"));
  EXPECT_THAT(words_of("Two words", {.lower_case = true, .add_prefix_space = true}), ElementsAre("Ġtwo", "Ġwords"));
  EXPECT_THAT(words_of("two words", {.use_regex = false}), ElementsAre("twoĠwords"));
  EXPECT_TRUE(words_of("", {.add_prefix_space = true}).empty());
}

TEST(BpeWords, OfWhitespaceAreRuns) {
  const BpeWordOptions runs{.split = BpeSplit::whitespace};
  EXPECT_THAT(words_of("It's snake_case_1 -- 3.5, 中文。", runs),
              ElementsAre("It", "'", "s", "snake_case_1", "--", "3", ".", "5", ",", "中文", "。"));
  EXPECT_TRUE(words_of(" \t\u3000", runs).empty());
}

TEST(BpeWords, EveryByteHasACharacter) {
  for (int byte = 0; byte < 256; ++byte) {
    EXPECT_EQ(byte_of_character(character_of_byte(static_cast<uint8_t>(byte))), byte);
  }
  EXPECT_EQ(character_of_byte(' '), U'Ġ');
  EXPECT_EQ(byte_of_character(U'中'), -1);
  EXPECT_EQ(byte_of_character(U' '), -1);
}

TEST(Bpe, JoinsInTheOrderOfLearning) {
  const Strings tokens{"a", "b", "c", "bc", "ab", "abc"};
  const BpeOptions options{.words = {.split = BpeSplit::whitespace}};
  const BpeTokenizer tokenizer(tokens, {{1, 2}, {0, 1}, {0, 3}}, {}, options);
  EXPECT_THAT(tokenizer.encode("abc ab abab cabc"), ElementsAre(5, 4, 4, 4, 2, 5));
  EXPECT_THAT(tokenizer.encode("abxc"), ElementsAre(5));  // what is not known is left out before pairs are joined
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{5, 4}), "abc ab");
}

TEST(Bpe, JoinsTheLeftmostOfEqualPairs) {
  const BpeTokenizer tokenizer({"a", "aa"}, {{0, 0}}, {});
  EXPECT_THAT(tokenizer.encode("aaaaa"), ElementsAre(1, 1, 0));
}

TEST(Bpe, MayTakeAWholeWordWithoutMerges) {
  const Strings tokens{"a", "b", "ab", "aba"};
  const BpeTokenizer joins(tokens, {{0, 1}}, {}), looks_up(tokens, {{0, 1}}, {}, {.ignore_merges = true});
  EXPECT_THAT(joins.encode("aba"), ElementsAre(2, 0));
  EXPECT_THAT(looks_up.encode("aba"), ElementsAre(3));
  EXPECT_THAT(looks_up.encode("abb"), ElementsAre(2, 1));
}

TEST(Bpe, WhatIsUnknownIsOneTokenOrOneForEachCharacter) {
  const BpeWordOptions runs{.split = BpeSplit::whitespace};
  const Strings tokens{"a", "?"};
  const BpeTokenizer each(tokens, {}, {}, {.words = runs, .unknown = "?"}),
      fused(tokens, {}, {}, {.words = runs, .unknown = "?", .fuse_unknown = true});
  EXPECT_THAT(each.encode("axyaz"), ElementsAre(0, 1, 1, 0, 1));
  EXPECT_THAT(fused.encode("axyaz"), ElementsAre(0, 1, 0, 1));
}

TEST(Bpe, LearnsTheMostFrequentPairsAndOfEqualOnesTheFirst) {
  const auto learned = [](int64_t min_count) {
    const Strings texts{"ab ab ab", "cd cd", "bc bc", "da"};
    const BpeTokenizer tokenizer = BpeTokenizer::train(
        texts, {.words = {.split = BpeSplit::whitespace}, .vocabulary = 100, .min_count = min_count});
    Strings tokens;
    for (int32_t id = 4; id < tokenizer.size(); ++id) tokens.push_back(tokenizer.token(id));
    return tokens;
  };
  EXPECT_THAT(learned(0), ElementsAre("ab", "bc", "cd", "da"));
  EXPECT_THAT(learned(2), ElementsAre("ab", "bc", "cd"));
  EXPECT_THAT(learned(3), ElementsAre("ab"));
}

TEST(Bpe, TellsWhereTokensStand) {
  const Strings texts{"low lower lowest", "new newer newest"};
  const BpeTokenizer tokenizer = BpeTokenizer::train(texts, {.words = {.lower_case = true}, .vocabulary = 30});
  Tokens tokens;
  const std::string text = "Lower,  newest é lowest";
  tokenizer.tokenize(text, tokens);
  size_t end = 0;
  std::string joined;
  for (size_t i = 0; i < tokens.size(); ++i) {
    EXPECT_GE(tokens.span(i).begin, end);
    end = tokens.span(i).end;
    std::string token(tokens[i]), part(tokens.span(i).in(text));
    if (part == " ") continue;
    if (token.starts_with("Ġ")) token.erase(0, 2);
    if (part[0] == 'L') part[0] = 'l';
    EXPECT_EQ(token, part);
    joined += part;
  }
  EXPECT_EQ(joined, "lowernewestlowest");
}

TEST(Bpe, FindsAddedTokensFirst) {
  const BpeTokenizer tokenizer({"a", "b", "ab"}, {{0, 1}}, {{"<x>", 3, true}, {"<x>y", 4, false}},
                               {.words = {.split = BpeSplit::whitespace}});
  EXPECT_THAT(tokenizer.encode("ab<x>a<x>yb <x"), ElementsAre(2, 3, 0, 4, 1));
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("ab<x>a<x>y")), "ab a <x>y");
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("ab<x>a"), false), "ab <x> a");
}

TEST(Bpe, FindsNormalizedTokensInWhatOthersLeave) {
  const BpeTokenizer tokenizer({"a", "b", "c", "d"}, {}, {{"abc", 4, false, true}, {"bcd", 5, true, false}});
  EXPECT_THAT(tokenizer.encode("abcd abca"), ElementsAre(0, 5, 4, 0));
  EXPECT_THROW(BpeTokenizer({"a"}, {}, {{"b", 1, true, true}}, {.words = {.lower_case = true}}), ValueError);
}

TEST(Bpe, OfAPairThatIsThereTwiceTheLastPlaceCounts) {
  const BpeTokenizer tokenizer({"a", "b", "c", "ab", "bc"}, {{0, 1}, {1, 2}, {0, 1}}, {});
  EXPECT_THAT(tokenizer.encode("abc"), ElementsAre(0, 4));
}

TEST(Bpe, ATokenThatIsNotAllBytesIsItsOwnText) {
  const BpeTokenizer tokenizer({"a", "日Ġ", "", "Ġb"}, {}, {{"Ġx", 4, false}, {"<日Ġ>", 5, false}});
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{4, 0, 1, 2, 3, 5}), " xa日Ġ b<日Ġ>");
}

TEST(Bpe, NamesMisuse) {
  EXPECT_THROW(BpeTokenizer({"a", "b"}, {{0, 1}}, {}), ValueError);
  EXPECT_THROW(BpeTokenizer({"a", "a"}, {}, {}), ValueError);
  EXPECT_THROW(BpeTokenizer({"a"}, {}, {{"b", 0, true}}), ValueError);
  EXPECT_THROW(BpeTokenizer({"a"}, {}, {}, {.unknown = "<unk>"}), ValueError);
  EXPECT_THROW(BpeTokenizer::train({}, {.vocabulary = 0}), ValueError);
  EXPECT_THROW((void)BpeTokenizer({"a"}, {}, {}).decode(std::vector<int32_t>{1}), IndexError);
}

TEST(Bpe, RefusesFilesThatAreNoTokenizers) {
  const TempFolder folder;
  const auto error = [&](std::string_view content) {
    const std::string path = folder.write("t.json", content);
    return error_of([&] { BpeTokenizer::load(path); });
  };
  const auto model = [&](const std::string& members, const std::string& more = "") {
    return error(R"({"pre_tokenizer":{"type":"Whitespace"},)" + more + R"("model":{"type":"BPE",)" + members + "}}");
  };
  EXPECT_EQ(model(R"("vocab":{"a":0,"b":1,"ab":2},"merges":["a b"])"), "");
  EXPECT_EQ(model(R"("vocab":{"a":0,"b":1,"ab":2},"merges":[["a","b"]])"), "");
  EXPECT_EQ(error(""), "t.json:1: not valid JSON");
  EXPECT_EQ(error("{"), "t.json:1: not valid JSON");
  EXPECT_EQ(error("[1e999]"), "t.json: it holds a number that is too large");
  EXPECT_EQ(error("\"\xff\""), "t.json: byte 2 is not UTF-8");
  EXPECT_EQ(error("[]"), "t.json: not a tokenizer: it has no model");
  EXPECT_EQ(error("{}"), "t.json: not a tokenizer: it has no model");
  EXPECT_EQ(error(R"({"model":{"type":"Unigram"}})"), "t.json: a tokenizer of the kind \"Unigram\"; BPE is supported");
  EXPECT_EQ(error(R"({"model":{"type":3}})"), "t.json: type is not a string");
  EXPECT_EQ(error(R"({"model":{"type":"BPE"}})"),
            "t.json: the pre_tokenizer \"\" is not supported; ByteLevel and Whitespace are");
  EXPECT_EQ(error(R"({"pre_tokenizer":{"type":"Metaspace"},"model":{"type":"BPE"}})"),
            "t.json: the pre_tokenizer \"Metaspace\" is not supported; ByteLevel and Whitespace are");
  EXPECT_EQ(error(R"({"pre_tokenizer":{"type":"ByteLevel","use_regex":1},"model":{"type":"BPE"}})"),
            "t.json: use_regex is neither true nor false");
  EXPECT_EQ(model(R"("vocab":{},"merges":[])", R"("normalizer":{"type":"NFKC"},)"),
            "t.json: the normalizer \"NFKC\" is not supported; Lowercase is");
  EXPECT_EQ(model(R"("end_of_word_suffix":"</w>")"), "t.json: end_of_word_suffix \"</w>\" is not supported");
  EXPECT_EQ(model(R"("merges":[])"), "t.json: model has no vocab");
  EXPECT_EQ(model(R"("vocab":{"a":0})"), "t.json: model has no merges");
  EXPECT_EQ(model(R"("vocab":{"a":-1},"merges":[])"), "t.json: the id of \"a\" is not from 0 to 65535");
  EXPECT_EQ(model(R"("vocab":{"a":1e99},"merges":[])"), "t.json: the id of \"a\" is not a whole number");
  EXPECT_EQ(model(R"("vocab":{"a":99999999999},"merges":[])"), "t.json: the id of \"a\" is not from 0 to 65535");
  EXPECT_EQ(model(R"("vocab":{"a":16777215},"merges":[])"), "t.json: the id of \"a\" is not from 0 to 65535");
  EXPECT_EQ(model(R"("vocab":{"a":0},"merges":[])", R"("added_tokens":[{"id":65536,"content":"b"}],)"),
            "t.json: the id of \"b\" is not from 0 to 65535");
  EXPECT_EQ(model(R"("vocab":{"a":0},"merges":[],"continuing_subword_prefix":)" + std::string(1000000, '[')),
            "t.json:1: nested more than 100 levels deep");
  EXPECT_EQ(model(R"("vocab":{"a":0,"b":0},"merges":[])"), "t.json: \"a\" and \"b\" have one id, 0");
  EXPECT_EQ(model(R"("vocab":{"":0},"merges":[])"), "t.json: a token is empty");
  EXPECT_EQ(model(R"("vocab":{"a":0},"merges":["a a"])"), "t.json: merge 0: \"aa\" is no token");
  EXPECT_EQ(model(R"("vocab":{"a":0},"merges":["a"])"), "t.json: merge 0: \"a\" is not two tokens");
  EXPECT_EQ(model(R"("vocab":{"a":0},"merges":[["a"]])"), "t.json: merge 0 is not two tokens");
  EXPECT_EQ(model(R"("vocab":{"a":0},"merges":[],"unk_token":"u")"), "t.json: \"u\" for what is unknown is no token");
  EXPECT_EQ(model(R"("vocab":{"a":0},"merges":[])", R"("added_tokens":[{"id":0,"content":"b"}],)"),
            "t.json: \"a\" and \"b\" have one id, 0");
  EXPECT_EQ(model(R"("vocab":{"a":0},"merges":[])", R"("added_tokens":[{"id":1,"content":"b","lstrip":true}],)"),
            "t.json: lstrip true is not supported");
  EXPECT_EQ(model(R"("vocab":{"a":0},"merges":[])", R"("added_tokens":[{"id":1}],)"),
            "t.json: an added token has no content");
  EXPECT_THAT(error_of([&] { BpeTokenizer::load(folder / "none.json"); }), StartsWith("none.json: "));
}

TEST(Bpe, RefusesFilesThatAskForOtherIds) {
  const TempFolder folder;
  const auto error = [&](const std::string& members, const std::string& of_model = "") {
    const std::string path = folder.write("t.json", R"({"pre_tokenizer":{"type":"ByteLevel"},)" + members +
                                                        R"("model":{"vocab":{"a":0},"merges":[])" + of_model + "}}");
    return error_of([&] { BpeTokenizer::load(path); });
  };
  const std::string spans = R"({"type":"ByteLevel","trim_offsets":true})";
  const std::string whole = R"({"type":"TemplateProcessing","single":[{"Sequence":{"id":"A","type_id":0}}]})";
  EXPECT_EQ(error(R"("post_processor":null,"truncation":null,"padding":null,)", R"(,"dropout":0.0)"), "");
  EXPECT_EQ(error(R"("post_processor":)" + spans + ","), "");
  EXPECT_EQ(error(R"("post_processor":{"type":"Sequence","processors":[)" + spans + "," + whole + "]},"), "");
  EXPECT_EQ(error(R"("post_processor":{"type":"RobertaProcessing","cls":["a",0],"sep":["a",0]},)"),
            "t.json: the post_processor \"RobertaProcessing\" is not supported: it adds tokens");
  EXPECT_EQ(error(R"("post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"a"}},)"
                  R"({"Sequence":{"id":"A"}}]},)"),
            "t.json: the post_processor \"TemplateProcessing\" is not supported: it adds tokens");
  EXPECT_EQ(error(R"("post_processor":{"type":"Sequence","processors":[)" + spans + R"(,{"type":"BertProcessing"}]},)"),
            "t.json: the post_processor \"Sequence\" is not supported: it adds tokens");
  EXPECT_EQ(error(R"("truncation":{"max_length":2},)"), "t.json: truncation {\"max_length\":2} is not supported");
  EXPECT_EQ(error(R"("padding":{"pad_id":2},)"), "t.json: padding {\"pad_id\":2} is not supported");
  EXPECT_EQ(error("", R"(,"dropout":0.1)"), "t.json: dropout 0.1 is not supported");
}

TEST(Utf8, ReplacesWhatIsNotWellFormed) {
  EXPECT_EQ(replace_invalid_utf8("plain é"), "plain é");
  EXPECT_EQ(replace_invalid_utf8("a\xff\xfe"
                                 "b"),
            "a\ufffd\ufffdb");
  EXPECT_EQ(replace_invalid_utf8("\xe4\xb8"), "\ufffd");  // a beginning, cut
  EXPECT_EQ(replace_invalid_utf8("\xe4\xb8\xe4\xb8\xad"), "\ufffd中");
  EXPECT_EQ(replace_invalid_utf8("\xf0\x9f\x9a"
                                 "x"),
            "\ufffdx");
  EXPECT_EQ(replace_invalid_utf8("\xed\xa0\x80"), "\ufffd\ufffd\ufffd");  // a surrogate
  EXPECT_EQ(replace_invalid_utf8("\xc3(\x80"), "\ufffd(\ufffd");
}

}  // namespace
}  // namespace fovea::data

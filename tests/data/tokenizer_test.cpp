#include "fovea/data/tokenizer.h"

#include <thread>

#include "data/temp_folder.h"
#include "fovea/data/unicode.h"
#include "fovea/data/utf8.h"

namespace fovea::data {
namespace {

using testing::Random;
using Strings = std::vector<std::string>;

/// What ICU says about the whole text, in the words of WordTokenizer's options; an independent way to the same tokens.
struct Reference {
  Strings tokens;
  std::vector<TextSpan> spans;

  Reference(std::string_view text, bool punctuation) {
    const UnicodeBreaker breaker(UnicodeBreaker::Kind::word);
    const LowerCase lower;
    std::vector<Segment> segments;
    breaker.split(text, segments);
    for (const Segment& segment : segments) {
      size_t first = segment.span.begin;
      if (!segment.word && (!punctuation || is_blank(decode_utf8(text, first)))) continue;
      Tokens token;
      lower.add(segment.span.in(text), segment.span, token);
      tokens.emplace_back(token[0]);
      spans.push_back(segment.span);
    }
  }
};

void expect_as_icu(const std::string& text) {
  static const WordTokenizer with, without({.lower_case = true, .punctuation = false});
  for (const bool punctuation : {true, false}) {
    const Reference expected(text, punctuation);
    Tokens tokens;
    (punctuation ? with : without).tokenize(text, tokens);
    Strings got;
    std::vector<TextSpan> spans;
    for (size_t i = 0; i < tokens.size(); ++i) {
      got.emplace_back(tokens[i]);
      spans.push_back(tokens.span(i));
    }
    ASSERT_EQ(got, expected.tokens) << ::testing::PrintToString(text);
    ASSERT_EQ(spans, expected.spans) << ::testing::PrintToString(text);
  }
}

TEST(WordTokenizer, SplitsEnglish) {
  const WordTokenizer words;
  EXPECT_EQ(words("Don't stop: it's 3.14, or 1,000!"),
            (Strings{"don't", "stop", ":", "it's", "3.14", ",", "or", "1,000", "!"}));
  EXPECT_EQ(words("what ?"), (Strings{"what", "?"}));
  EXPECT_EQ(words("a_b x.y e.g. U.S. 'quoted' \"so\""),
            (Strings{"a_b", "x.y", "e.g", ".", "u.s", ".", "'", "quoted", "'", "\"", "so", "\""}));
  EXPECT_EQ(words(""), Strings{});
  EXPECT_EQ(words(" \t\r\n\v\f\x01\x7f"), Strings{});
}

TEST(WordTokenizer, SplitsOtherLanguages) {
  const WordTokenizer words;
  EXPECT_EQ(words("Éléonore n’a PAS vu ÇA."), (Strings{"éléonore", "n’a", "pas", "vu", "ça", "."}));
  EXPECT_EQ(words("Привет, МИР"), (Strings{"привет", ",", "мир"}));
  EXPECT_EQ(words("ΟΔΟΣ"), Strings{"οδος"}) << "sigma at the end of a word";
  EXPECT_EQ(words("ISTANBUL"), Strings{"istanbul"}) << "not Turkish, whatever the locale";
  EXPECT_EQ(words("これは日本語です"), (Strings{"これ", "は", "日本語", "です"}));
  EXPECT_EQ(words("สวัสดีครับ"), (Strings{"สวัสดี", "ครับ"}));
  EXPECT_EQ(words("😀👍🏽 ok"), (Strings{"😀", "👍🏽", "ok"}));
  EXPECT_EQ(words("a\u3000b\u00a0c\u200bd"), (Strings{"a", "b", "c", "d"}));
}

TEST(WordTokenizer, SplitsChineseByItsDictionary) {
  const WordTokenizer words;
  EXPECT_EQ(words("该酒店的环境真的很不错，服务也好！"),
            (Strings{"该", "酒店", "的", "环境", "真的", "很", "不错", "，", "服务", "也好", "！"}));
  EXPECT_EQ(words("WiFi很慢,房间不大"), (Strings{"wifi", "很慢", ",", "房间", "不大"}));
}

TEST(WordTokenizer, OptionsLeaveOutPunctuationAndKeepCase) {
  EXPECT_EQ(WordTokenizer({.lower_case = false})("Ab, ÉÑ!"), (Strings{"Ab", ",", "ÉÑ", "!"}));
  EXPECT_EQ(WordTokenizer({.lower_case = true, .punctuation = false})("Ab, _ ÉÑ! 酒店。 😀 1.5"),
            (Strings{"ab", "éñ", "酒店", "1.5"}));
}

TEST(WordTokenizer, SpansAreTheTokensInTheText) {
  const std::string text = "Das STRASSENSCHILD zeigt İzmir, 5 km\xc2\xa0— 酒店很好 ";
  const WordTokenizer words({.lower_case = false});
  Tokens tokens;
  words.tokenize(text, tokens);
  size_t last = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    EXPECT_EQ(tokens[i], tokens.span(i).in(text));
    EXPECT_GE(tokens.span(i).begin, last);
    last = tokens.span(i).end;
  }
  WordTokenizer().tokenize(text, tokens);
  ASSERT_EQ(tokens[3], "i̇zmir") << "one byte longer than it was";
  EXPECT_EQ(tokens.span(3).in(text), "İzmir");
  EXPECT_EQ(tokens.span(4).in(text), ",");
}

TEST(WordTokenizer, IsIcuOnEveryShortAsciiText) {
  // All texts of three characters, between two letters and alone: every rule that looks at two neighbours.
  const std::string characters = "aZ19_.,;:'\"!$@ \n\t-";
  for (const char a : characters) {
    for (const char b : characters) {
      for (const char c : characters) {
        expect_as_icu({a, b, c});
        expect_as_icu({'x', a, b, c, '5'});
      }
    }
  }
}

TEST(WordTokenizer, IsIcuOnRandomAsciiText) {
  Random random(3);
  for (int round = 0; round < 2000; ++round) {
    std::string text(random.below(120), ' ');
    for (char& c : text)
      c = static_cast<char>(random.below(3) ? "aB1_.,;:'\" \n"[random.below(12)] : 1 + random.below(127));
    expect_as_icu(text);
  }
}

TEST(WordTokenizer, IsIcuOnMixedText) {
  const Strings pieces{"a",      "B",      "1",      "_",      ".",      ",",      ":",      "'",        "\"", " ",
                       "  ",     "\n",     "\r\n",   "\x01",   "@",      "\t",     "é",      "É",        "я",  "Ж",
                       "酒",     "店",     "酒店",   "。",     "か",     "カ",     "ส",      "วั",        "ס",  "״",
                       "\u0301", "\u200d", "\u3000", "\u00a0", "\u2019", "\u200b", "😀",      "👍🏽", "🇩",  "🇪",
                       "\u00ad", "\ufeff", "\u2028", "İ",      "Σ",      "ß",      "\u0e31", "한",       "국"};
  Random random(4);
  for (int round = 0; round < 4000; ++round) {
    std::string text;
    for (size_t i = random.below(25); i > 0; --i) text += random.pick(pieces);
    expect_as_icu(text);
  }
}

TEST(WordTokenizer, ServesSeveralThreads) {
  const WordTokenizer words;
  const std::string text = "该酒店的环境真的很不错，Éléonore n’a PAS vu ÇA. and so on";
  const Strings expected = words(text);
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) count += words(text) != expected;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

TEST(CharTokenizer, SplitsIntoWhatAReaderSees) {
  const CharTokenizer characters;
  EXPECT_EQ(characters("O'Neàl "), (Strings{"O", "'", "N", "e", "à", "l", " "}));
  EXPECT_EQ(characters("酒店，ア"), (Strings{"酒", "店", "，", "ア"}));
  EXPECT_EQ(characters("e\u0301x"), (Strings{"e\u0301", "x"}));
  EXPECT_EQ(characters("👨‍👩‍👧🇩🇪a"), (Strings{"👨‍👩‍👧", "🇩🇪", "a"}));
  EXPECT_EQ(characters("\r\n\n"), (Strings{"\r\n", "\n"}));
  EXPECT_EQ(characters(""), Strings{});
  EXPECT_EQ(CharTokenizer({.lower_case = true})("AÉ酒"), (Strings{"a", "é", "酒"}));
}

TEST(CharTokenizer, IsIcuOnRandomText) {
  const UnicodeBreaker breaker(UnicodeBreaker::Kind::character);
  const CharTokenizer characters;
  Random random(5);
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (size_t i = random.below(12); i > 0; --i) {
      // Mostly from the blocks that the tokenizer splits without ICU, from their ends and from beyond them.
      const uint32_t block =
          random.pick(std::vector<uint32_t>{0, 0x80, 0x2f0, 0x3000, 0x3040, 0x30a0, 0x4e00, 0x9ff0, 0xff00, 0xff90});
      const uint32_t c = random.below(8) ? block + static_cast<uint32_t>(random.below(0x40))
                                         : static_cast<uint32_t>(random.below(0xd800));
      if (c < 0x80) {
        text += static_cast<char>(c);
      } else if (c < 0x800) {
        text += {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 0x3f))};
      } else {
        text += {static_cast<char>(0xe0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3f)),
                 static_cast<char>(0x80 | (c & 0x3f))};
      }
    }
    std::vector<Segment> segments;
    breaker.split(text, segments);
    Strings expected;
    for (const Segment& segment : segments) expected.emplace_back(segment.span.in(text));
    ASSERT_EQ(characters(text), expected) << ::testing::PrintToString(text);
  }
}

TEST(MakeTokenizer, KnowsTheNames) {
  EXPECT_EQ(make_tokenizer("word")->name(), "word");
  EXPECT_EQ(make_tokenizer("char")->name(), "char");
  EXPECT_THROW(make_tokenizer("letters"), ValueError);
}

}  // namespace
}  // namespace fovea::data

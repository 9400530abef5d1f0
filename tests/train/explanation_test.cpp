#include "fovea/train/explanation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <nlohmann/json.hpp>

#include "fovea/data/image_file.h"
#include "fovea/train/base64.h"
#include "fovea/train/picture.h"

namespace fovea::train {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Pieces, AreColouredRelativeToTheGreatest) {
  const std::array<Piece, 3> pieces{{{"a", 0.5}, {" "}, {"b", 0.25}}};
  EXPECT_EQ(pieces_html(pieces),
            "<div class=\"pieces\"><mark style=\"--w:1.000\" title=\"0.500\">a</mark> "
            "<mark style=\"--w:0.500\" title=\"0.250\">b</mark></div>");
}

TEST(Pieces, AreExplainedInEveryForm) {
  const std::array<Piece, 3> pieces{{{"a", 0.75}, {"\n"}, {"b", 0.25}}};
  const Explanation explanation = explain_pieces(pieces);
  EXPECT_EQ(explanation.html, pieces_html(pieces));
  EXPECT_EQ(explanation.text, "a[0.75] b[0.25]");
  EXPECT_THAT(explanation.coloured, HasSubstr("48;2;255;140;20ma"));
  EXPECT_EQ(explanation.json, R"({"tokens":[{"token":"a","weight":0.75},{"token":"b","weight":0.25}]})");
}

TEST(Pieces, AreNoMarkupAndAreNotMarkedBelowNothing) {
  const std::array<Piece, 3> pieces{{{"<a>", 0.5}, {"<b>"}, {"c", -0.25}}};
  EXPECT_EQ(pieces_html(pieces),
            "<div class=\"pieces\"><mark style=\"--w:1.000\" title=\"0.500\">&lt;a&gt;</mark>&lt;b&gt;"
            "<mark style=\"--w:0.000\" title=\"-0.250\">c</mark></div>");
  EXPECT_EQ(pieces_text(pieces, false), "<a>[0.50]<b>c");
}

TEST(UnreadText, IsCutBetweenCharacters) {
  EXPECT_EQ(unread_text("read, and more", 4), ", and more");
  std::string text(1000, 'x');
  for (int i = 0; i < 500; ++i) text += "\u00e9";
  const std::string shown = unread_text(text, 1);
  EXPECT_LT(shown.size(), 500u);
  EXPECT_TRUE(shown.ends_with("x..."));
  EXPECT_TRUE(unread_text(text, 1001).ends_with("\u00e9..."));
}

TEST(PieceGroups, AreExplainedInEveryForm) {
  const std::array<Piece, 4> pieces{{{"a", 0.6}, {" "}, {"b", 0.15}, {"c", 0.25}}};
  const std::array<PieceGroup, 2> groups{{{std::span(pieces).first(3), 0.75}, {std::span(pieces).last(1), 0.25}}};
  const Explanation explanation = explain_groups(groups);
  EXPECT_EQ(explanation.text, "0.75: a[0.80] b[0.20] 0.25: c[1.00]");
  EXPECT_THAT(explanation.coloured, HasSubstr("48;2;255;140;20m0.75\x1b[0m \x1b[38;2;0;0;0;48;2;255;140;20ma"));
  EXPECT_THAT(
      explanation.html,
      HasSubstr(
          "<div class=\"group\" style=\"--w:1.000\" title=\"0.750\"><mark style=\"--w:1.000\" title=\"0.800\">a"));
  EXPECT_THAT(
      explanation.html,
      HasSubstr(
          "<div class=\"group\" style=\"--w:0.333\" title=\"0.250\"><mark style=\"--w:1.000\" title=\"1.000\">c"));
  const auto json = nlohmann::json::parse(explanation.json);
  EXPECT_EQ(json["tokens"].size(), 3u);
  EXPECT_DOUBLE_EQ(json["tokens"][1]["weight"], 0.15);
  EXPECT_EQ(json["sentences"].size(), 2u);
  EXPECT_DOUBLE_EQ(json["sentences"][0]["weight"], 0.75);
  EXPECT_EQ(json["sentences"][0]["tokens"][1]["token"], "b");
  EXPECT_DOUBLE_EQ(json["sentences"][0]["tokens"][1]["weight"], 0.2);
}

TEST(PieceGroups, WithoutWeightStandUncoloured) {
  const std::array<Piece, 1> pieces{{{"a", 0.0}}};
  const std::array<PieceGroup, 1> groups{{{pieces, 0.0}}};
  EXPECT_EQ(explain_groups(groups).text, "0.00: a");
  EXPECT_THAT(explain_groups(groups).json, HasSubstr(R"({"token":"a","weight":0.0})"));
  EXPECT_THAT(explain_groups(groups).json, Not(HasSubstr("null"))) << "a share of nothing is 0";
  const std::array<PieceGroup, 2> unlike{{{pieces, 0.5}, {pieces, -0.5}}};
  EXPECT_THAT(explain_groups(unlike).html, HasSubstr("<div class=\"group\" style=\"--w:0.000\" title=\"-0.500\">"));
}

TEST(Base64, IsTheStandards) {
  const std::pair<const char*, const char*> known[] = {{"", ""},
                                                       {"f", "Zg=="},
                                                       {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},
                                                       {"foob", "Zm9vYg=="},
                                                       {"\xff\xfe", "//4="},
                                                       {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : known) {
    EXPECT_EQ(base64(bytes), text);
    EXPECT_EQ(from_base64(text), bytes);
  }
  EXPECT_EQ(from_base64("Zm8"), "fo") << "padding may be left out";
  for (const char* wrong : {"Z", "Zg=", "Zg===", "Zm9v!", "Zm9v\n", "====", "Zm=v"}) {
    EXPECT_EQ(from_base64(wrong), std::nullopt) << wrong;
  }
}

const data::Image picture{1, 4, 4, std::vector<uint8_t>(16, 100)};
const AttentionGrid grid{2, 2, {0.7, 0.1, 0.2, 0}};

TEST(Picture, IsRedWhereTheAttentionIs) {
  const data::Image heat = heat_picture(picture, grid);
  EXPECT_EQ(heat.channels, 3);
  EXPECT_EQ(heat.height, 4);
  const auto redness = [&](size_t place) { return heat.pixels[place] - heat.pixels[32 + place]; };
  EXPECT_GT(redness(0), 100);
  EXPECT_GT(redness(0), redness(12));
  EXPECT_GT(redness(12), redness(15));
  EXPECT_EQ(redness(15), 0);
}

TEST(Picture, IsExplainedInEveryForm) {
  const Explanation explanation = explain_picture(picture, grid);
  EXPECT_EQ(explanation.text, "91\n2.");
  EXPECT_EQ(explanation.json, R"({"attention":[[0.7,0.1],[0.2,0.0]]})");
  EXPECT_THAT(explanation.html, HasSubstr("<div class=\"pictures\"><img alt=\"the picture\" width=\"4\" height=\"4\" "
                                          "src=\"data:image/png;base64,iVBORw0KGgo"));
  EXPECT_EQ(std::count(explanation.coloured.begin(), explanation.coloured.end(), '\n'), 1);
}

TEST(Picture, ThatIsWideIsScaledForATerminal) {
  const data::Image wide{1, 10, 760, std::vector<uint8_t>(7600, 50)};
  const std::string text = picture_text(wide);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 0);
  size_t blocks = 0;
  for (size_t at = text.find("▀"); at != std::string::npos; at = text.find("▀", at + 1)) ++blocks;
  EXPECT_EQ(blocks, 76u);
  const data::Image dot{1, 1, 1, {50}};
  EXPECT_THAT(picture_text(dot), HasSubstr("▀"));
}

TEST(Picture, WithoutAnyAttentionIsPlain) { EXPECT_EQ(explain_picture(picture, {1, 2, {0, 0}}).text, ".."); }

}  // namespace
}  // namespace fovea::train

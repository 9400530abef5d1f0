#include "fovea/data/parse_number.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace fovea::data {
namespace {

TEST(ParseNumber, TakesTheWholeText) {
  EXPECT_EQ(parse_number<double>("1.5"), 1.5);
  EXPECT_EQ(parse_number<double>("-2e3"), -2000);
  EXPECT_EQ(parse_number<double>("+.5"), 0.5);
  EXPECT_EQ(parse_number<float>("0.1"), 0.1f);
  EXPECT_EQ(parse_number<int64_t>("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(parse_number<uint8_t>("255"), 255);
  for (const char* text : {"", "+", "-", "+-1", "1 ", " 1", "1,5", "1.5x", "x", "0x10", "1e", "inf", "-nan"}) {
    EXPECT_FALSE(parse_number<double>(text)) << text;
  }
  for (const char* text : {"", "1.5", "9223372036854775808", "1e3"}) EXPECT_FALSE(parse_number<int64_t>(text)) << text;
}

TEST(ParseNumber, WhatIsTooSmallIsZeroAndWhatIsTooLargeNone) {
  const std::string zeros(400, '0');
  for (const std::string& text : {std::string("1e-400"), std::string("4.9E-99999999999999999999"), "0." + zeros + "1",
                                  zeros + "1" + zeros + "e-900", "1" + zeros + ".5e-00801"}) {
    const auto number = parse_number<double>(text), negative = parse_number<double>("-" + text);
    ASSERT_TRUE(number && negative) << text;
    EXPECT_EQ(*number, 0) << text;
    EXPECT_FALSE(std::signbit(*number)) << text;
    EXPECT_TRUE(std::signbit(*negative)) << text;
  }
  EXPECT_EQ(parse_number<double>("5e-324"), 5e-324);
  EXPECT_EQ(parse_number<float>("1e-60"), 0.0f);
  for (const std::string& text :
       {std::string("1e400"), std::string("-1e+99999999999999999999"), "1" + zeros, "0." + zeros + "1e+900"}) {
    EXPECT_FALSE(parse_number<double>(text)) << text;
  }
  EXPECT_FALSE(parse_number<float>("1e60"));
}

}  // namespace
}  // namespace fovea::data

#include "fovea/train/serving_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fovea::train {
namespace {

TEST(ServingRequest, TheBodySaysWhetherToExplainWhateverTheAddressSays) {
  const auto explains = [](bool address, const char* body) {
    HttpRequest request;
    request.body = body;
    request.explain = address;
    return questions_of(request, "text", {}).front().explain;
  };
  for (const bool address : {false, true}) {
    EXPECT_EQ(explains(address, R"({"input": "a"})"), address);
    EXPECT_TRUE(explains(address, R"({"input": "a", "explain": true})"));
    EXPECT_FALSE(explains(address, R"({"inputs": ["a"], "explain": false})"));
  }
}

std::vector<std::string> contents(const HttpRequest& request, const std::string& kind,
                                  const std::vector<std::string>& media_types = {}) {
  std::vector<std::string> all;
  for (const Question& question : questions_of(request, kind, media_types)) all.push_back(question.content);
  return all;
}

/// The status and words of a refusal.
std::string refusal(const std::string& body, const std::string& kind = "text",
                    const std::vector<std::string>& media_types = {}, const std::string& content_type = {}) {
  HttpRequest request;
  request.body = body;
  request.content_type = content_type;
  try {
    questions_of(request, kind, media_types);
  } catch (const RequestError& error) {
    return fmt::format("{} {}", error.status, error.message);
  }
  return "none";
}

TEST(ServingRequest, TakesOneInputOrMany) {
  HttpRequest request;
  request.body = R"({"input": "a"})";
  EXPECT_THAT(contents(request, "text"), testing::ElementsAre("a"));
  request.body = R"({"inputs": ["a", ""]})";
  EXPECT_THAT(contents(request, "text"), testing::ElementsAre("a", ""));
  request.body = R"({"inputs": [{"x": 1.5, "y": null}, {}]})";
  EXPECT_THAT(contents(request, "row"), testing::ElementsAre(R"({"x":1.5,"y":null})", "{}"));
  request.body = R"({"input": "AQID"})";
  EXPECT_THAT(contents(request, "image", {"image/png"}), testing::ElementsAre("\x01\x02\x03"));
}

TEST(ServingRequest, TakesTheBytesOfAFileOfAKnownType) {
  HttpRequest request;
  request.body = "AQID";
  request.content_type = "image/jpeg";
  for (const bool explain : {false, true}) {
    request.explain = explain;
    const std::vector<Question> asked = questions_of(request, "image", {"image/png", "image/jpeg"});
    ASSERT_EQ(asked.size(), 1u);
    EXPECT_EQ(asked[0].content, "AQID");
    EXPECT_EQ(asked[0].explain, explain);
  }
  EXPECT_EQ(refusal("", "image", {"image/png"}, "image/png"), "400 the body is empty");
  EXPECT_EQ(refusal("AQID", "image", {"image/png"}, "image/gif"), "400 the body is not valid JSON: byte 1");
}

TEST(ServingRequest, SaysWhatIsWrong) {
  EXPECT_EQ(refusal(""), "400 the body is empty; {\"input\": ...} is expected");
  EXPECT_EQ(refusal("null"), R"(400 the body is null, not an object with "input" or "inputs")");
  EXPECT_EQ(refusal("true"), R"(400 the body is a boolean, not an object with "input" or "inputs")");
  EXPECT_EQ(refusal("[]"), R"(400 the body is an array, not an object with "input" or "inputs")");
  EXPECT_EQ(refusal(R"({"explain": true})"), R"(400 the body needs "input" or "inputs", one of the two)");
  EXPECT_EQ(refusal(R"({"input": "a", "inputs": ["a"]})"), R"(400 the body needs "input" or "inputs", one of the two)");
  EXPECT_EQ(refusal(R"({"input": "a", "explain": 1})"), R"(400 "explain" is a number, not true or false)");
  EXPECT_EQ(refusal(R"({"input": "a", "more": 1})"),
            R"(400 there is no member "more"; a request has "input" or "inputs", and "explain")");
  EXPECT_EQ(refusal(R"({"inputs": {"a": "b"}})"), R"(400 "inputs" is an object, not an array)");
  EXPECT_EQ(refusal(R"({"inputs": []})"), R"(400 "inputs" is empty)");
  EXPECT_EQ(refusal(R"({"input": {"a": "b"}})"), R"(400 "input" is an object, not a string)");
  EXPECT_EQ(refusal(R"({"inputs": ["a", null]})"), "400 input 1 is null, not a string");
  EXPECT_EQ(refusal(R"({"inputs": [{}, "a"]})", "row"), "400 input 1 is a string, not an object of values by column");
  EXPECT_EQ(refusal(R"({"input": {"x": 1, "y": [[1]]}})", "row"), R"(400 "input": "y" is an array, not a value)");
  EXPECT_EQ(refusal(R"({"input": 1})", "image", {"image/png"}), R"(400 "input" is a number, not a string of base64)");
  EXPECT_EQ(refusal(R"({"inputs": ["AQID", "A"]})", "image", {"image/png"}), "400 input 1 is not base64");
}

}  // namespace
}  // namespace fovea::train

#include "fovea/data/parse_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "temp_folder.h"

namespace fovea::data {
namespace {

using nlohmann::json;

std::string nested(int levels) {
  std::string text;
  for (int i = 0; i < levels; ++i) text += i % 2 ? "{\"a]\\\"[\":\n" : "[";
  text += "1";
  for (int i = levels; i-- > 0;) text += i % 2 ? '}' : ']';
  return text;
}

TEST(ParseJson, NamesTheLineOfWhatIsNested) {
  EXPECT_EQ(parse_json<json>("a.json", nested(100)).dump().size(), nested(100).size() - 50);
  const auto error = [](const std::string& text) {
    return testing::error_of([&] { parse_json<json>("a.json", text); });
  };
  EXPECT_EQ(error(nested(101)), "a.json:51: nested more than 100 levels deep");
  EXPECT_EQ(error(nested(1000000)), "a.json:51: nested more than 100 levels deep");
  EXPECT_EQ(error("[\n\"" + std::string(200, '[')), "a.json:2: not valid JSON");
  std::string wide = "[[]";
  for (int i = 0; i < 200; ++i) wide += ",[{}]";
  EXPECT_EQ(error(wide + "]"), "");
}

}  // namespace
}  // namespace fovea::data

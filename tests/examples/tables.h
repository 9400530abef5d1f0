#pragma once

#include <string>
#include <vector>

#include "data/temp_folder.h"
#include "json.h"
#include "program.h"

// What the tests of the classifiers of tables share.
namespace fovea::test {

using data::testing::read_back;
using data::testing::TempFolder;
using Words = std::vector<std::string>;

inline Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// Rows whose class is whether x and y have one sign, as the colour says: "same" ones are red, and blue ones the other way
/// round. Some cells are missing; z says nothing.
inline std::string rows(int count, uint64_t seed, bool with_text = false) {
  data::testing::Random random(seed);
  std::string csv = with_text ? "x,y,note,colour,z,class\n" : "x,y,colour,z,class\n";
  for (int i = 0; i < count; ++i) {
    const auto number = [&] {
      return (static_cast<double>(random.below(1000)) + 20) / 1000 * (random.below(2) ? 1 : -1);
    };
    const double x = number(), y = number();
    const bool red = random.below(2), same = x * y > 0;
    csv += fmt::format("{},{}", x, y);
    if (with_text) csv += std::string(",\"the paint, so they say, is ") + (red ? "red" : "blue") + '"';
    csv += fmt::format(",{},{},{}\n",
                       with_text ? "-"
                       : red     ? "red"
                                 : "blue",
                       random.below(5) == 0 ? "" : std::to_string(random.below(9)), same == red ? "yes" : "no");
  }
  return csv;
}

}  // namespace fovea::test

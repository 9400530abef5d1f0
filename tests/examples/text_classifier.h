#pragma once

#include <string>
#include <vector>

#include "data/temp_folder.h"
#include "program.h"

// What the tests of the text classifier share: TEXT_CLASSIFIER is its program.
namespace fovea::test {

using data::testing::read_back;
using data::testing::TempFolder;

inline Finished classify(const Words& arguments, const std::string& input = {}) {
  return run(TEXT_CLASSIFIER, arguments, input);
}

/// Examples as CSV with a header: the class is that of the one word among `length` that has an opinion.
inline std::string reviews(int count, int length = 8, uint64_t seed = 1) {
  static const std::vector<std::string> fillers{"the", "room", "was", "a", "bed", "of", "and", "pool", "staff", "it"};
  static const std::vector<std::string> opinions[2]{{"awful", "dirty", "loud"}, {"lovely", "clean", "quiet"}};
  data::testing::Random random(seed);
  std::string text = "label,text\n";
  for (int i = 0; i < count; ++i) {
    const int good = i % 2;
    const auto place = static_cast<int>(random.below(static_cast<uint64_t>(length)));
    text += good ? "good," : "bad,";
    for (int k = 0; k < length; ++k) {
      text += (k > 0 ? " " : "") + (k == place ? random.pick(opinions[good]) : random.pick(fillers));
    }
    text += '\n';
  }
  return text;
}

/// Every sixth word of such examples begins a sentence.
inline std::string in_sentences(const std::string& csv) {
  std::string text;
  int words = 0;
  bool begins = false;
  for (const char c : csv) {
    if (c == ',' || c == '\n') words = 0;
    if (c == ' ' && ++words % 6 == 0) {
      text += '.';
      begins = true;
    }
    const bool letter = c >= 'a' && c <= 'z';
    text += begins && letter ? static_cast<char>(c - 'a' + 'A') : c;
    begins = begins && !letter;
  }
  return text;
}

/// Flags that make a model which learns in no time.
inline const Words small{"--embedding", "8", "--hidden", "8", "--batch-size", "8", "--threads", "1"};

}  // namespace fovea::test

#include "fovea/data/sentences.h"

#include "fovea/backends/error.h"

namespace fovea::data {

SentenceSplitter::SentenceSplitter(int64_t longest, Caller caller) : longest_(longest) {
  if (longest < 1) raise<ValueError>(caller, "SentenceSplitter: no sentence has at most {} tokens", longest);
}

std::vector<int32_t> SentenceSplitter::lengths(std::string_view text, const Tokens& tokens, size_t count) const {
  if (count == 0) return {1};
  std::vector<Segment> sentences;
  boundaries_.split(text, sentences);
  std::vector<int32_t> lengths;
  size_t sentence = 0;
  bool begins = true;
  for (size_t i = 0; i < count; ++i) {
    for (; tokens.span(i).begin >= sentences[sentence].span.end; ++sentence) begins = true;
    if (begins || lengths.back() >= longest_) lengths.push_back(0);
    ++lengths.back();
    begins = false;
  }
  return lengths;
}

}  // namespace fovea::data

#pragma once

#include "tables.h"
#include "text_classifier.h"

// Examples that have any number of labels.
namespace fovea::test {

struct Labelled {
  std::vector<std::string> labels;
  std::string text;
};

/// Texts that have a label for each of the words in them that stand for one; an eighth of them has none.
inline std::vector<Labelled> topics(int count, uint64_t seed = 1) {
  static const std::vector<std::string> fillers{"the", "day", "was", "a", "trip", "of", "and", "we", "saw", "it"};
  static const std::vector<std::pair<std::string, std::vector<std::string>>> words{
      {"sea", {"wave", "harbour"}}, {"snow", {"frost", "skis"}}, {"sun", {"hot", "bright"}}};
  data::testing::Random random(seed);
  std::vector<Labelled> all;
  for (int i = 0; i < count; ++i) {
    Labelled each;
    const uint64_t which = random.below(8);
    for (size_t k = 0; k < words.size(); ++k) {
      each.text += random.pick(fillers) + ' ' + random.pick(fillers);
      if (which >> k & 1) {
        each.labels.push_back(words[k].first);
        each.text += ' ' + random.pick(words[k].second);
      }
      each.text += ' ';
    }
    each.text += random.pick(fillers);
    all.push_back(each);
  }
  return all;
}

/// As a table, with `separator` between the labels.
inline std::string topics_csv(int count, uint64_t seed = 1, const std::string& separator = ",") {
  std::string csv = "label,text\n";
  for (const Labelled& each : topics(count, seed)) {
    std::string cell;
    for (const std::string& label : each.labels) cell += (cell.empty() ? "" : separator) + label;
    csv += '"' + cell + "\"," + each.text + '\n';
  }
  return csv;
}

/// As JSON lines, with lists.
inline std::string topics_jsonl(int count, uint64_t seed = 1) {
  std::string lines;
  for (const Labelled& each : topics(count, seed)) {
    lines += Json{{"label", each.labels}, {"text", each.text}}.dump() + '\n';
  }
  return lines;
}

/// Rows whose labels say whether x and y are positive and, with a text, that it tells of something red.
inline std::string labelled_rows(int count, uint64_t seed, bool with_text = false) {
  data::testing::Random random(seed);
  std::string csv = with_text ? "x,y,note,class\n" : "x,y,class\n";
  for (int i = 0; i < count; ++i) {
    const auto number = [&] {
      return (static_cast<double>(random.below(1000)) + 50) / 1000 * (random.below(2) ? 1 : -1);
    };
    const double x = number(), y = number();
    const bool red = random.below(2);
    std::string cell = x > 0 ? "right" : "";
    if (y > 0) cell += std::string(cell.empty() ? "" : "|") + "up";
    if (with_text && red) cell += std::string(cell.empty() ? "" : "|") + "red";
    csv += fmt::format("{},{},", x, y);
    if (with_text) csv += red ? "the paint is red," : "the paint is blue,";
    csv += cell + '\n';
  }
  return csv;
}

}  // namespace fovea::test

#include "fovea/data/label_sets.h"

#include <algorithm>
#include <utility>

#include "fovea/data/file_error.h"
#include "fovea/data/table.h"
#include "fovea/data/vocabulary.h"

namespace fovea::data {

std::vector<std::string> split_labels(std::string_view cell, std::string_view separator, const LabelPlaces& places,
                                      size_t example) {
  const bool list = cell.find('\0') != std::string_view::npos;
  if (list) {
    separator = std::string_view("\0", 1);
    cell.remove_suffix(1);  // the end of the last item
  } else if (trimmed(cell).empty()) {
    return {};
  }
  std::vector<std::string> names;
  for (size_t begin = 0, end = 0; end != std::string_view::npos; begin = end + separator.size()) {
    end = cell.find(separator, begin);
    std::string name(trimmed(cell.substr(begin, end == std::string_view::npos ? end : end - begin)));
    if (name.empty())
      fail(places[example], "an empty label {}", list ? "in a list" : "among those of " + in_quotes(cell));
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      fail(places[example], "the label {} stands there twice", in_quotes(name));
    }
    names.push_back(std::move(name));
  }
  return names;
}

int32_t LabelSets::add(std::vector<int32_t> classes) {
  std::sort(classes.begin(), classes.end());
  const auto [found, is_new] = numbers_.emplace(std::move(classes), size());
  if (is_new) ids_.add(found->first);
  return found->second;
}

std::vector<int32_t> label_set_ids(std::span<const std::vector<std::string>> names, const LabelPlaces& places,
                                   const Labels& labels, LabelSets& sets) {
  std::vector<int32_t> ids;
  for (size_t i = 0; i < names.size(); ++i) {
    std::vector<int32_t> classes;
    for (const std::string& name : names[i]) classes.push_back(label_id(name, places, i, labels));
    ids.push_back(sets.add(std::move(classes)));
  }
  return ids;
}

std::vector<int32_t> rarest_classes(std::span<const int32_t> examples, const LabelSets& sets, int32_t classes) {
  std::vector<int64_t> counts(static_cast<size_t>(classes));
  for (const int32_t set : examples) {
    for (const int32_t each : sets[set]) ++counts[static_cast<size_t>(each)];
  }
  const auto rarer = [&](int32_t a, int32_t b) {
    return counts[static_cast<size_t>(a)] < counts[static_cast<size_t>(b)];
  };
  std::vector<int32_t> rarest;
  for (const int32_t set : examples) {
    const std::span<const int32_t> ids = sets[set];
    rarest.push_back(ids.empty() ? classes : *std::min_element(ids.begin(), ids.end(), rarer));
  }
  return rarest;
}

}  // namespace fovea::data

#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/data/label_places.h"
#include "fovea/data/text_encoder.h"
#include "fovea/data/vocabulary.h"

// Labels of examples that each have any number of them (multi-label classification).
namespace fovea::data {

/// The names that a label's cell holds, between separators and without blanks around them; none where it is blank. Where it
/// is a list (see TableReader::allow_list) its items. Throws DataError with the place of the `example`-th example where a
/// name is empty or stands there twice.
std::vector<std::string> split_labels(std::string_view cell, std::string_view separator, const LabelPlaces& places,
                                      size_t example);

/// The distinct sets of classes that examples have, numbered from 0 in the order in which they were added.
class LabelSets {
 public:
  /// The number of a set of class ids, a new one where it is not there yet.
  int32_t add(std::vector<int32_t> classes);
  /// The ids of a set, ascending.
  std::span<const int32_t> operator[](int32_t set) const { return ids_[set]; }
  int32_t size() const { return static_cast<int32_t>(ids_.size()); }

 private:
  TokenIds ids_;
  std::map<std::vector<int32_t>, int32_t> numbers_;
};

/// The number of the set of each example, whose classes have the `names`. Throws DataError with the place of one that is not
/// in `labels`.
std::vector<int32_t> label_set_ids(std::span<const std::vector<std::string>> names, const LabelPlaces& places,
                                   const Labels& labels, LabelSets& sets);

/// For dividing examples by their labels: of each example the rarest of its classes among all of them, the first of equals;
/// one of its own, `classes`, where it has none.
std::vector<int32_t> rarest_classes(std::span<const int32_t> examples, const LabelSets& sets, int32_t classes);

}  // namespace fovea::data

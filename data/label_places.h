#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fovea::data {

/// Where the label of each example stands, as errors begin: on a line of a file ("train.csv:17"), or by the example's name
/// ("cats/1.png").
class LabelPlaces {
 public:
  LabelPlaces(std::string_view path, std::span<const int64_t> lines) : path_(path), lines_(lines) {}
  LabelPlaces(const std::vector<std::string>& names) : names_(names) {}  // NOLINT: names are places

  std::string operator[](size_t example) const {
    if (!names_.empty()) return names_[example];
    return std::string(path_) + ':' + std::to_string(lines_[example]);
  }

 private:
  std::string_view path_;
  std::span<const int64_t> lines_;
  std::span<const std::string> names_;
};

}  // namespace fovea::data

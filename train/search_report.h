#pragma once

#include <string>
#include <utility>
#include <vector>

#include "fovea/train/search_record.h"

namespace fovea::train {

/// search.html: how every trial fared, and which option made the difference; a self-contained page.
struct SearchReport {
  std::string title;
  std::string metric;  // what the best has best
  std::vector<SearchRecord> records;
  std::vector<std::pair<std::string, std::string>> facts = {};
};
std::string to_html(const SearchReport& report);

}  // namespace fovea::train

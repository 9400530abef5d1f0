#pragma once

#include <fmt/format.h>

#include <string>

namespace fovea::data::testing {

/// One entry of a ustar archive: header, content, padding.
inline std::string tar_entry(const std::string& name, const std::string& content, char kind = '0') {
  std::string header(512, '\0');
  header.replace(0, name.size(), name);
  header.replace(100, 7, "0000644");
  header.replace(124, 11, fmt::format("{:011o}", content.size()));
  header[156] = kind;
  header.replace(257, 5, "ustar");
  header.replace(263, 2, "00");
  header.replace(148, 8, std::string(8, ' '));
  int sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  header.replace(148, 7, fmt::format("{:06o}", sum) + '\0');
  return header + content + std::string((512 - content.size() % 512) % 512, '\0');
}

/// What stands behind the last entry.
inline std::string tar_end() { return std::string(1024, '\0'); }

}  // namespace fovea::data::testing

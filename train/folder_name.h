#pragma once

#include <filesystem>

namespace fovea::train {

/// A path without what a slash at its end stands for: its last part is the folder's name.
inline std::filesystem::path without_slash(const std::filesystem::path& path) {
  const std::filesystem::path normal = path.lexically_normal();
  return normal.has_filename() ? normal : normal.parent_path();
}

}  // namespace fovea::train

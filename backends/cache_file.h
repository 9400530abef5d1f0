#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace fovea {

/// Where this user's caches lie: $XDG_CACHE_HOME/fovea, else $HOME/.cache/fovea, else nothing.
std::filesystem::path cache_folder();

/// The bytes of a file that write_cache made under the same `key`; nothing where the file is absent, cut short, damaged
/// or of another key.
std::vector<std::byte> read_cache(const std::filesystem::path& file, const std::string& key);

/// Replaces the file at once, so that a reader never sees half of it. False where the disk refuses.
bool write_cache(const std::filesystem::path& file, const std::string& key, std::span<const std::byte> bytes);

}  // namespace fovea

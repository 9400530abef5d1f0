#include "fovea/backends/cache_file.h"

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

#include "fovea/backends/fnv.h"

namespace fovea {
namespace {

// A file: this word, the sizes of key and content, a checksum of both, the key, the content.
constexpr uint64_t magic = 0x31656863'61636676;  // "vfcache1"

struct Header {
  uint64_t magic;
  uint64_t key_bytes;
  uint64_t content_bytes;
  uint64_t checksum;
};

uint64_t checksum(const std::string& key, std::span<const std::byte> content) {
  return Fnv().add(std::as_bytes(std::span(key))).add(content).value();
}

}  // namespace

std::filesystem::path cache_folder() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache && *cache) return std::filesystem::path(cache) / "fovea";
  const char* home = std::getenv("HOME");
  if (home && *home) return std::filesystem::path(home) / ".cache" / "fovea";
  return {};
}

std::vector<std::byte> read_cache(const std::filesystem::path& file, const std::string& key) {
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  if (!in) return {};
  const auto size = static_cast<uint64_t>(in.tellg());
  in.seekg(0);
  Header header{};
  if (size < sizeof header || !in.read(reinterpret_cast<char*>(&header), sizeof header)) return {};
  if (header.magic != magic || header.key_bytes != key.size()) return {};
  if (header.content_bytes != size - sizeof header - header.key_bytes || size < sizeof header + header.key_bytes)
    return {};
  std::string found(key.size(), '\0');
  std::vector<std::byte> content(header.content_bytes);
  if (!in.read(found.data(), static_cast<std::streamsize>(found.size())) ||
      !in.read(reinterpret_cast<char*>(content.data()), static_cast<std::streamsize>(content.size())))
    return {};
  if (found != key || header.checksum != checksum(key, content)) return {};
  return content;
}

bool write_cache(const std::filesystem::path& file, const std::string& key, std::span<const std::byte> bytes) {
  std::error_code error;
  std::filesystem::create_directories(file.parent_path(), error);
  std::filesystem::path draft = file;
  draft += fmt::format(".{}", getpid());
  {
    std::ofstream out(draft, std::ios::binary | std::ios::trunc);
    const Header header{magic, key.size(), bytes.size(), checksum(key, bytes)};
    out.write(reinterpret_cast<const char*>(&header), sizeof header);
    out.write(key.data(), static_cast<std::streamsize>(key.size()));
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    out.flush();
    if (!out) {
      std::filesystem::remove(draft, error);
      return false;
    }
  }
  std::filesystem::rename(draft, file, error);
  if (error) {
    std::error_code ignored;
    std::filesystem::remove(draft, ignored);
  }
  return !error;
}

}  // namespace fovea

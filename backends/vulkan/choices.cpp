#include "fovea/backends/vulkan/choices.h"

#include <sstream>

#include "fovea/backends/cache_file.h"

namespace fovea::vulkan {

Choices::Choices(DeviceCache disk, const std::string& version) : disk_(std::move(disk)) {
  disk_.key += " " + version;
  load();
}

// One a line: the question, a tab, the answer.
void Choices::load() {
  if (disk_.file.empty()) return;
  const std::vector<std::byte> bytes = read_cache(disk_.file, disk_.key);
  std::istringstream text(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  for (std::string line; std::getline(text, line);) {
    const size_t tab = line.find('\t');
    if (tab != std::string::npos) answers_.try_emplace(line.substr(0, tab), line.substr(tab + 1));
  }
}

std::optional<std::string> Choices::find(const std::string& question) const {
  const auto found = answers_.find(question);
  return found == answers_.end() ? std::nullopt : std::optional(found->second);
}

void Choices::learn(const std::string& question, const std::string& answer) {
  answers_[question] = answer;
  if (disk_.file.empty()) return;
  load();
  std::string text;
  for (const auto& [known, value] : answers_) text += known + "\t" + value + "\n";
  write_cache(disk_.file, disk_.key, std::as_bytes(std::span(text)));
}

}  // namespace fovea::vulkan

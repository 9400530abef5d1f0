#pragma once

#include <map>
#include <optional>
#include <string>

#include "fovea/backends/vulkan/device_cache.h"

namespace fovea::vulkan {

/// What was found out about a device by measuring: names to names, kept on disk between runs. Two processes may learn
/// at once: each adds to what it finds there.
class Choices {
 public:
  /// `version` tells what the choices are about from what earlier versions of the library chose among.
  Choices(DeviceCache disk, const std::string& version);

  std::optional<std::string> find(const std::string& question) const;
  /// A disk that refuses costs no more than time.
  void learn(const std::string& question, const std::string& answer);
  const std::map<std::string, std::string>& all() const { return answers_; }

 private:
  void load();

  DeviceCache disk_;
  std::map<std::string, std::string> answers_;
};

}  // namespace fovea::vulkan

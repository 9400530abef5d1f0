#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fovea/backends/error.h"
#include "fovea/backends/vulkan/hazards.h"
#include "fovea/backends/vulkan/memory_block.h"

namespace fovea::vulkan {

/// Indices that do not exist, which only a kernel finds, when the call that gave them is long over. Each place that such
/// calls come from has a number for good, so that commands may run as often as one likes.
class IndexFaults {
 public:
  /// Throws OutOfMemoryError.
  explicit IndexFaults(const LogicalDevice& device);

  /// What a kernel of the call under way hands to fault.glsl; remembers the kernel, the user's line and the module.
  uint64_t address(const char* kernel);
  /// What kernels may touch.
  AddressRange range() const { return {block_->address(), block_->address() + block_->bytes()}; }
  /// Once the device is done: throws IndexError where a kernel has noted an index, naming the place of its call.
  void check();

 private:
  struct Place {
    std::string module;
    const char* kernel;
    const char* file;
    unsigned line;

    auto operator<=>(const Place&) const = default;
  };
  std::unique_ptr<MemoryBlock> block_;
  std::map<Place, uint32_t> numbers_;
  std::vector<const Place*> places_;  // by number, from the first one on
};

}  // namespace fovea::vulkan

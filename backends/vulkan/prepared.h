#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "fovea/backends/vulkan/memory.h"
#include "fovea/backends/vulkan/memory_block.h"
#include "fovea/backends/vulkan/recorder.h"

namespace fovea::vulkan {

class Engine;

/// Groups of kernels whose commands were recorded once and run many times, with the memory that only these kernels use.
class PreparedCommands {
 public:
  /// Records what each group launches. Throws OutOfMemoryError.
  PreparedCommands(Engine& engine, std::span<const std::function<void()>> groups);
  ~PreparedCommands();
  PreparedCommands(const PreparedCommands&) = delete;
  PreparedCommands& operator=(const PreparedCommands&) = delete;

  void run(size_t group);

  // What the engine asks while a group is being recorded.

  /// A buffer that an earlier kernel is done with, or null.
  VulkanBuffer* take(size_t bytes);
  /// Keeps a buffer that a kernel is done with: only these commands may write into it from now on.
  void keep(VulkanBuffer* buffer) { free_.push_back(buffer); }
  /// Memory that holds `bytes` as long as the commands live.
  uint64_t parameters(std::span<const std::byte> bytes);
  void uses(VulkanBuffer* buffer, bool written);

 private:
  struct Group {
    CommandList commands;
    std::vector<VulkanBuffer*> reads, writes;
  };

  void record(Group& group, const std::function<void()>& kernels);
  void release() noexcept;

  Engine& engine_;
  std::vector<Group> groups_;
  std::vector<VulkanBuffer*> free_;
  std::vector<std::unique_ptr<MemoryBlock>> parameters_;
  size_t parameters_used_ = 0;  // of the last block
  uint64_t last_batch_ = 0;
};

}  // namespace fovea::vulkan

#include "fovea/backends/vulkan/prepared.h"

#include <algorithm>
#include <cstring>

#include "fovea/backends/round_up.h"
#include "fovea/backends/vulkan/engine.h"

namespace fovea::vulkan {
namespace {

constexpr size_t parameter_block = size_t{64} << 10;

void distinct(std::vector<VulkanBuffer*>& buffers) {
  std::sort(buffers.begin(), buffers.end());
  buffers.erase(std::unique(buffers.begin(), buffers.end()), buffers.end());
}

}  // namespace

PreparedCommands::PreparedCommands(Engine& engine, std::span<const std::function<void()>> groups) : engine_(engine) {
  groups_.reserve(groups.size());
  try {
    for (const std::function<void()>& kernels : groups) record(groups_.emplace_back(), kernels);
  } catch (...) {
    release();
    throw;
  }
}

PreparedCommands::~PreparedCommands() { release(); }

void PreparedCommands::record(Group& group, const std::function<void()>& kernels) {
  const Engine::Preparing preparing(engine_, *this);
  Recorder& recorder = engine_.recorder();
  try {
    recorder.begin_list(group.commands);
    kernels();
    recorder.end_list();
  } catch (...) {
    recorder.abandon_list();
    throw;
  }
  distinct(group.reads);
  distinct(group.writes);
}

void PreparedCommands::release() noexcept {
  try {
    engine_.recorder().wait(last_batch_);
  } catch (const Error&) {
    // The device is lost, and done with the commands.
  }
  for (Group& group : groups_) engine_.recorder().free(group.commands);
  for (VulkanBuffer* buffer : free_) engine_.recycle(buffer);
}

void PreparedCommands::run(size_t group) {
  const Group& commands = groups_[group];
  last_batch_ = engine_.recorder().execute(commands.commands);
  for (VulkanBuffer* buffer : commands.reads) buffer->use(last_batch_, false);
  for (VulkanBuffer* buffer : commands.writes) buffer->use(last_batch_, true);
}

VulkanBuffer* PreparedCommands::take(size_t bytes) {
  auto best = free_.end();
  for (auto at = free_.begin(); at != free_.end(); ++at) {
    if ((*at)->bytes() >= bytes && (best == free_.end() || (*at)->bytes() < (*best)->bytes())) best = at;
  }
  if (best == free_.end()) return nullptr;
  VulkanBuffer* buffer = *best;
  free_.erase(best);
  return buffer;
}

uint64_t PreparedCommands::parameters(std::span<const std::byte> bytes) {
  constexpr size_t alignment = 16;
  if (parameters_.empty() || parameters_used_ + bytes.size() > parameters_.back()->bytes()) {
    auto block = MemoryBlock::make(engine_.device(), MemoryUse::upload, std::max(parameter_block, bytes.size()));
    if (!block) raise_here<OutOfMemoryError>("vulkan: no memory to keep parameters in");
    parameters_.push_back(std::move(block));
    parameters_used_ = 0;
  }
  const MemoryBlock& block = *parameters_.back();
  const size_t at = parameters_used_;
  std::memcpy(block.host() + at, bytes.data(), bytes.size());
  parameters_used_ += round_up(bytes.size(), alignment);
  return block.address() + at;
}

void PreparedCommands::uses(VulkanBuffer* buffer, bool written) {
  Group& group = groups_.back();
  (written ? group.writes : group.reads).push_back(buffer);
}

}  // namespace fovea::vulkan

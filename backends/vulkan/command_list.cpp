#include "fovea/backends/vulkan/recorder.h"

// Lists of commands that are recorded once and executed within batches.
namespace fovea::vulkan {

void Recorder::begin_list(CommandList& list) {
  flush();
  list_ = &list;
  if (!list.pool) list.pool = make_pool(0);
  begin_part();
}

void Recorder::begin_part() {
  CommandStream& stream = list_->parts.emplace_back().stream;
  stream.handle = make_commands(list_->pool, VK_COMMAND_BUFFER_LEVEL_SECONDARY);
  auto inherited = structure<VkCommandBufferInheritanceInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_INHERITANCE_INFO);
  auto info = structure<VkCommandBufferBeginInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO);
  // A run may begin before the device has done the one before.
  info.flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT;
  info.pInheritanceInfo = &inherited;
  expect(vk_.BeginCommandBuffer(stream.handle, &info), "beginning a command buffer");
  open_ = &stream;
}

void Recorder::end_part() {
  CommandList::Part& part = list_->parts.back();
  expect(vk_.EndCommandBuffer(part.stream.handle), "ending a command buffer");
  merge_ranges(part.reads);
  merge_ranges(part.writes);
  part.stream.hazards = {};
}

void Recorder::end_list() {
  CommandList& list = *list_;
  end_part();
  if (list.parts.back().stream.count == 0) list.parts.pop_back();
  abandon_list();
}

void Recorder::abandon_list() noexcept {
  list_ = nullptr;
  open_ = nullptr;
}

uint64_t Recorder::execute(const CommandList& list) {
  uint64_t last = open_batch();
  for (const CommandList::Part& part : list.parts) {
    before_command(part.copies ? Command::copy : Command::kernel, part.stream.last, part.stream.work, part.reads,
                   part.writes);
    vk_.CmdExecuteCommands(open_->handle, 1, &part.stream.handle);
    if (part.barriers > 0) open_->copies_wait = false;
    open_->bound = nullptr;  // which pipeline is bound is undefined now
    counters_.dispatches += part.dispatches;
    counters_.prepared += part.dispatches;
    counters_.barriers += part.barriers;
    last = open_batch();  // which may end with this
    after_command(part.stream.work, part.stream.count);
  }
  return last;
}

void Recorder::free(CommandList& list) noexcept {
  if (list.pool) vk_.DestroyCommandPool(device_.handle(), list.pool, nullptr);
  list = {};
}

}  // namespace fovea::vulkan

#include "fovea/backends/vulkan/recorder.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>

namespace fovea::vulkan {
namespace {

constexpr size_t ring_size = 8;
// A batch is submitted after this many commands at the latest; the number doubles with each submit of which the host
// needs nothing, so that long programs take few.
constexpr size_t first_batch_commands = 512;
constexpr uint64_t most_doublings = 4;
// A device that has nothing to do gets them earlier, and is asked whether that is so once for every few.
constexpr size_t first_idle_commands = 64;
constexpr size_t ask_every = 16;
// A batch should keep the device busy for no longer than this.
constexpr double batch_seconds = 0.25;
constexpr uint64_t wait_nanoseconds = 1'000'000'000;
constexpr int wait_rounds = 300;  // in which no batch was finished
// To wake up takes as long as many a batch, so that the host looks out for its end for a while before it sleeps.
constexpr std::chrono::microseconds poll_time{100};
// Of a batch that takes less there is nothing to learn.
constexpr double least_timed_seconds = 1e-3;

double first_guess(const PhysicalDevice& device) {
  switch (device.type) {
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
      return std::numeric_limits<double>::infinity();  // it has no watchdog
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
      return 1e12;
    default:
      return 2e11;
  }
}

}  // namespace

void CommandStream::clear() {
  bound = nullptr;
  hazards.clear();
  count = 0;
  work = 0;
  copies = false;
  copies_wait = true;  // as batches end with a barrier for all
}

double learned_rate(double rate, double least, double work, double seconds, size_t commands) {
  constexpr double command_seconds = 20e-6, most_growth = 4;
  if (seconds <= 0) return rate;
  const double found = std::min(work / seconds, most_growth * rate);
  const bool tells = seconds > least_timed_seconds && seconds > static_cast<double>(commands) * command_seconds;
  if (found < rate && !tells) return rate;
  return std::max(0.75 * rate + 0.25 * found, least);
}

Recorder::Recorder(const LogicalDevice& device, DebugOptions debug, std::optional<double> speed)
    : device_(device),
      vk_(device.vk()),
      debug_(debug),
      batches_(ring_size),
      rate_(speed.value_or(first_guess(device.physical()))),
      least_rate_(rate_ / 64) {
  if (debug.bounds) watch_ = std::make_unique<BoundsWatch>(device);
}

Recorder::~Recorder() {
  vk_.DeviceWaitIdle(device_.handle());
  for (Batch& batch : batches_) {
    if (batch.times) vk_.DestroyQueryPool(device_.handle(), batch.times, nullptr);
    if (batch.pool) vk_.DestroyCommandPool(device_.handle(), batch.pool, nullptr);
  }
}

std::string Recorder::last_operations() const {
  std::string text;
  for (size_t back = 0; back < ring_size; ++back) {
    const Batch& batch = batches_[(current_ + ring_size - back) % ring_size];
    if (batch.stream.count == 0 || batch.value <= completed_) continue;
    // The oldest unfinished batch comes last and is the one that failed.
    const Operation& last = batch.stream.last;
    text = fmt::format("{} operations up to {} {}", batch.stream.count, last.name, last.shape);
  }
  return text.empty() ? "no operation" : text;
}

std::string Recorder::last_operation() const {
  for (size_t back = 0; back < ring_size; ++back) {
    const Batch& batch = batches_[(current_ + ring_size - back) % ring_size];
    if (batch.stream.count == 0) continue;
    return fmt::format("{} {}", batch.stream.last.name, batch.stream.last.shape);
  }
  return "nothing";
}

void Recorder::expect(VkResult result, const char* what) {
  if (result >= VK_SUCCESS) return;
  if (result != VK_ERROR_DEVICE_LOST) check(result, what);
  lost_ = fmt::format("vulkan: {} was lost while it ran {}", device_.physical().about.name, last_operations());
  throw DeviceError(lost_);
}

VkCommandPool Recorder::make_pool(VkCommandPoolCreateFlags flags) {
  auto info = structure<VkCommandPoolCreateInfo>(VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO);
  info.flags = flags;
  info.queueFamilyIndex = device_.physical().queue_family;
  VkCommandPool pool = nullptr;
  expect(vk_.CreateCommandPool(device_.handle(), &info, nullptr, &pool), "making a command pool");
  return pool;
}

VkCommandBuffer Recorder::make_commands(VkCommandPool pool, VkCommandBufferLevel level) {
  auto info = structure<VkCommandBufferAllocateInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO);
  info.commandPool = pool;
  info.level = level;
  info.commandBufferCount = 1;
  VkCommandBuffer commands = nullptr;
  expect(vk_.AllocateCommandBuffers(device_.handle(), &info, &commands), "making a command buffer");
  return commands;
}

void Recorder::begin() {
  if (!lost_.empty()) throw DeviceError(lost_);
  current_ = (current_ + 1) % ring_size;
  Batch& batch = batches_[current_];
  if (batch.value > completed_) await(batch.value);
  retire(batch);
  if (!batch.pool) {
    batch.pool = make_pool(VK_COMMAND_POOL_CREATE_TRANSIENT_BIT);
    batch.stream.handle = make_commands(batch.pool, VK_COMMAND_BUFFER_LEVEL_PRIMARY);
    if (device_.physical().timestamp_bits > 0 && !device_.physical().is_cpu()) {
      auto times = structure<VkQueryPoolCreateInfo>(VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO);
      times.queryType = VK_QUERY_TYPE_TIMESTAMP;
      times.queryCount = 2;
      expect(vk_.CreateQueryPool(device_.handle(), &times, nullptr, &batch.times), "making a query pool");
    }
  } else {
    expect(vk_.ResetCommandPool(device_.handle(), batch.pool, 0), "resetting a command pool");
  }
  batch.value = open_batch();
  batch.stream.clear();
  auto info = structure<VkCommandBufferBeginInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO);
  info.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
  expect(vk_.BeginCommandBuffer(batch.stream.handle, &info), "beginning a command buffer");
  open_ = &batch.stream;
}

// Stamps the time once a batch may run for long.
void Recorder::start_clock(double work) {
  if (list_) return;
  Batch& batch = batches_[current_];
  if (!batch.times || batch.timed || open_->work + work <= rate_ * least_timed_seconds) return;
  vk_.CmdResetQueryPool(open_->handle, batch.times, 0, 2);
  vk_.CmdWriteTimestamp2(open_->handle, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, batch.times, 0);
  batch.timed = {open_->work, open_->count};
}

// Kernels wait for kernels; for copies, and copies for anything, only where there are some.
void Recorder::barrier(Command next) { barrier(open_->copies || next == Command::copy, 0, 0); }

void Recorder::barrier(bool copies, VkPipelineStageFlags2 also_stage, VkAccessFlags2 also_access) {
  const VkPipelineStageFlags2 stages =
      VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT | (copies ? VK_PIPELINE_STAGE_2_ALL_TRANSFER_BIT : 0);
  const VkAccessFlags2 writes = VK_ACCESS_2_SHADER_WRITE_BIT | (copies ? VK_ACCESS_2_TRANSFER_WRITE_BIT : 0);
  const VkAccessFlags2 reads = VK_ACCESS_2_SHADER_READ_BIT | (copies ? VK_ACCESS_2_TRANSFER_READ_BIT : 0);
  open_->copies = false;
  open_->copies_wait = copies;
  auto memory = structure<VkMemoryBarrier2>(VK_STRUCTURE_TYPE_MEMORY_BARRIER_2);
  memory.srcStageMask = stages;
  memory.srcAccessMask = writes;
  memory.dstStageMask = stages | also_stage;
  memory.dstAccessMask = reads | writes | also_access;
  auto info = structure<VkDependencyInfo>(VK_STRUCTURE_TYPE_DEPENDENCY_INFO);
  info.memoryBarrierCount = 1;
  info.pMemoryBarriers = &memory;
  vk_.CmdPipelineBarrier2(open_->handle, &info);
  ++(list_ ? list_->parts.back().barriers : counters_.barriers);
}

void Recorder::before_command(Command command, const Operation& operation, double work,
                              std::span<const AddressRange> reads, std::span<const AddressRange> writes) {
  if (!open_) begin();
  start_clock(work);
  const bool own = debug_.barriers || (command == Command::copy && !open_->copies_wait);
  if (own) open_->hazards.clear();
  if (open_->hazards.access(reads, writes) || own) barrier(command);
  open_->copies |= command == Command::copy;
  open_->last = operation;
  if (!list_) return;
  CommandList::Part& part = list_->parts.back();
  part.copies |= command == Command::copy;
  part.reads.insert(part.reads.end(), reads.begin(), reads.end());
  part.writes.insert(part.writes.end(), writes.begin(), writes.end());
}

void Recorder::after_command(double work, size_t count) {
  open_->count += count;
  open_->work += work;
  const uint64_t doublings = list_ ? most_doublings : std::min(submits_since_wait_, most_doublings);
  const bool full = open_->count >= first_batch_commands << doublings || open_->work > rate_ * batch_seconds;
  if (!list_) {
    const bool ask = open_->count >= first_idle_commands << doublings &&
                     open_->count / ask_every != (open_->count - count) / ask_every;
    if (full || (ask && is_idle())) flush();
  } else if (full) {
    end_part();
    begin_part();
  }
}

// A software device has no time to lose: it computes on the processor that records.
bool Recorder::is_idle() { return !device_.physical().is_cpu() && completed() == submitted_; }

void Recorder::dispatch(const Dispatch& dispatch) {
  before_command(Command::kernel, {dispatch.name, dispatch.shape}, dispatch.work, dispatch.reads, dispatch.writes);
  const VkCommandBuffer commands = open_->handle;
  if (watch_) {
    barrier(Command::copy);
    watch_->set(commands, dispatch.name, dispatch.shape, dispatch.reads, dispatch.writes);
    barrier(Command::copy);
  }
  if (open_->bound != dispatch.pipeline) {
    vk_.CmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, dispatch.pipeline);
    open_->bound = dispatch.pipeline;
  }
  vk_.CmdPushConstants(commands, device_.layout(), VK_SHADER_STAGE_COMPUTE_BIT, 0,
                       static_cast<uint32_t>(dispatch.push.size()), dispatch.push.data());
  vk_.CmdDispatch(commands, dispatch.groups_x, dispatch.groups_y, dispatch.groups_z);
  ++(list_ ? list_->parts.back().dispatches : counters_.dispatches);
  after_command(dispatch.work);
}

void Recorder::copy(VkBuffer from, uint64_t from_offset, uint64_t from_address, VkBuffer to, uint64_t to_offset,
                    uint64_t to_address, uint64_t bytes) {
  const AddressRange read{from_address, from_address + bytes};
  const AddressRange write{to_address, to_address + bytes};
  const auto work = static_cast<double>(bytes);
  before_command(Command::copy, {"copy", {static_cast<int64_t>(bytes)}}, work, {&read, 1}, {&write, 1});
  const VkBufferCopy region{from_offset, to_offset, bytes};
  vk_.CmdCopyBuffer(open_->handle, from, to, 1, &region);
  after_command(work);
}

void Recorder::fill(VkBuffer buffer, uint64_t offset, uint64_t address, uint64_t bytes, uint32_t word) {
  const AddressRange write{address, address + bytes};
  const auto work = static_cast<double>(bytes);
  before_command(Command::copy, {"fill", {static_cast<int64_t>(bytes)}}, work, {}, {&write, 1});
  vk_.CmdFillBuffer(open_->handle, buffer, offset, bytes, word);
  after_command(work);
}

void Recorder::mark(VkQueryPool times, uint32_t query) {
  if (!open_) begin();
  const VkCommandBuffer commands = open_->handle;
  vk_.CmdResetQueryPool(commands, times, query, 1);
  vk_.CmdWriteTimestamp2(commands, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, times, query);
}

uint64_t Recorder::completed() {
  if (completed_ < submitted_) {
    uint64_t value = 0;
    expect(vk_.GetSemaphoreCounterValue(device_.handle(), device_.timeline(), &value), "asking the timeline");
    // Of a lost device drivers say that all is done that ever will be, without an error.
    if (value > submitted_) expect(VK_ERROR_DEVICE_LOST, "asking the timeline");
    completed_ = value;
  }
  return completed_;
}

void Recorder::flush() {
  if (!open_ || list_) return;
  Batch& batch = batches_[current_];
  // One barrier between batches, which also shows the host what was written.
  barrier(true, VK_PIPELINE_STAGE_2_HOST_BIT, VK_ACCESS_2_HOST_READ_BIT);
  if (batch.timed) vk_.CmdWriteTimestamp2(batch.stream.handle, VK_PIPELINE_STAGE_2_BOTTOM_OF_PIPE_BIT, batch.times, 1);
  open_ = nullptr;
  expect(vk_.EndCommandBuffer(batch.stream.handle), "ending a command buffer");
  auto commands = structure<VkCommandBufferSubmitInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO);
  commands.commandBuffer = batch.stream.handle;
  auto signal = structure<VkSemaphoreSubmitInfo>(VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO);
  signal.semaphore = device_.timeline();
  signal.value = batch.value;
  signal.stageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT;
  auto info = structure<VkSubmitInfo2>(VK_STRUCTURE_TYPE_SUBMIT_INFO_2);
  info.commandBufferInfoCount = 1;
  info.pCommandBufferInfos = &commands;
  info.signalSemaphoreInfoCount = 1;
  info.pSignalSemaphoreInfos = &signal;
  expect(vk_.QueueSubmit2(device_.queue(), 1, &info, nullptr), "submitting");
  submitted_ = batch.value;
  ++submits_since_wait_;
  ++counters_.submits;
}

void Recorder::wait(uint64_t batch) {
  if (!lost_.empty()) throw DeviceError(lost_);
  if (batch > submitted_) flush();
  batch = std::min(batch, submitted_);  // nothing was recorded after all
  submits_since_wait_ = 0;
  if (batch > completed()) await(batch);
}

bool Recorder::poll(uint64_t batch) {
  if (device_.physical().is_cpu()) return false;  // which needs the processor
  const auto end = std::chrono::steady_clock::now() + poll_time;
  while (completed() < batch) {
    if (std::chrono::steady_clock::now() > end) return false;
  }
  return true;
}

void Recorder::await(uint64_t batch) {
  ++counters_.waits;
  const VkSemaphore timeline = device_.timeline();
  auto info = structure<VkSemaphoreWaitInfo>(VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO);
  info.semaphoreCount = 1;
  info.pSemaphores = &timeline;
  info.pValues = &batch;
  VkResult result = poll(batch) ? VK_SUCCESS : VK_TIMEOUT;
  uint64_t last = completed();
  for (int round = 0; result == VK_TIMEOUT && round < wait_rounds; ++round) {
    result = vk_.WaitSemaphores(device_.handle(), &info, wait_nanoseconds);
    if (result == VK_TIMEOUT && completed() > last) {
      last = completed();
      round = 0;
    }
  }
  expect(result, "waiting");
  if (result == VK_TIMEOUT)
    throw DeviceError(fmt::format("vulkan: {} has finished nothing for {} seconds; it was to run {}",
                                  device_.physical().about.name, wait_rounds, last_operations()));
  if (completed() < batch) expect(VK_ERROR_DEVICE_LOST, "waiting");
  for (Batch& done : batches_) {
    if (done.value <= completed_) retire(done);
  }
}

// Learns from a finished batch how fast the device is.
void Recorder::retire(Batch& batch) {
  if (!batch.timed) return;
  const Batch::Start start = *batch.timed;
  batch.timed.reset();
  uint64_t ticks[2] = {};
  const VkResult result = vk_.GetQueryPoolResults(device_.handle(), batch.times, 0, 2, sizeof ticks, ticks,
                                                  sizeof ticks[0], VK_QUERY_RESULT_64_BIT);
  const double seconds = device_.physical().seconds_between(ticks[0], ticks[1]);
  if (result == VK_SUCCESS)
    rate_ = learned_rate(rate_, least_rate_, batch.stream.work - start.work, seconds, batch.stream.count - start.count);
}

}  // namespace fovea::vulkan

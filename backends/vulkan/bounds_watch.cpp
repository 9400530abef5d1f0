#include "fovea/backends/vulkan/bounds_watch.h"

#include <cstring>

namespace fovea::vulkan {

BoundsWatch::BoundsWatch(const LogicalDevice& device)
    : device_(device),
      block_(MemoryBlock::make(device, MemoryUse::download, sizeof(BoundsTable))),
      operations_(size_t{1} << 16) {
  if (!block_) throw OutOfMemoryError("vulkan: no memory to check bounds with");
  std::memset(block_->host(), 0, block_->bytes());
}

void BoundsWatch::allow(AddressRange range, bool writable) {
  (writable ? always_writable_ : always_readable_).push_back(range);
}

void BoundsWatch::set(VkCommandBuffer commands, const char* name, const Shape& shape,
                      std::span<const AddressRange> reads, std::span<const AddressRange> writes) {
  BoundsTable table{};
  size_t count = 0;
  const auto append = [&](std::span<const AddressRange> ranges) {
    if (count + ranges.size() > BoundsTable::most_ranges)
      throw DeviceError(fmt::format("vulkan: {}: more ranges of memory than can be checked", name));
    for (const AddressRange& range : ranges) {
      if (!range.empty()) table.ranges[count++] = {range.begin, range.end};
    }
  };
  append(always_writable_);
  append(writes);
  table.writable = static_cast<uint32_t>(count);
  append(always_readable_);
  append(reads);
  table.readable = static_cast<uint32_t>(count);
  table.number = number_++;
  operations_[table.number % operations_.size()] = {name, shape};
  constexpr size_t from = offsetof(BoundsTable, number);
  const size_t bytes = offsetof(BoundsTable, ranges) + count * sizeof(BoundsTable::Range) - from;
  device_.vk().CmdUpdateBuffer(commands, block_->buffer(), from, bytes,
                               reinterpret_cast<const std::byte*>(&table) + from);
}

void BoundsWatch::check() {
  BoundsTable table;
  std::memcpy(&table, block_->host(), offsetof(BoundsTable, nowhere));
  if (table.found == 0) return;
  std::memset(block_->host(), 0, offsetof(BoundsTable, nowhere));
  const Operation& operation = operations_[table.operation % operations_.size()];
  throw DeviceError(fmt::format("vulkan: {} {} {} address {:#x}, which is in nothing that it was given", operation.name,
                                operation.shape, table.stored ? "wrote" : "read", table.address));
}

}  // namespace fovea::vulkan

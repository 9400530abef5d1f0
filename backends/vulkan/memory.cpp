#include "fovea/backends/vulkan/memory.h"

#include <algorithm>

#include "fovea/backends/memory_limit.h"
#include "fovea/backends/round_up.h"

namespace fovea::vulkan {
namespace {

constexpr size_t mebibyte = size_t{1} << 20;
// A kept buffer of up to this many classes above is taken rather than a new one cut.
constexpr size_t classes_above = 2;

}  // namespace

VulkanBuffer::VulkanBuffer(Backend& backend, TensorBlock& block, size_t offset, size_t bytes, uint64_t use)
    : Buffer(backend, nullptr, block.memory->address() + offset, bytes),
      last_use(use),
      block_(block),
      offset_(offset) {}

VulkanBuffer::VulkanBuffer(VulkanBuffer& whole, size_t offset, size_t bytes)
    : VulkanBuffer(whole.backend(), whole.block_, whole.offset_ + offset, bytes, whole.last_use) {
  last_write = whole.last_write;
  whole_ = &whole;
}

void VulkanBuffer::use(uint64_t batch, bool written) {
  for (VulkanBuffer* buffer = this; buffer; buffer = buffer->whole_) {
    buffer->last_use = batch;
    if (written) buffer->last_write = batch;
  }
}

VkBuffer VulkanBuffer::handle() const { return block_.memory->buffer(); }

std::byte* VulkanBuffer::mapped() const {
  std::byte* host = block_.memory->host();
  return host ? host + offset_ : nullptr;
}

Memory::~Memory() {
  for (std::vector<VulkanBuffer*>& list : kept_) {
    for (VulkanBuffer* buffer : list) std::unique_ptr<VulkanBuffer> gone(buffer);
  }
}

VulkanBuffer* Memory::pop(size_t index) {
  std::vector<VulkanBuffer*>& list = kept_[index];
  if (list.empty()) return nullptr;
  VulkanBuffer* buffer = list.back();
  list.pop_back();
  --kept_count_;
  return buffer;
}

VulkanBuffer* Memory::carve(size_t size) {
  TensorBlock* best = nullptr;
  size_t best_bytes = SIZE_MAX;
  for (const auto& block : blocks_) {
    const std::optional<size_t> fit = block->free.best_fit(size);
    if (fit && *fit < best_bytes) {
      best = block.get();
      best_bytes = *fit;
    }
  }
  if (!best) return nullptr;
  const FreeRanges::Piece piece = *best->free.take(size);
  return std::make_unique<VulkanBuffer>(backend_, *best, piece.offset, size, piece.last_use).release();
}

bool Memory::add_block(size_t size) {
  // Blocks grow with what is held, so that a small model holds little and a large one has few blocks; a request that
  // would fill most of a block gets one of its own.
  const size_t usual = std::clamp(reserved_ / 4, 2 * mebibyte, 128 * mebibyte) / mebibyte * mebibyte;
  const size_t own = round_up(size, mebibyte);
  const size_t limit = memory_limit(Device::Kind::vulkan);
  for (const size_t bytes : {size > usual / 2 ? own : usual, size}) {
    if (bytes > device_.physical().max_buffer || (limit > 0 && reserved_ + bytes > limit)) continue;
    if (auto memory = MemoryBlock::make(device_, MemoryUse::tensors, bytes)) {
      blocks_.push_back(std::make_unique<TensorBlock>(TensorBlock{std::move(memory), FreeRanges(bytes)}));
      reserved_ += bytes;
      return true;
    }
  }
  return false;
}

VulkanBuffer* Memory::allocate(size_t bytes) {
  if (bytes > device_.physical().max_buffer) return nullptr;
  const size_t size = class_size(bytes);
  const size_t index = class_index(size);
  ++requests_;
  VulkanBuffer* buffer = pop(index);
  for (size_t above = 1; !buffer && above <= classes_above && index + above < class_count; ++above)
    buffer = pop(index + above);
  if (!buffer) {
    ++misses_;
    buffer = carve(size);
    if (!buffer && kept_count_ > 0) {
      give_back_kept();
      buffer = carve(size);
    }
    if (!buffer && add_block(size)) buffer = carve(size);
    if (!buffer) return nullptr;
  }
  live_ += buffer->bytes();
  peak_ = std::max(peak_, live_);
  return buffer;
}

void Memory::recycle(VulkanBuffer* buffer) noexcept {
  live_ -= buffer->bytes();
  kept_[class_index(buffer->bytes())].push_back(buffer);
  ++kept_count_;
}

void Memory::give_back_kept() {
  for (std::vector<VulkanBuffer*>& list : kept_) {
    for (VulkanBuffer* kept : list) {
      const std::unique_ptr<VulkanBuffer> buffer(kept);
      buffer->block().free.give(buffer->offset(), buffer->bytes(), buffer->last_use);
    }
    list.clear();
  }
  kept_count_ = 0;
}

void Memory::trim(uint64_t completed, bool all) {
  const size_t keep = all ? 0 : cache_limit_;
  give_back_kept();
  std::erase_if(blocks_, [&](const std::unique_ptr<TensorBlock>& block) {
    if (reserved_ - live_ <= keep || !block->free.all_free() || block->free.last_use() > completed) return false;
    reserved_ -= block->free.bytes();
    return true;
  });
}

MemoryStats Memory::stats() const {
  return {.live = live_, .peak = peak_, .cached = reserved_ - live_, .requests = requests_, .misses = misses_};
}

}  // namespace fovea::vulkan

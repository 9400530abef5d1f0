#include "fovea/backends/vulkan/memory_block.h"

#include <algorithm>
#include <bit>

namespace fovea::vulkan {
namespace {

constexpr VkMemoryPropertyFlags local = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
constexpr VkMemoryPropertyFlags visible = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
constexpr VkMemoryPropertyFlags cached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;

/// The type that has all of `required` and most of `wanted` and least else, or none (-1).
int choose_type(const VkPhysicalDeviceMemoryProperties& memory, uint32_t allowed, VkMemoryPropertyFlags required,
                VkMemoryPropertyFlags wanted) {
  int best = -1;
  int best_score = -1;
  for (uint32_t type = 0; type < memory.memoryTypeCount; ++type) {
    const VkMemoryPropertyFlags flags = memory.memoryTypes[type].propertyFlags;
    if (!(allowed & (1u << type)) || (flags & required) != required) continue;
    const int score = 32 * std::popcount(flags & wanted) + 32 - std::popcount(flags & ~(required | wanted));
    if (score > best_score) {
      best = static_cast<int>(type);
      best_score = score;
    }
  }
  return best;
}

}  // namespace

std::vector<uint32_t> memory_types(const VkPhysicalDeviceMemoryProperties& memory, uint32_t allowed, MemoryUse use,
                                   bool unified) {
  std::vector<uint32_t> types;
  const auto add = [&](VkMemoryPropertyFlags required, VkMemoryPropertyFlags wanted) {
    const int type = choose_type(memory, allowed, required, wanted);
    if (type >= 0 && std::find(types.begin(), types.end(), type) == types.end())
      types.push_back(static_cast<uint32_t>(type));
  };
  switch (use) {
    case MemoryUse::tensors:
      if (unified) add(local | visible, cached);
      if (types.empty()) add(local, 0);
      if (types.empty()) add(0, local);
      break;
    case MemoryUse::upload:
      // Kernels read it, and over a bus they would wait; but there may be little of the kind.
      add(visible | local, 0);
      add(visible, 0);
      break;
    case MemoryUse::download:
      add(visible, cached);
      break;
  }
  return types;
}

std::unique_ptr<MemoryBlock> MemoryBlock::make(const LogicalDevice& device, MemoryUse use, size_t bytes) {
  std::unique_ptr<MemoryBlock> block(new MemoryBlock(device, bytes));
  const VkResult result = block->open(use);
  if (result == VK_ERROR_OUT_OF_DEVICE_MEMORY || result == VK_ERROR_OUT_OF_HOST_MEMORY) return nullptr;
  check(result, "allocating memory");
  return block;
}

VkResult MemoryBlock::open(MemoryUse use) {
  const DeviceFunctions& vk = device_.vk();
  auto buffer = structure<VkBufferCreateInfo>(VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
  buffer.size = bytes_;
  buffer.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT |
                 VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
  VkResult result = vk.CreateBuffer(device_.handle(), &buffer, nullptr, &buffer_);
  if (result != VK_SUCCESS) return result;
  VkMemoryRequirements needs;
  vk.GetBufferMemoryRequirements(device_.handle(), buffer_, &needs);

  VkPhysicalDeviceMemoryProperties memory;
  instance().vk().GetPhysicalDeviceMemoryProperties(device_.physical().handle, &memory);
  const std::vector<uint32_t> types = memory_types(memory, needs.memoryTypeBits, use, device_.physical().is_unified());
  if (types.empty()) return VK_ERROR_FEATURE_NOT_PRESENT;

  auto flags = structure<VkMemoryAllocateFlagsInfo>(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO);
  flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
  auto allocate = structure<VkMemoryAllocateInfo>(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO);
  allocate.pNext = &flags;
  allocate.allocationSize = needs.size;
  for (uint32_t type : types) {
    allocate.memoryTypeIndex = type;
    result = vk.AllocateMemory(device_.handle(), &allocate, nullptr, &memory_);
    if (result == VK_SUCCESS) break;
  }
  if (result != VK_SUCCESS) return result;
  result = vk.BindBufferMemory(device_.handle(), buffer_, memory_, 0);
  if (result != VK_SUCCESS) return result;
  auto info = structure<VkBufferDeviceAddressInfo>(VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO);
  info.buffer = buffer_;
  address_ = vk.GetBufferDeviceAddress(device_.handle(), &info);

  const VkMemoryPropertyFlags chosen = memory.memoryTypes[allocate.memoryTypeIndex].propertyFlags;
  const bool map = use != MemoryUse::tensors || device_.physical().is_unified();
  if (map && (chosen & visible) == visible) {
    void* mapped = nullptr;
    result = vk.MapMemory(device_.handle(), memory_, 0, VK_WHOLE_SIZE, 0, &mapped);
    if (result != VK_SUCCESS) return result;
    host_ = static_cast<std::byte*>(mapped);
  }
  return VK_SUCCESS;
}

MemoryBlock::~MemoryBlock() {
  const DeviceFunctions& vk = device_.vk();
  if (buffer_) vk.DestroyBuffer(device_.handle(), buffer_, nullptr);
  if (memory_) vk.FreeMemory(device_.handle(), memory_, nullptr);
}

}  // namespace fovea::vulkan

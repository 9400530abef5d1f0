#include "fovea/backends/custom.h"

#include <limits>
#include <map>

#include "fovea/backends/factories.h"
#include "fovea/backends/round_up.h"
#include "fovea/backends/vulkan/vulkan_backend.h"

// A user's own shaders; see CustomKernel.
namespace fovea {
namespace vulkan {
namespace {

/// A shader is known again by its words: a kernel may have been made anew where another one stood.
VkPipeline pipeline_of(Engine& engine, const CustomKernel& kernel, uint32_t threads) {
  static std::map<std::pair<uint64_t, std::vector<uint32_t>>, VkPipeline> made;  // by engine
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  VkPipeline& pipeline = made[{engine.serial(), {kernel.spirv.begin(), kernel.spirv.end()}}];
  const Constants constants{threads};
  if (!pipeline) pipeline = engine.pipelines().make({kernel.name, kernel.spirv}, &constants);
  return pipeline;
}

std::vector<std::byte> parameters_of(const CustomCall& call) {
  std::vector<std::byte> push;
  const auto append = [&](const auto& value) {
    const auto raw = std::as_bytes(std::span(&value, 1));
    push.insert(push.end(), raw.begin(), raw.end());
  };
  for (const View* view : call.inputs) append(address_of(*view));
  for (const View* view : call.outputs) append(address_of(*view));
  append(static_cast<uint32_t>(call.items));
  for (double number : call.numbers) append(static_cast<float>(number));
  return push;
}

void custom(Engine& engine, const CustomCall& call) {
  const char* name = call.kernel.name;
  const std::vector<std::byte> push = parameters_of(call);
  if (push.size() > push_bytes) {
    raise_here<DeviceError>("{}: {} views and {} numbers are more than {} bytes of parameters", name,
                            call.inputs.size() + call.outputs.size(), call.numbers.size(), push_bytes);
  }
  if (call.items > std::numeric_limits<uint32_t>::max()) {
    raise_here<DeviceError>("{}: more than 2^32 items in one call", name);
  }
  const uint32_t threads = engine.map_threads();
  const VkPipeline pipeline = pipeline_of(engine, call.kernel, threads);
  std::vector<AddressRange> reads, writes;
  for (const View* view : call.inputs) reads.push_back(engine.read_range(*view));
  for (const View* view : call.outputs) writes.push_back(engine.write_range(*view));
  const Grid groups = grid(divide_up(static_cast<uint64_t>(call.items), threads), engine.physical().most_groups);
  engine.recorder().dispatch({.name = name,
                              .shape = call.outputs[0]->shape,
                              .pipeline = pipeline,
                              .push = push,
                              .groups_x = groups.x,
                              .groups_y = groups.y,
                              .reads = reads,
                              .writes = writes,
                              .work = static_cast<double>(call.items)});
}

}  // namespace

void VulkanBackend::custom(const CustomCall& call) {
  const Lock lock(mutex_);
  vulkan::custom(engine_, call);
}

}  // namespace vulkan

void run_on_vulkan(const CustomCall& call, int index) {
  static_cast<vulkan::VulkanBackend&>(vulkan_backend(index, {})).custom(call);
}

}  // namespace fovea

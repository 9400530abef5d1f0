#include "fovea/backends/vulkan/engine.h"

#include <algorithm>
#include <array>
#include <atomic>

#include "fovea/backends/round_up.h"
#include "fovea/backends/vulkan/matmul_tuner.h"
#include "fovea/backends/vulkan/prepared.h"

namespace fovea::vulkan {
namespace {

constexpr size_t upload_bytes = size_t{32} << 20;
constexpr size_t download_bytes = size_t{16} << 20;
constexpr size_t most_views = 16;

uint64_t next_serial() {
  static std::atomic<uint64_t> serial{0};
  return ++serial;
}

}  // namespace

Grid grid(uint64_t groups, uint32_t most) {
  constexpr uint64_t most_rows = 65535;
  if (groups <= most) return {static_cast<uint32_t>(groups), 1};
  const uint64_t rows = divide_up(groups, most);
  if (rows > most_rows) raise_here<DeviceError>("vulkan: a kernel over too many elements");
  return {static_cast<uint32_t>(divide_up(groups, rows)), static_cast<uint32_t>(rows)};
}

Engine::Engine(Backend& backend, const PhysicalDevice& physical, const EngineOptions& options)
    : serial_(next_serial()),
      device_(physical, options.stand_in),
      options_(options),
      recorder_(device_, options.debug, options.speed),
      memory_(backend, device_),
      pipelines_(device_, recorder_.watch() ? recorder_.watch()->table() : 0),
      upload_(device_, recorder_, MemoryUse::upload, upload_bytes),
      index_faults_(device_),
      matmul_tuner_(std::make_unique<MatmulTuner>(*this)) {
  if (BoundsWatch* watch = recorder_.watch()) {
    watch->allow(index_faults_.range(), true);
    watch->allow(upload_.range(), false);
  }
}

Engine::~Engine() { device_.vk().DeviceWaitIdle(device_.handle()); }

BufferRef Engine::allocate(size_t bytes) {
  VulkanBuffer* buffer = preparing_ ? preparing_->take(bytes) : nullptr;
  if (!buffer) buffer = memory_.allocate(bytes);
  if (!buffer) {
    // What is cached but still in use by the device can go once it is idle.
    recorder_.wait(recorder_.open_batch());
    memory_.trim(recorder_.completed(), true);
    buffer = memory_.allocate(bytes);
  }
  if (!buffer) {
    const MemoryStats stats = memory_.stats();
    raise_here<OutOfMemoryError>("vulkan: {} has no {} bytes left ({} in use, {} in all) after {}",
                                 physical().about.name, bytes, stats.live, physical().about.memory,
                                 recorder_.last_operation());
  }
  return BufferRef(buffer);
}

View Engine::scratch(BufferRef& buffer, DType dtype, const Shape& shape) {
  buffer = allocate(static_cast<size_t>(shape.numel()) * size_of(dtype));
  return {.buffer = buffer.get(), .offset = 0, .dtype = dtype, .shape = shape, .strides = contiguous_strides(shape)};
}

void Engine::recycle(VulkanBuffer* buffer) noexcept {
  if (preparing_) return preparing_->keep(buffer);
  try {
    if (options_.debug.poison) {
      buffer->use(recorder_.open_batch(), true);
      recorder_.fill(buffer->handle(), buffer->offset(), buffer->address(), buffer->bytes(), 0xffffffff);
    }
    memory_.recycle(buffer);
    if (memory_.over_limit()) memory_.trim(recorder_.completed());
  } catch (const Error&) {
    // The device is lost; the next call that can throw says so.
  }
}

void Engine::write(VulkanBuffer& buffer, size_t offset, const void* source, size_t bytes) {
  refuse_while_preparing();
  recorder_.counters().uploaded += bytes;
  if (std::byte* host = buffer.mapped(); host && buffer.busy_until() <= recorder_.completed()) {
    std::memcpy(host + offset, source, bytes);
    return;
  }
  const auto* from = static_cast<const std::byte*>(source);
  while (bytes > 0) {
    const size_t part = std::min(bytes, upload_.largest());
    const StagingRing::Slot slot = upload_.take(part);
    std::memcpy(slot.host, from, part);
    buffer.use(recorder_.open_batch(), true);
    recorder_.copy(slot.buffer, slot.offset, slot.address, buffer.handle(), buffer.offset() + offset,
                   buffer.address() + offset, part);
    from += part;
    offset += part;
    bytes -= part;
  }
}

void Engine::read(const VulkanBuffer& buffer, size_t offset, void* destination, size_t bytes) {
  refuse_while_preparing();
  ++recorder_.counters().round_trips;
  recorder_.counters().downloaded += bytes;
  if (const std::byte* host = buffer.mapped()) {
    recorder_.wait(buffer.last_write);
    throw_fault();
    std::memcpy(destination, host + offset, bytes);
    return;
  }
  if (!download_) download_ = std::make_unique<StagingRing>(device_, recorder_, MemoryUse::download, download_bytes);
  auto* to = static_cast<std::byte*>(destination);
  while (bytes > 0) {
    const size_t part = std::min(bytes, download_->largest());
    const StagingRing::Slot slot = download_->take(part);
    const uint64_t batch = recorder_.open_batch();
    recorder_.copy(buffer.handle(), buffer.offset() + offset, buffer.address() + offset, slot.buffer, slot.offset,
                   slot.address, part);
    recorder_.wait(batch);
    throw_fault();
    std::memcpy(to, slot.host, part);
    to += part;
    offset += part;
    bytes -= part;
  }
}

void Engine::synchronize() {
  ++recorder_.counters().round_trips;
  recorder_.flush();
  recorder_.wait(recorder_.open_batch() - 1);
  throw_fault();
}

void Engine::drain() { recorder_.wait(recorder_.open_batch() - 1); }

size_t Engine::set_cache_limit(size_t limit) {
  const size_t before = memory_.set_cache_limit(limit);
  if (memory_.over_limit()) {
    recorder_.flush();
    drain();  // an index that is none is the next reader's to hear of
    memory_.trim(recorder_.completed());
  }
  return before;
}

uint64_t Engine::upload_parameters(std::span<const std::byte> bytes) {
  if (preparing_) return preparing_->parameters(bytes);
  const StagingRing::Slot slot = upload_.take(bytes.size());
  std::memcpy(slot.host, bytes.data(), bytes.size());
  return slot.address;
}

VulkanCounters Engine::counters() {
  VulkanCounters counters = recorder_.counters();
  counters.pipelines = pipelines_.count();
  return counters;
}

void Engine::refuse_while_preparing() const {
  if (preparing_) raise_here<DeviceError>("vulkan: what the host sends or asks for cannot be recorded ahead");
}

void Engine::throw_fault() {
  if (BoundsWatch* watch = recorder_.watch()) watch->check();
  index_faults_.check();
}

AddressRange Engine::range_of(const View& view) const {
  if (view.numel() == 0) return {};
  const auto [first, last] = view.reach();
  const auto size = static_cast<int64_t>(size_of(view.dtype));
  if (first < 0 || (last + 1) * size > static_cast<int64_t>(view.buffer->bytes()))
    raise_here<ShapeError>("vulkan: a view {} with strides {} reaches beyond its {} bytes", view.shape, view.strides,
                           view.buffer->bytes());
  const uint64_t base = view.buffer->address();
  return {base + static_cast<uint64_t>(first * size), base + static_cast<uint64_t>((last + 1) * size)};
}

void Engine::note_use(const View& view, bool written) {
  auto* buffer = static_cast<VulkanBuffer*>(view.buffer);
  if (preparing_) return preparing_->uses(buffer, written);
  buffer->use(recorder_.open_batch(), written);
}

AddressRange Engine::read_range(const View& view) {
  note_use(view, false);
  return range_of(view);
}

AddressRange Engine::write_range(const View& view) {
  note_use(view, true);
  return range_of(view);
}

void Engine::run(const Launch& launch, std::span<const std::byte> push) {
  if (launch.groups == 0 || launch.groups_z == 0) return;
  std::array<AddressRange, most_views> reads;
  std::array<AddressRange, most_views> writes;
  size_t read_count = 0;
  size_t write_count = 0;
  for (const View* view : launch.reads) {
    if (view) reads[read_count++] = read_range(*view);
  }
  for (const View* view : launch.writes) {
    if (view) writes[write_count++] = write_range(*view);
  }
  const Grid groups = grid(launch.groups, physical().most_groups);
  recorder_.dispatch({.name = launch.name,
                      .shape = launch.shape,
                      .pipeline = pipelines_.get(launch.code, launch.constants, launch.subgroup),
                      .push = push,
                      .groups_x = groups.x,
                      .groups_y = groups.y,
                      .groups_z = launch.groups_z,
                      .reads = std::span(reads).first(read_count),
                      .writes = std::span(writes).first(write_count),
                      .work = launch.work});
}

}  // namespace fovea::vulkan

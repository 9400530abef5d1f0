#include "fovea/backends/vulkan/vulkan_backend.h"

#include <cstdlib>
#include <memory>

#include "fovea/backends/factories.h"
#include "fovea/backends/recording.h"
#include "fovea/backends/vulkan/kernels.h"
#include "fovea/backends/vulkan/matmul_tuner.h"
#include "fovea/backends/vulkan/prepared.h"

namespace fovea::vulkan {

VulkanBackend::VulkanBackend(int index, const PhysicalDevice& physical, const EngineOptions& options)
    : index_(index), engine_(*this, physical, options) {}

std::string VulkanBackend::description() const {
  const VulkanDevice& about = engine_.physical().about;
  return fmt::format("{} ({}, Vulkan {}, {})", about.name, about.type, about.api, about.driver);
}

BufferRef VulkanBackend::allocate(size_t bytes) {
  if (BufferRef made = recorded_allocation(*this, bytes)) return made;
  const Lock lock(mutex_);
  return engine_.allocate(bytes);
}

void VulkanBackend::recycle(Buffer* buffer) noexcept {
  const Lock lock(mutex_);
  engine_.recycle(static_cast<VulkanBuffer*>(buffer));
}

MemoryStats VulkanBackend::memory() const {
  const Lock lock(mutex_);
  return engine_.memory().stats();
}

size_t VulkanBackend::set_cache_limit(size_t bytes) {
  const Lock lock(mutex_);
  return engine_.set_cache_limit(bytes);
}

size_t VulkanBackend::largest_allocation() const {
  const PhysicalDevice& device = engine_.physical();
  // Some drivers give larger buffers than they promise memory for at once.
  const uint64_t most = std::min(std::max(device.max_allocation, device.max_buffer), device.about.memory);
  return most / 17 * 16;  // so that its size class is allowed, too
}

std::shared_ptr<Buffer> VulkanBackend::part(const BufferRef& whole, size_t offset, size_t bytes) {
  return std::make_shared<VulkanBuffer>(static_cast<VulkanBuffer&>(*whole), offset, bytes);
}

void VulkanBackend::write(Buffer& buffer, size_t offset, const void* source, size_t bytes) {
  if (recorded_write(*this, buffer, offset, source, bytes)) return;
  const Lock lock(mutex_);
  engine_.write(static_cast<VulkanBuffer&>(buffer), offset, source, bytes);
}

void VulkanBackend::read(const Buffer& buffer, size_t offset, void* destination, size_t bytes) {
  refuse_recorded_read();
  const Lock lock(mutex_);
  engine_.read(static_cast<const VulkanBuffer&>(buffer), offset, destination, bytes);
}

void VulkanBackend::synchronize() {
  const Lock lock(mutex_);
  engine_.synchronize();
}

/// Takes the backend's lock as its kernels do.
class VulkanBackend::Prepared final : public PreparedKernels {
 public:
  Prepared(VulkanBackend& backend, std::span<const std::function<void()>> groups) : backend_(backend) {
    commands_.emplace(backend.engine_, groups);
  }
  ~Prepared() override {
    const Lock lock(backend_.mutex_);
    commands_.reset();
  }
  void run(size_t group) override {
    const Lock lock(backend_.mutex_);
    commands_->run(group);
  }

 private:
  VulkanBackend& backend_;
  std::optional<PreparedCommands> commands_;
};

std::unique_ptr<PreparedKernels> VulkanBackend::prepare(std::span<const std::function<void()>> groups) {
  const Lock lock(mutex_);
  // Checked shaders are told by the host, launch by launch, what they may touch.
  if (engine_.recorder().watch()) return {};
  try {
    return std::make_unique<Prepared>(*this, groups);
  } catch (const OutOfMemoryError&) {
    return {};  // kernels that are recorded anew share their scratch memory with all others
  }
}

void VulkanBackend::map(const MapCall& call) {
  if (recorded(*this, &Backend::map, call)) return;
  const Lock lock(mutex_);
  vulkan::map(engine_, call);
}

void VulkanBackend::matmul(const MatmulCall& call) {
  if (recorded(*this, &Backend::matmul, call)) return;
  const Lock lock(mutex_);
  vulkan::matmul(engine_, call);
}

void VulkanBackend::softmax(const SoftmaxCall& call) {
  if (recorded(*this, &Backend::softmax, call)) return;
  const Lock lock(mutex_);
  vulkan::softmax(engine_, call);
}

void VulkanBackend::softmax_backward(const SoftmaxBackwardCall& call) {
  if (recorded(*this, &Backend::softmax_backward, call)) return;
  const Lock lock(mutex_);
  vulkan::softmax_backward(engine_, call);
}

void VulkanBackend::layer_norm(const LayerNormCall& call) {
  if (recorded(*this, &Backend::layer_norm, call)) return;
  const Lock lock(mutex_);
  vulkan::layer_norm(engine_, call);
}

void VulkanBackend::layer_norm_backward(const LayerNormBackwardCall& call) {
  if (recorded(*this, &Backend::layer_norm_backward, call)) return;
  const Lock lock(mutex_);
  vulkan::layer_norm_backward(engine_, call);
}

void VulkanBackend::cross_entropy(const CrossEntropyCall& call) {
  if (recorded(*this, &Backend::cross_entropy, call)) return;
  const Lock lock(mutex_);
  vulkan::cross_entropy(engine_, call);
}

void VulkanBackend::cross_entropy_backward(const CrossEntropyBackwardCall& call) {
  if (recorded(*this, &Backend::cross_entropy_backward, call)) return;
  const Lock lock(mutex_);
  vulkan::cross_entropy_backward(engine_, call);
}

void VulkanBackend::gather(const GatherCall& call) {
  if (recorded(*this, &Backend::gather, call)) return;
  const Lock lock(mutex_);
  vulkan::gather(engine_, call);
}

void VulkanBackend::scatter_add(const ScatterAddCall& call) {
  if (recorded(*this, &Backend::scatter_add, call)) return;
  const Lock lock(mutex_);
  vulkan::scatter_add(engine_, call);
}

void VulkanBackend::bag(const BagCall& call) {
  if (recorded(*this, &Backend::bag, call)) return;
  const Lock lock(mutex_);
  vulkan::bag(engine_, call);
}

void VulkanBackend::band(const BandCall& call) {
  if (recorded(*this, &Backend::band, call)) return;
  const Lock lock(mutex_);
  vulkan::band(engine_, call);
}

void VulkanBackend::scan(const ScanCall& call) {
  if (recorded(*this, &Backend::scan, call)) return;
  const Lock lock(mutex_);
  vulkan::scan(engine_, call);
}

void VulkanBackend::arg_reduce(const ArgReduceCall& call) {
  if (recorded(*this, &Backend::arg_reduce, call)) return;
  const Lock lock(mutex_);
  vulkan::arg_reduce(engine_, call);
}

void VulkanBackend::sort(const SortCall& call) {
  if (recorded(*this, &Backend::sort, call)) return;
  const Lock lock(mutex_);
  vulkan::sort(engine_, call);
}

void VulkanBackend::random(const RandomCall& call) {
  if (recorded(*this, &Backend::random, call)) return;
  const Lock lock(mutex_);
  vulkan::random(engine_, call);
}

void VulkanBackend::recurrent(const RecurrentCalls& calls) {
  if (recorded(*this, &Backend::recurrent, calls)) return;
  const Lock lock(mutex_);
  vulkan::recurrent(engine_, calls);
}

void VulkanBackend::recurrent_backward(const RecurrentBackwardCalls& calls) {
  if (recorded(*this, &Backend::recurrent_backward, calls)) return;
  const Lock lock(mutex_);
  vulkan::recurrent_backward(engine_, calls);
}

void VulkanBackend::convolution(const ConvolutionCall& call) {
  if (recorded(*this, &Backend::convolution, call)) return;
  const Lock lock(mutex_);
  vulkan::convolution(engine_, call);
}

void VulkanBackend::pool(const PoolCall& call) {
  if (recorded(*this, &Backend::pool, call)) return;
  const Lock lock(mutex_);
  vulkan::pool(engine_, call);
}

void VulkanBackend::pool_backward(const PoolBackwardCall& call) {
  if (recorded(*this, &Backend::pool_backward, call)) return;
  const Lock lock(mutex_);
  vulkan::pool_backward(engine_, call);
}

void VulkanBackend::attention(const AttentionCall& call) {
  if (recorded(*this, &Backend::attention, call)) return;
  const Lock lock(mutex_);
  vulkan::attention(engine_, call);
}

void VulkanBackend::attention_backward(const AttentionBackwardCall& call) {
  if (recorded(*this, &Backend::attention_backward, call)) return;
  const Lock lock(mutex_);
  vulkan::attention_backward(engine_, call);
}

RowSparse VulkanBackend::bag_backward(const BagBackwardCall& call) {
  refuse_recorded_read();  // how many rows there are is not known ahead: see each_rows
  const Lock lock(mutex_);
  return vulkan::bag_backward(engine_, call);
}

VulkanCounters VulkanBackend::counters() {
  const Lock lock(mutex_);
  return engine_.counters();
}

std::vector<std::string> VulkanBackend::notes() const {
  const Lock lock(mutex_);
  return engine_.matmul_tuner().notes();
}

void VulkanBackend::finish() noexcept {
  const Lock lock(mutex_);
  drain();
  engine_.pipelines().save();
}

void VulkanBackend::drain() noexcept {
  const Lock lock(mutex_);
  try {
    // What was not submitted nobody can read any more.
    engine_.drain();
  } catch (const Error&) {
    // The process ends; nobody is left to tell.
  }
}

namespace {

bool debug_wish(std::string_view what) {
  const char* wishes = std::getenv("FOVEA_VULKAN_DEBUG");
  return wishes && std::string_view(wishes).find(what) != std::string_view::npos;
}

EngineOptions options_from_environment() {
  EngineOptions options;
  options.debug.barriers = debug_wish("barriers");
  options.debug.poison = debug_wish("poison");
  options.debug.bounds = debug_wish("bounds");
  return options;
}

class Registry;
Registry& registry();

/// Waits for the devices as the thread ends that holds it. In the main thread that is before anything static is destroyed:
/// Mesa's software driver compiles in a thread of its own, with a compiler whose static parts would be gone by the time
/// that functions registered at exit run.
struct WaitAtThreadEnd {
  ~WaitAtThreadEnd();
};

/// The backends in use. They outlive every static tensor, so they are never destroyed; at the end of the process their
/// work is finished and their caches are saved.
class Registry {
 public:
  VulkanBackend& get(int index, Caller caller) {
    thread_local const WaitAtThreadEnd wait_at_thread_end;
    static_cast<void>(wait_at_thread_end);
    const std::lock_guard lock(mutex_);
    const auto place = static_cast<size_t>(index);
    if (place < backends_.size() && backends_[place]) return *backends_[place];
    const PhysicalDevice* chosen = nullptr;
    std::string others;
    try {
      for (const PhysicalDevice& physical : instance().devices()) {
        if (physical.about.index == index) chosen = &physical;
        if (physical.about.index < 0) others += fmt::format("; {}: {}", physical.about.name, physical.about.unfit);
      }
    } catch (const Error& error) {
      raise<DeviceError>(caller, "vulkan:{}: {}", index, error.what());
    }
    if (!chosen) raise<DeviceError>(caller, "vulkan:{}: no such device{}", index, others);
    if (backends_.size() <= place) backends_.resize(place + 1);
    PhysicalDevice device = *chosen;
    if (debug_wish("discrete")) device.type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    backends_[place] = std::make_unique<VulkanBackend>(index, device, options_from_environment()).release();
    // Registered only now, and so run before what the driver registered when it was loaded: a driver's own state must
    // still stand while caches are saved.
    static const int at_exit = std::atexit([] { registry().finish(); });
    static_cast<void>(at_exit);
    return *backends_[place];
  }

  void finish() {
    for (VulkanBackend* backend : backends_) {
      if (backend) backend->finish();
    }
  }
  void drain() {
    // Not under the lock: a backend that is waited for may itself be looked up.
    const std::vector<VulkanBackend*> all = [&] {
      const std::lock_guard lock(mutex_);
      return backends_;
    }();
    for (VulkanBackend* backend : all) {
      if (backend) backend->drain();
    }
  }

 private:
  std::mutex mutex_;
  std::vector<VulkanBackend*> backends_;
};

Registry& registry() {
  static Registry& result = *new Registry;  // never destroyed, as what it holds
  return result;
}

WaitAtThreadEnd::~WaitAtThreadEnd() { registry().drain(); }

}  // namespace
}  // namespace fovea::vulkan

namespace fovea {

Backend& vulkan_backend(int index, Caller caller) { return vulkan::registry().get(index, caller); }

VulkanCounters vulkan_counters(int index, Caller caller) { return vulkan::registry().get(index, caller).counters(); }

std::vector<std::string> vulkan_notes(int index, Caller caller) {
  return vulkan::registry().get(index, caller).notes();
}

}  // namespace fovea

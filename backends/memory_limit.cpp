#include "fovea/backends/memory_limit.h"

#include <array>
#include <atomic>

namespace fovea {
namespace {

constinit std::array<std::atomic<size_t>, 2> limits{};

}  // namespace

void set_memory_limit(Device::Kind kind, size_t bytes) { limits[static_cast<size_t>(kind)].store(bytes); }
size_t memory_limit(Device::Kind kind) { return limits[static_cast<size_t>(kind)].load(std::memory_order_relaxed); }

}  // namespace fovea

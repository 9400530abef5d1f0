#pragma once

#include <cstddef>

#include "fovea/backends/backend.h"

namespace fovea {

/// Bounds the bytes that the buffers of a kind of device may take, kept ones among them: what is kept is given back
/// before more is asked for, and a request that would still exceed the bound throws OutOfMemoryError. 0: no bound.
void set_memory_limit(Device::Kind kind, size_t bytes);
size_t memory_limit(Device::Kind kind);

}  // namespace fovea

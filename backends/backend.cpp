#include "fovea/backends/backend.h"

namespace fovea {

void BufferRef::recycle(Buffer* buffer) { buffer->backend().recycle(buffer); }

void Backend::lacks(const char* kernel) const {
  raise_here<DeviceError>("{}: {} has no such kernel", kernel, to_string(device()));
}

}  // namespace fovea

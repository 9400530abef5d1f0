#pragma once

#include <cstddef>
#include <functional>

namespace fovea::test {

/// How often `work` asks operator new for memory, on any thread. This program's operators count; see the source.
size_t count_allocations(const std::function<void()>& work);

/// Whether the CPU's allocator keeps what is freed for the next request; under the address sanitizer it does not.
bool keeps_freed_memory();

}  // namespace fovea::test

#pragma once

#include <cstddef>
#include <functional>

namespace fovea::test {

/// How often `work` asks operator new for memory, on any thread. This program's operators count; see the source.
size_t count_allocations(const std::function<void()>& work);

}  // namespace fovea::test

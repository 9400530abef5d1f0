#pragma once

#include <functional>

#include "fovea/backends/backend.h"

// Kernels of one's own, beside those of the Backend interface.
namespace fovea {

struct CustomCall;

/// A kernel that the library does not have, for the devices that it was written for. Both forms work on `items` that do
/// not depend on each other; a device whose form is absent throws DeviceError.
struct CustomKernel {
  const char* name;  // of static life
  /// Does the items [begin, end); called for several ranges at once, on several threads.
  std::function<void(const CustomCall& call, int64_t begin, int64_t end)> cpu = {};
  /// A compute shader's SPIR-V, one thread an item. Specialisation constant 0 is the size of a workgroup
  /// (`layout(local_size_x_id = 0) in`); an item's number is (gl_WorkGroupID.y * gl_NumWorkGroups.x +
  /// gl_WorkGroupID.x) * gl_WorkGroupSize.x + gl_LocalInvocationID.x, and those from `items` on are to be skipped.
  /// Push constants, in scalar layout: an address (uint64_t, or a buffer reference) per input and output in their
  /// order, then uint items, then a float per number; at most 128 bytes.
  std::span<const uint32_t> spirv = {};
  int64_t grain = 1024;  // items of a range on the CPU; a constant, so that no result depends on the number of threads
};

/// One run of it over contiguous views of one device.
struct CustomCall {
  const CustomKernel& kernel;
  std::span<const View* const> inputs;
  std::span<const View* const> outputs;
  std::span<const double> numbers;
  int64_t items;
};

/// Runs or records it on the device. Throws DeviceError.
void run(const CustomCall& call, Device device);
/// The same past every check and recording.
void launch(const CustomCall& call, Device device);

}  // namespace fovea

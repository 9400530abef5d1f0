#include <algorithm>
#include <cstdlib>
#include <limits>

#include "fovea/backends/vulkan/kernels.h"
#include "fovea/backends/vulkan/views.h"
#include "fovea/vulkan_shaders.h"

// Gather and scatter-add.
namespace fovea::vulkan {
namespace {

// lanes.glsl's block.
struct Lanes {
  uint64_t aligned, indexed, index, fault;
  uint32_t rank, axis, count, steps;
  int32_t bound, indexed_step;
  int32_t sizes[max_rank], aligned_strides[max_rank], index_strides[max_rank], indexed_strides[max_rank];
};

Lanes make_lanes(Engine& engine, const char* kernel, const View& aligned, const View& indexed, const View& index,
                 int axis) {
  Lanes lanes{};
  lanes.aligned = address_of(aligned);
  lanes.indexed = address_of(indexed);
  lanes.index = address_of(index);
  lanes.fault = engine.fault_address(kernel);
  lanes.rank = static_cast<uint32_t>(index.rank());
  lanes.axis = static_cast<uint32_t>(axis);
  lanes.steps = word(index.shape[axis]);
  lanes.bound = static_cast<int32_t>(indexed.shape[axis]);
  lanes.indexed_step = static_cast<int32_t>(indexed.strides[axis]);
  int64_t reach[3] = {0, 0, 0};
  for (int i = 0; i < index.rank(); ++i) {
    lanes.sizes[i] = static_cast<int32_t>(index.shape[i]);
    lanes.aligned_strides[i] = static_cast<int32_t>(aligned.strides[i]);
    lanes.index_strides[i] = static_cast<int32_t>(index.strides[i]);
    lanes.indexed_strides[i] = static_cast<int32_t>(indexed.strides[i]);
    reach[0] += std::abs(aligned.strides[i]) * index.shape[i];
    reach[1] += std::abs(index.strides[i]) * index.shape[i];
    reach[2] += std::abs(indexed.strides[i]) * indexed.shape[i];
  }
  if (*std::max_element(std::begin(reach), std::end(reach)) > std::numeric_limits<int32_t>::max())
    raise_here<DeviceError>("{}: an operand spans more than 2^31 elements", kernel);
  return lanes;
}

int64_t row_width(const View& table) {
  int64_t width = 1;
  for (int axis = 1; axis < table.rank(); ++axis) width *= table.shape[axis];
  return width;
}

void gather_rows(Engine& engine, const GatherCall& call) {
  const DenseView index(engine, call.index);
  const auto row_bytes = static_cast<uint64_t>(row_width(call.source)) * size_of(call.source.dtype);
  // The largest unit that rows and addresses are multiples of.
  const uint64_t all = row_bytes | address_of(call.source) | address_of(call.out);
  const uint64_t unit = all % 16 == 0 ? 16 : all % 4 == 0 ? 4 : all % 2 == 0 ? 2 : 1;
  struct {
    uint64_t source, index, out, fault;
    uint32_t width, count, bound, unused;
  } push{address_of(call.source), index.address(), address_of(call.out), engine.fault_address(call.name), 0, 0, 0, 0};
  const auto width = static_cast<int64_t>(row_bytes / unit), count = width * call.index.numel();
  check_count("gather", count);
  push.width = word(width);
  push.count = word(count);
  push.bound = word(call.source.shape[0]);
  engine.launch({.code = shaders::gather_rows,
                 .constants = {engine.map_threads(), 0, static_cast<uint32_t>(unit)},
                 .name = "gather",
                 .shape = call.out.shape,
                 .reads = {&call.source, index.get()},
                 .writes = {&call.out},
                 .groups = engine.groups_for(count),
                 .work = static_cast<double>(count) * static_cast<double>(unit)},
                push);
}

void scatter_rows(Engine& engine, const ScatterAddCall& call) {
  const DenseView index(engine, call.index);
  const int64_t count = call.index.numel(), width = row_width(call.out);
  BufferRef sorted_memory, positions_memory;
  View flat = *index.get();
  flat.shape = {count};
  flat.strides = {1};
  const View sorted = engine.scratch(sorted_memory, i32, {count});
  const View positions = engine.scratch(positions_memory, i32, {count});
  sort(engine, {.x = flat, .values = sorted, .indices = positions});
  check_count("scatter_add", count * width);
  struct {
    uint64_t sorted, positions, source, out, fault;
    uint32_t width, count;
    int32_t bound, skip;
    float scale;
    uint32_t unused;
  } push{address_of(sorted),
         address_of(positions),
         address_of(call.source),
         address_of(call.out),
         engine.fault_address(call.name),
         word(width),
         word(count),
         static_cast<int32_t>(call.out.shape[0]),
         static_cast<int32_t>(call.skip),
         static_cast<float>(call.scale),
         0};
  engine.launch({.code = shaders::scatter_rows,
                 .constants = {engine.map_threads(), type_constant("scatter_add", call.out)},
                 .name = "scatter_add",
                 .shape = call.source.shape,
                 .reads = {&sorted, &positions, &call.source, &call.out},
                 .writes = {&call.out},
                 .groups = engine.groups_for(count * width),
                 .work = 8.0 * static_cast<double>(count * width)},
                push);
}

}  // namespace

void gather(Engine& engine, const GatherCall& call) {
  type_constant("gather", call.source);
  if (call.out.numel() == 0) return;
  if (call.rows) return gather_rows(engine, call);
  Lanes lanes = make_lanes(engine, call.name, call.out, call.source, call.index, call.axis);
  check_count("gather", call.index.numel());
  lanes.count = word(call.index.numel());
  const uint64_t parameters = engine.upload_parameters(std::as_bytes(std::span(&lanes, 1)));
  engine.launch({.code = shaders::gather_axis,
                 .constants = {engine.map_threads(), 0, static_cast<uint32_t>(size_of(call.source.dtype))},
                 .name = "gather",
                 .shape = call.out.shape,
                 .reads = {&call.source, &call.index},
                 .writes = {&call.out},
                 .groups = engine.groups_for(lanes.count),
                 .work = 8.0 * lanes.count},
                parameters);
}

void scatter_add(Engine& engine, const ScatterAddCall& call) {
  type_constant("scatter_add", call.out);
  if (call.source.numel() == 0) return;
  if (call.rows) return scatter_rows(engine, call);
  Lanes lanes = make_lanes(engine, call.name, call.source, call.out, call.index, call.axis);
  check_count("scatter_add", call.index.numel());
  lanes.count = word(call.index.numel() / call.index.shape[call.axis]);
  const uint64_t parameters = engine.upload_parameters(std::as_bytes(std::span(&lanes, 1)));
  engine.launch({.code = shaders::scatter_axis,
                 .constants = {engine.map_threads(), type_constant("scatter_add", call.out)},
                 .name = "scatter_add",
                 .shape = call.source.shape,
                 .reads = {&call.source, &call.index, &call.out},
                 .writes = {&call.out},
                 .groups = engine.groups_for(lanes.count),
                 .work = 16.0 * static_cast<double>(call.index.numel())},
                parameters);
}

}  // namespace fovea::vulkan

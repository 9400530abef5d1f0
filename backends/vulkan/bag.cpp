#include "fovea/backends/vulkan/kernels.h"
#include "fovea/backends/vulkan/views.h"
#include "fovea/vulkan_shaders.h"

namespace fovea::vulkan {

void bag(Engine& engine, const BagCall& call) {
  const DenseView index(engine, call.index), offsets(engine, call.offsets);
  const int64_t bags = call.out.shape[0], width = call.out.shape[1];
  check_count("bag", bags * width);
  struct {
    uint64_t table, index, offsets, out, fault;
    uint32_t width, bags;
    int32_t count, rows;
    uint32_t mean, unused;
  } push{address_of(call.table),
         index.address(),
         offsets.address(),
         address_of(call.out),
         engine.fault_address(call.name),
         word(width),
         word(bags),
         static_cast<int32_t>(call.index.numel()),
         static_cast<int32_t>(call.table.shape[0]),
         call.mean,
         0};
  engine.launch({.code = shaders::bag,
                 .constants = {engine.map_threads(), type_constant("bag", call.table)},
                 .name = "bag",
                 .shape = call.out.shape,
                 .reads = {&call.table, index.get(), offsets.get()},
                 .writes = {&call.out},
                 .groups = engine.groups_for(bags * width),
                 .work = 8.0 * static_cast<double>(call.index.numel() * width)},
                push);
}

// How many distinct rows there are is not known here; the host does not wait for it but gives each index a row, of which
// the last are absent_row.
RowSparse bag_backward(Engine& engine, const BagBackwardCall& call) {
  const DenseView index(engine, call.index), offsets(engine, call.offsets);
  const int64_t count = call.index.numel(), width = call.dout.shape[1];
  check_count("bag_backward", count * width);
  RowSparse result;
  if (count == 0) {
    result.rows = engine.allocate(0);
    result.values = engine.allocate(0);
    return result;
  }
  BufferRef sorted_memory, positions_memory, starts_memory, numbers_memory;
  const View sorted = engine.scratch(sorted_memory, i32, {count});
  const View positions = engine.scratch(positions_memory, i32, {count});
  const View starts = engine.scratch(starts_memory, i32, {count});
  const View numbers = engine.scratch(numbers_memory, i32, {count});
  sort(engine, {.x = *index.get(), .values = sorted, .indices = positions});
  struct {
    uint64_t sorted, starts, fault;
    uint32_t count;
    int32_t skip;
  } mark{address_of(sorted), address_of(starts), engine.fault_address("bag_backward"), word(count),
         static_cast<int32_t>(call.skip)};
  engine.launch({.code = shaders::bag_starts,
                 .constants = {engine.map_threads()},
                 .name = "bag_backward",
                 .shape = call.index.shape,
                 .reads = {&sorted},
                 .writes = {&starts},
                 .groups = engine.groups_for(count)},
                mark);
  scan(engine, {.x = starts, .out = numbers});
  result.count = count;
  const View rows = engine.scratch(result.rows, i32, {count});
  const View values = engine.scratch(result.values, call.dout.dtype, {count, width});
  struct {
    uint64_t sorted, positions, numbers, offsets, dout, rows, values;
    uint32_t width, count, bags, mean;
    int32_t skip;
    uint32_t unused;
  } push{address_of(sorted),
         address_of(positions),
         address_of(numbers),
         offsets.address(),
         address_of(call.dout),
         address_of(rows),
         address_of(values),
         word(width),
         word(count),
         word(call.dout.shape[0]),
         call.mean,
         static_cast<int32_t>(call.skip),
         0};
  engine.launch({.code = shaders::bag_backward,
                 .constants = {engine.map_threads(), type_constant("bag_backward", call.dout)},
                 .name = "bag_backward",
                 .shape = call.dout.shape,
                 .reads = {&sorted, &positions, &numbers, offsets.get(), &call.dout},
                 .writes = {&rows, &values},
                 .groups = engine.groups_for(count * width),
                 .work = 8.0 * static_cast<double>(count * width)},
                push);
  return result;
}

}  // namespace fovea::vulkan

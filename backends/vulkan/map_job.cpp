#include "fovea/backends/vulkan/map_job.h"

#include <algorithm>
#include <cstdlib>

namespace fovea::vulkan {
namespace {

constexpr int64_t most = (int64_t{1} << 31) - 1;

// The stride of a view, broadcast to `rank` axes, along one of them.
int64_t stride_along(const View& view, int axis, int rank) {
  const int own = axis - (rank - view.rank());
  return own < 0 || view.shape[own] == 1 ? 0 : view.strides[own];
}

}  // namespace

MapJob make_job(const Shape& space, uint32_t folded, std::span<const View* const> inputs,
                std::span<const View* const> outputs) {
  MapJob job;
  job.inputs = inputs.size();
  job.operand_count = inputs.size() + outputs.size();
  const auto view = [&](size_t operand) -> const View& {
    return operand < inputs.size() ? *inputs[operand] : *outputs[operand - inputs.size()];
  };
  for (size_t operand = 0; operand < job.operand_count; ++operand) {
    const View& v = view(operand);
    job.operands[operand].address = v.buffer->address() + static_cast<uint64_t>(v.offset) * size_of(v.dtype);
    job.operands[operand].dtype = v.dtype;
  }

  // From the last axis outwards; the arrays are filled in that order and turned round at the end.
  const auto add_axis = [&](int axis, int& rank, std::array<int64_t, max_rank>& sizes,
                            std::array<int64_t, max_rank> MapJob::Operand::*strides) {
    const int64_t size = space[axis];
    bool joins = rank > 0;
    for (size_t operand = 0; joins && operand < job.operand_count; ++operand) {
      const auto last = static_cast<size_t>(rank - 1);
      joins = stride_along(view(operand), axis, space.rank()) == (job.operands[operand].*strides)[last] * sizes[last];
    }
    if (joins) {
      sizes[static_cast<size_t>(rank - 1)] *= size;
      return;
    }
    for (size_t operand = 0; operand < job.operand_count; ++operand)
      (job.operands[operand].*strides)[static_cast<size_t>(rank)] = stride_along(view(operand), axis, space.rank());
    sizes[static_cast<size_t>(rank++)] = size;
  };
  for (int axis = space.rank() - 1; axis >= 0; --axis) {
    if (space[axis] == 1) continue;
    if (folded >> axis & 1) {
      add_axis(axis, job.reduced_rank, job.reduced, &MapJob::Operand::reduced);
    } else {
      add_axis(axis, job.kept_rank, job.kept, &MapJob::Operand::kept);
    }
  }
  if (job.kept_rank == 0) {
    job.kept[0] = 1;
    job.kept_rank = 1;
    for (size_t operand = 0; operand < job.operand_count; ++operand) job.operands[operand].kept[0] = 0;
  }
  const auto turn = [](std::array<int64_t, max_rank>& values, int rank) {
    if (rank > 1) std::reverse(values.begin(), values.begin() + rank);
  };
  turn(job.kept, job.kept_rank);
  turn(job.reduced, job.reduced_rank);
  for (size_t operand = 0; operand < job.operand_count; ++operand) {
    turn(job.operands[operand].kept, job.kept_rank);
    turn(job.operands[operand].reduced, job.reduced_rank);
  }
  return job;
}

int64_t MapJob::kept_count() const {
  int64_t count = 1;
  for (int axis = 0; axis < kept_rank; ++axis) count *= kept[static_cast<size_t>(axis)];
  return count;
}

int64_t MapJob::reduced_count() const {
  int64_t count = 1;
  for (int axis = 0; axis < reduced_rank; ++axis) count *= reduced[static_cast<size_t>(axis)];
  return count;
}

bool MapJob::fits() const {
  if (kept_count() > most || reduced_count() > most) return false;
  for (size_t operand = 0; operand < operand_count; ++operand) {
    int64_t reach = 0;
    for (int axis = 0; axis < kept_rank; ++axis) {
      const auto a = static_cast<size_t>(axis);
      reach += std::abs(operands[operand].kept[a]) * (kept[a] - 1);
    }
    for (int axis = 0; axis < reduced_rank; ++axis) {
      const auto a = static_cast<size_t>(axis);
      reach += std::abs(operands[operand].reduced[a]) * std::max<int64_t>(reduced[a] - 1, 0);
    }
    if (reach > most) return false;
  }
  return true;
}

std::array<MapJob, 2> MapJob::halves() const {
  const auto longest = static_cast<size_t>(std::max_element(kept.begin(), kept.begin() + kept_rank) - kept.begin());
  if (kept[longest] < 2) raise_here<DeviceError>("vulkan: map: more than 2^31 elements to fold into one");
  std::array<MapJob, 2> parts{*this, *this};
  const int64_t middle = kept[longest] / 2;
  parts[0].kept[longest] = middle;
  parts[1].kept[longest] -= middle;
  for (size_t operand = 0; operand < operand_count; ++operand)
    parts[1].operands[operand].address +=
        static_cast<uint64_t>(middle * operands[operand].kept[longest]) * size_of(operands[operand].dtype);
  return parts;
}

}  // namespace fovea::vulkan

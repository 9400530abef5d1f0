#include <array>
#include <bit>
#include <cstring>
#include <span>
#include <utility>

#include "fovea/autograd/graph.h"
#include "fovea/autograd/indexing.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/backends/recording.h"
#include "fovea/tensor/raw.h"

namespace fovea {
namespace {

/// Where x is not 0, for the host, as rows along its last axis.
class Found {
 public:
  Found(const Tensor& x, const char* name, Caller caller) {
    raw::check_defined(name, x, caller);
    refuse_while_recording(name, caller);
    if (x.numel() > INT32_MAX) raise<ShapeError>(caller, "{}: {} has more than 2^31 elements", name, x.shape());
    const NoGrad off;
    mask_ = (x.dtype() == boolean ? x : ne(x, 0.0)).contiguous().to(Device::cpu());
    width_ = x.rank() > 0 ? x.shape().back() : 1;
    const auto* bytes = mask_.view().data<uint8_t>();
    int64_t i = 0;
    for (; i + 8 <= mask_.numel(); i += 8) {
      uint64_t eight;
      std::memcpy(&eight, bytes + i, 8);
      count_ += std::popcount(eight);  // each is 0 or 1
    }
    for (; i < mask_.numel(); ++i) count_ += bytes[i];
  }

  int64_t count() const { return count_; }

  /// Calls each(row, columns) for what was found, in order; a row may come in several pieces.
  template <class F>
  void visit(F each) const {
    const auto* holds = mask_.view().data<uint8_t>();
    std::array<int32_t, 1024> columns;
    for (int64_t first = 0, row = 0; first < mask_.numel(); first += width_, ++row) {
      for (int64_t begin = 0; begin < width_; begin += std::ssize(columns)) {
        const int64_t end = std::min(begin + std::ssize(columns), width_);
        // Each is written, and the next one over it where it does not hold: a branch would be mispredicted half the time.
        size_t count = 0;
        for (int64_t i = begin; i < end; ++i) {
          columns[count] = static_cast<int32_t>(i);
          count += holds[first + i];
        }
        if (count > 0) each(row, std::span<const int32_t>(columns.data(), count));
      }
    }
  }

 private:
  Tensor mask_;
  int64_t width_ = 1, count_ = 0;
};

}  // namespace

Tensor nonzero(const Tensor& x, Caller caller) {
  const ErrorScope scope(caller);
  const Found found(x, "nonzero", caller);
  const int rank = x.rank();
  // The allocator's memory: a vector's would be new to the process each time, and asking for it takes longer than all else.
  const Tensor positions = raw::empty({found.count(), rank}, {i32, Device::cpu()});
  auto* to = positions.view().data<int32_t>();
  Shape place = x.shape();  // of the first column of a row
  found.visit([&](int64_t row, std::span<const int32_t> columns) {
    for (int axis = rank - 2; axis >= 0; --axis) {
      place[axis] = row % x.shape()[axis];
      row /= x.shape()[axis];
    }
    if (rank == 2) {
      int32_t* pair = std::exchange(to, to + 2 * columns.size());
      const auto at = static_cast<int32_t>(place[0]);
      for (const int32_t column : columns) {
        pair[0] = at;
        pair[1] = column;
        pair += 2;
      }
      return;
    }
    for (const int32_t column : columns) {
      for (int axis = 0; axis + 1 < rank; ++axis) *to++ = static_cast<int32_t>(place[axis]);
      if (rank > 0) *to++ = column;
    }
  });
  return positions.to(x.device());
}

Tensor masked_select(const Tensor& x, const Tensor& mask, Caller caller) {
  const ErrorScope scope(caller);
  raw::check_defined("masked_select", x, caller);
  raw::check_defined("masked_select", mask, caller);
  if (mask.dtype() != boolean) raise<DTypeError>(caller, "masked_select: the mask must be bool, not {}", mask.dtype());
  const Shape shape = broadcast_shapes(x.shape(), mask.shape(), "masked_select", caller);
  const Found found(mask.expand(shape), "masked_select", caller);
  const Tensor positions = raw::empty({found.count()}, {i32, Device::cpu()});
  auto* to = positions.view().data<int32_t>();
  const int64_t width = shape.rank() > 0 ? shape.back() : 1;
  found.visit([&](int64_t row, std::span<const int32_t> columns) {
    for (const int32_t column : columns) *to++ = static_cast<int32_t>(row * width) + column;
  });
  return index_select(x.expand(shape, caller).reshape({-1}), 0, positions.to(x.device()), caller);
}

}  // namespace fovea

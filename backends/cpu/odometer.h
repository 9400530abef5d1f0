#pragma once

#include <cstdint>

#include "fovea/backends/shape.h"

namespace fovea::cpu {

/// Walks through the positions of a few axes, row by row, and says where N views stand there.
template <int N>
class Odometer {
 public:
  /// One more axis, outside those that were added before; strides in elements.
  void add(int64_t size, const int64_t (&strides)[N]) {
    Axis& axis = axes_[count_++];
    axis.size = size;
    for (int v = 0; v < N; ++v) axis.strides[v] = strides[v];
  }
  int64_t positions() const {
    int64_t product = 1;
    for (int i = 0; i < count_; ++i) product *= axes_[i].size;
    return product;
  }
  void go_to(int64_t position) {
    for (int v = 0; v < N; ++v) offset_[v] = 0;
    for (int i = 0; i < count_; ++i) {
      index_[i] = position % axes_[i].size;
      position /= axes_[i].size;
      for (int v = 0; v < N; ++v) offset_[v] += index_[i] * axes_[i].strides[v];
    }
  }
  void next() {
    for (int i = 0; i < count_; ++i) {
      const Axis& axis = axes_[i];
      for (int v = 0; v < N; ++v) offset_[v] += axis.strides[v];
      if (++index_[i] < axis.size) return;
      for (int v = 0; v < N; ++v) offset_[v] -= axis.size * axis.strides[v];
      index_[i] = 0;
    }
  }
  int64_t offset(int view) const { return offset_[view]; }

 private:
  struct Axis {
    int64_t size;
    int64_t strides[N];
  };
  int count_ = 0;
  Axis axes_[max_rank];
  int64_t index_[max_rank];
  int64_t offset_[N];
};

}  // namespace fovea::cpu

#pragma once

#include <algorithm>

#include "fovea/backends/cpu/map_tiles.h"

namespace fovea::cpu {

/// Runs steps along stretches in which every operand lies in T itself, one element behind the other or one for all.
template <class T>
class RowRun {
 public:
  static constexpr int most_operands = 32;

  explicit RowRun(const Code<T>& code) : code_(code), slots_(code.first_output - code.first_slot) {
    for (int i = code.first_constant; i < code.first_slot; ++i) {
      operands_[i] = {const_cast<T*>(code.constants.data()) + (i - code.first_constant) * Code<T>::lanes, 0};
    }
    if (slots_ == 0) return;
    tile_ = room / std::max(slots_, 6) / 64 * 64;
    for (int i = 0; i < slots_; ++i) operands_[code.first_slot + i] = {values_ + i * tile_, 1};
  }
  RowRun(const RowRun&) = delete;
  RowRun& operator=(const RowRun&) = delete;

  Operand& operator[](int operand) { return operands_[operand]; }

  /// Moves inputs and outputs on by so many elements.
  void forward(int64_t by) {
    const auto move = [by](Operand& operand) { operand.data = static_cast<T*>(operand.data) + by * operand.step; };
    for (int i = 0; i < code_.first_scalar; ++i) {
      if (code_.input_used[static_cast<size_t>(i)]) move(operands_[i]);
    }
    for (int i = code_.first_output; i < code_.operands; ++i) move(operands_[i]);
  }

  /// Computes the next n elements. What it reads and writes may have moved on by any number of them.
  void run(int64_t n) {
    const auto everywhere = [](size_t) { return true; };
    for (; n > tile_; n -= tile_) {
      run_steps(code_, operands_, tile_, everywhere);
      forward(tile_);
    }
    run_steps(code_, operands_, n, everywhere);
  }

 private:
  static constexpr int64_t room = 6 * 4096 / sizeof(T);  // of the slots, well inside a first-level cache

  const Code<T>& code_;
  const int slots_;
  int64_t tile_ = INT64_MAX;
  Operand operands_[most_operands];
  alignas(vector_bytes) T values_[room];
};

/// For calls whose views are all of type T and have rows without gaps, or one element for a whole row: no copies, no
/// division a row. Returns false for others.
template <class T>
bool map_rows(const MapCall& call, const Code<T>& code, int64_t grain, bool backward);

}  // namespace fovea::cpu

#pragma once

#include <algorithm>

#include "fovea/backends/round_up.h"
#include "fovea/backends/shape.h"

// How a fold of some axes is divided into tasks, which depends on sizes alone.
namespace fovea::cpu {

/// Numbers of a long row that are added up in their own type, and columns that are folded at once.
constexpr int64_t run_block = 4096, column_block = 1024;
/// Positions worth a task, and the most tasks.
constexpr int64_t task_positions = 32768, most_tasks = 32;

/// Neighbouring axes that are all folded or all kept, and how the tasks cut them.
struct FoldGroup {
  int64_t size;
  bool folded;
  int64_t stride = 1;      // in positions of the space
  int64_t out_stride = 0;  // in elements of the output; 0 where folded
  int64_t pieces = 1;

  int64_t begin(int64_t piece) const { return size * piece / pieces; }
};

/// How a space falls into folded and kept groups, which alternate, and into tasks. A task keeps a stretch of
/// successive output elements; where folded groups are cut, several tasks do so, and their results are folded at last.
struct FoldPlan {
  FoldGroup groups[max_rank];
  int count = 0;
  int64_t outputs = 1;  // elements
  int64_t tasks = 1;
  int64_t folded_pieces = 1;

  FoldPlan(const Shape& space, const Shape& out) {
    for (int axis = 0; axis < space.rank(); ++axis) {
      if (space[axis] == 1) continue;
      const bool folded = out[axis] != space[axis];
      if (count && groups[count - 1].folded == folded) {
        groups[count - 1].size *= space[axis];
      } else {
        groups[count++] = {.size = space[axis], .folded = folded};
      }
    }
    int64_t stride = 1;
    for (int g = count - 1; g >= 0; --g) {
      groups[g].stride = stride;
      stride *= groups[g].size;
      if (groups[g].folded) continue;
      groups[g].out_stride = outputs;
      outputs *= groups[g].size;
    }
    cut(std::min(most_tasks, stride / task_positions), stride);
  }

 private:
  void cut(int64_t wanted, int64_t positions) {
    // Kept groups first, outermost first, so that the results of a task are neighbours.
    for (int g = 0; g < count && tasks < wanted; ++g) {
      if (groups[g].folded) continue;
      const int64_t most = g == count - 1 ? groups[g].size / column_block : groups[g].size;
      groups[g].pieces = std::clamp<int64_t>(divide_up(wanted, tasks), 1, std::max<int64_t>(1, most));
      tasks *= groups[g].pieces;
      if (groups[g].pieces < groups[g].size) break;
    }
    // Then folded ones, as long as the partial results are few beside what is read.
    for (int g = 0; g < count && tasks < wanted; ++g) {
      if (!groups[g].folded) continue;
      int64_t most = g == count - 1 ? groups[g].size / run_block : groups[g].size;
      most = std::min(most, positions / 16 / (outputs * folded_pieces));
      groups[g].pieces = std::clamp<int64_t>(divide_up(wanted, tasks), 1, std::max<int64_t>(1, most));
      tasks *= groups[g].pieces;
      folded_pieces *= groups[g].pieces;
    }
  }
};

/// The part of a plan that one task works on.
struct FoldTask {
  int64_t begin[max_rank], end[max_rank];  // of each group
  int64_t first_output = 0, outputs = 1;
  int64_t folded_piece = 0;

  FoldTask(const FoldPlan& plan, int64_t number) {
    int64_t folded_pieces = 1;
    for (int g = plan.count - 1; g >= 0; --g) {
      const FoldGroup& group = plan.groups[g];
      const int64_t piece = number % group.pieces;
      number /= group.pieces;
      begin[g] = group.begin(piece);
      end[g] = group.begin(piece + 1);
      if (group.folded) {
        folded_piece += piece * folded_pieces;
        folded_pieces *= group.pieces;
      } else {
        first_output += begin[g] * group.out_stride;
        outputs *= size(g);
      }
    }
  }
  int64_t size(int g) const { return end[g] - begin[g]; }

  /// Calls f(position, output) for every index of the first `count` groups in this task, the other groups at 0 and at
  /// the task's first output.
  template <class F>
  void for_indices(const FoldPlan& plan, int count, F f) const {
    int64_t index[max_rank];
    int64_t position = 0, output = 0;
    for (int g = 0; g < count; ++g) {
      index[g] = begin[g];
      position += begin[g] * plan.groups[g].stride;
    }
    for (;;) {
      f(position, output);
      int g = count - 1;
      for (; g >= 0; --g) {
        position += plan.groups[g].stride;
        output += plan.groups[g].out_stride;
        if (++index[g] < end[g]) break;
        position -= size(g) * plan.groups[g].stride;
        output -= size(g) * plan.groups[g].out_stride;
        index[g] = begin[g];
      }
      if (g < 0) return;
    }
  }
};

}  // namespace fovea::cpu

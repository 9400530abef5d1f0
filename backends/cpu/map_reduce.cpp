#include "fovea/backends/cpu/map_reduce.h"

#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>

#include "fovea/backends/cpu/fold_plan.h"
#include "fovea/backends/cpu/map_room.h"
#include "fovea/backends/cpu/map_tiles.h"
#include "fovea/backends/cpu/threads.h"
#include "fovea/backends/round_up.h"

namespace fovea::cpu {
namespace {

/// Rows of columns that T alone adds up; beyond them f64 does for floating numbers.
constexpr int64_t row_block = 64;
/// Columns up to which several rows of them share a tile.
constexpr int64_t narrow_row = 512;
/// Rows that share a tile, at the most.
constexpr int64_t rows_room = 256;
/// Outputs of a call that are dealt with on the stack.
constexpr size_t most_outputs = 8;

template <class T>
using Total = std::conditional_t<std::is_floating_point_v<T>, double, T>;

template <class T>
T identity(Combine combine) {
  using Limits = std::numeric_limits<T>;
  if (combine == Combine::sum) return T{0};
  if (combine == Combine::maximum) return Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
  return Limits::has_infinity ? Limits::infinity() : Limits::max();
}

template <class T>
T fold(Combine combine, T a, T b) {
  if (combine == Combine::sum) {
    if constexpr (std::is_floating_point_v<T>) {
      return a + b;
    } else {
      return static_cast<T>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));  // wraps
    }
  }
  const bool first = combine == Combine::maximum ? a > b : a < b;
  return first || a != a ? a : b;
}

/// Stores totals as elements [begin, begin + n) of `out`, numbered row by row.
template <class T>
void store(const Total<T>* totals, const View& out, int64_t begin, int64_t n) {
  constexpr int64_t tile = 512;
  const Walk walk(out, out.shape);
  T values[tile];
  alignas(8) std::byte raw[tile * 8];
  for (int64_t i = 0; i < n; i += tile) {
    const int64_t count = std::min(tile, n - i);
    for (int64_t j = 0; j < count; ++j) values[j] = static_cast<T>(totals[i + j]);
    kernels<T>().store[static_cast<int>(out.dtype)](values, raw, count);
    walk.scatter(raw, begin + i, count);
  }
}

/// A pass over the space for all outputs that fold the same axes, and for those that fold none.
template <class T>
class Pass {
 public:
  Pass(const MapCall& call, const FoldPlan& plan)
      : call_(call),
        plan_(plan),
        code_(CompiledMap::of(call.program).template code<T>()),
        tiles_(call, code_),
        folded_(call.outputs.size()) {
    for (size_t k = 0; k < call.outputs.size(); ++k) {
      if (call.outputs[k]->shape != call.space) folded_[folded_count_++] = k;
    }
  }

  void run() {
    if (plan_.folded_pieces > 1) partial_ = Scratch<Total<T>>(size() * plan_.folded_pieces * plan_.outputs);
    const auto run_tasks = [&](int64_t begin, int64_t end) {
      for (int64_t number = begin; number < end; ++number) run_task(FoldTask(plan_, number));
    };
    const int64_t bytes = call_.space.numel() * static_cast<int64_t>(sizeof(T) * call_.inputs.size());
    parallel_for(plan_.tasks, 1, run_tasks, turns_back(bytes));
    if (plan_.folded_pieces > 1) join();
  }

 private:
  int64_t size() const { return static_cast<int64_t>(folded_count_); }
  Combine combine(int64_t k) const { return code_.outputs[folded_[static_cast<size_t>(k)]].combine; }
  const View& output(int64_t k) const { return *call_.outputs[folded_[static_cast<size_t>(k)]]; }
  /// The results of piece `piece` for output k.
  Total<T>* partial(int64_t k, int64_t piece) const {
    return partial_.data() + (k * plan_.folded_pieces + piece) * plan_.outputs;
  }

  void run_task(const FoldTask& task) {
    const bool whole = plan_.folded_pieces == 1;
    const Scratch<Total<T>> room = whole ? Scratch<Total<T>>(size() * task.outputs) : Scratch<Total<T>>();
    Room<Total<T>*, 8> totals(folded_count_);
    for (int64_t k = 0; k < size(); ++k) {
      totals[static_cast<size_t>(k)] =
          whole ? room.data() + k * task.outputs : partial(k, task.folded_piece) + task.first_output;
      std::fill_n(totals[static_cast<size_t>(k)], task.outputs, identity<Total<T>>(combine(k)));
    }
    typename Tiles<T>::Worker worker(tiles_);
    const int last = plan_.count - 1;
    if (!plan_.groups[last].folded) {
      fold_columns(task, worker, totals.data());
    } else if (last > 0 && plan_.groups[last].size <= tile()) {
      fold_short_rows(task, worker, totals.data());
    } else {
      fold_long_rows(task, worker, totals.data());
    }
    if (!whole) return;
    for (int64_t k = 0; k < size(); ++k) {
      store<T>(totals[static_cast<size_t>(k)], output(k), task.first_output, task.outputs);
    }
  }

  const T* values(typename Tiles<T>::Worker& worker, int64_t k) const {
    return worker.held(folded_[static_cast<size_t>(k)]);
  }
  static void add(Combine combine, Total<T>& total, T value) {
    total = fold(combine, total, static_cast<Total<T>>(value));
  }
  const KernelSet& kernel() const { return kernels<T>(); }

  /// Halves the partial results until one is left.
  static T fold_across(Combine combine, T* lanes) {
    for (int64_t half = fold_lanes<T> / 2; half > 0; half /= 2) {
      for (int64_t i = 0; i < half; ++i) lanes[i] = fold(combine, lanes[i], lanes[i + half]);
    }
    return lanes[0];
  }

  void fold_long_rows(const FoldTask& task, typename Tiles<T>::Worker& worker, Total<T>** totals) {
    const int last = plan_.count - 1;
    Room<T, 4 * fold_lanes<T>> lanes(static_cast<size_t>(size() * fold_lanes<T>));
    task.for_indices(plan_, last, [&](int64_t position, int64_t output) {
      const int64_t end = position + task.end[last];
      for (int64_t block = position + task.begin[last]; block < end; block += run_block) {
        const int64_t block_end = std::min(end, block + run_block);
        if (block_end - block <= tile()) {
          fold_rows(worker, block, block_end - block, 1, [&](int64_t k) { return totals[k] + output; });
          continue;
        }
        for (int64_t k = 0; k < size(); ++k) {
          std::fill_n(lanes.data() + k * fold_lanes<T>, fold_lanes<T>, identity<T>(combine(k)));
        }
        for (int64_t i = block; i < block_end;) {
          const int64_t n = std::min(tiles_.tile(), block_end - i);
          worker.run(i, n);
          for (int64_t k = 0; k < size(); ++k) {
            kernel().fold_run[static_cast<int>(combine(k))](values(worker, k), n, lanes.data() + k * fold_lanes<T>);
          }
          i += n;
        }
        for (int64_t k = 0; k < size(); ++k) {
          add(combine(k), totals[k][output], fold_across(combine(k), lanes.data() + k * fold_lanes<T>));
        }
      }
    });
  }

  /// Folds `rows` (at most rows_room) rows that lie one behind the other and fill a tile together, each into one of the
  /// totals from total(k) on.
  template <class F>
  void fold_rows(typename Tiles<T>::Worker& worker, int64_t position, int64_t length, int64_t rows, F total) {
    T results[rows_room];
    worker.run(position, rows * length);
    for (int64_t k = 0; k < size(); ++k) {
      kernel().fold_each[static_cast<int>(combine(k))](values(worker, k), length, rows, results);
      Total<T>* const totals = total(k);
      for (int64_t i = 0; i < rows; ++i) add(combine(k), totals[i], results[i]);
    }
  }

  void fold_short_rows(const FoldTask& task, typename Tiles<T>::Worker& worker, Total<T>** totals) {
    const int above = plan_.count - 2;
    const int64_t length = plan_.groups[above + 1].size;
    const int64_t together = std::min(tiles_.uncut(), run_block) / length;
    const int64_t most = tiles_.in_memory() ? rows_room : std::clamp<int64_t>(together, 1, rows_room);
    task.for_indices(plan_, above, [&](int64_t position, int64_t output) {
      for (int64_t row = task.begin[above]; row < task.end[above];) {
        const int64_t rows = std::min(most, task.end[above] - row);
        const int64_t first = output + (row - task.begin[above]) * plan_.groups[above].out_stride;
        fold_rows(worker, position + row * length, length, rows, [&](int64_t k) { return totals[k] + first; });
        row += rows;
      }
    });
  }

  /// Whole rows fold into a row, a block of columns at a time; narrow ones come many to a tile.
  void fold_columns(const FoldTask& task, typename Tiles<T>::Worker& worker, Total<T>** totals) {
    const int last = plan_.count - 1, above = last - 1;
    const int64_t stride = plan_.groups[above].stride;
    const bool narrow = task.size(last) == stride && stride <= narrow_row;
    const int64_t width = std::min(tile(), std::min(column_block, task.size(last)));
    // Rows that stand in memory as they are need no tile.
    const int64_t rows_at_once = tiles_.in_memory() ? row_block : narrow ? std::max<int64_t>(1, tile() / stride) : 1;
    Room<T, 4 * column_block> sums(static_cast<size_t>(size() * column_block));
    task.for_indices(plan_, above, [&](int64_t position, int64_t output) {
      for (int64_t column = task.begin[last]; column < task.end[last]; column += width) {
        const int64_t n = std::min(width, task.end[last] - column);
        for (int64_t block = task.begin[above]; block < task.end[above]; block += row_block) {
          const int64_t block_end = std::min(task.end[above], block + row_block);
          for (int64_t k = 0; k < size(); ++k) std::fill_n(sums.data() + k * column_block, n, identity<T>(combine(k)));
          for (int64_t row = block; row < block_end;) {
            const int64_t rows = std::min(rows_at_once, block_end - row);
            worker.run(position + row * stride + column, tiles_.in_memory() ? n : (rows - 1) * stride + n);
            for (int64_t k = 0; k < size(); ++k) {
              kernel().fold_rows[static_cast<int>(combine(k))](values(worker, k), stride, rows, n,
                                                               sums.data() + k * column_block);
            }
            row += rows;
          }
          for (int64_t k = 0; k < size(); ++k) {
            Total<T>* total = totals[k] + output + column - task.begin[last];
            for (int64_t i = 0; i < n; ++i) add(combine(k), total[i], sums[static_cast<size_t>(k * column_block + i)]);
          }
        }
      }
    });
  }

  /// As many positions as a worker should take where it could take any number.
  int64_t tile() const { return std::min(tiles_.tile(), run_block); }

  /// Folds the results of the pieces and stores them.
  void join() {
    parallel_for(plan_.outputs, run_block, [&](int64_t begin, int64_t end) {
      for (int64_t k = 0; k < size(); ++k) {
        Total<T>* total = partial(k, 0);
        for (int64_t piece = 1; piece < plan_.folded_pieces; ++piece) {
          const Total<T>* other = partial(k, piece);
          for (int64_t i = begin; i < end; ++i) total[i] = fold(combine(k), total[i], other[i]);
        }
        store<T>(total + begin, output(k), begin, end - begin);
      }
    });
  }

  const MapCall& call_;
  const FoldPlan& plan_;
  const Code<T>& code_;
  Tiles<T> tiles_;
  Room<size_t, most_outputs> folded_;
  size_t folded_count_ = 0;
  Scratch<Total<T>> partial_;
};

template <class T>
void run_pass(const MapCall& call, const Shape& out) {
  const FoldPlan plan(call.space, out);
  Pass<T>(call, plan).run();
}

/// One pass for each set of folded axes; outputs that fold none go with the last, since they may overwrite inputs.
template <class T>
void run_passes(const MapCall& call) {
  Room<const View*, most_outputs> room(call.outputs.size()), outputs(call.outputs.size());
  const std::span<const View*> pending(room.data(), call.outputs.size());
  std::copy(call.outputs.begin(), call.outputs.end(), pending.begin());
  const auto folds = [&](const View* view) { return view && view->shape != call.space; };
  for (;;) {
    const View* first = *std::find_if(pending.begin(), pending.end(), folds);
    const bool last = std::all_of(pending.begin(), pending.end(),
                                  [&](const View* view) { return !folds(view) || view->shape == first->shape; });
    uint64_t chosen = 0;
    size_t count = 0;
    for (size_t k = 0; k < pending.size(); ++k) {
      if (!pending[k] || (!last && pending[k]->shape != first->shape)) continue;
      chosen |= uint64_t{1} << k;
      outputs[count++] = std::exchange(pending[k], nullptr);
    }
    const Program& part = CompiledMap::of(call.program).with_outputs(chosen);
    run_pass<T>({part, call.compute, call.space, call.inputs, {outputs.data(), count}, call.scalars}, first->shape);
    if (last) return;
  }
}

}  // namespace

template <class T>
void map_reduce(const MapCall& call) {
  if (call.space.numel() == 0) {
    for (size_t k = 0; k < call.outputs.size(); ++k) {
      const View& out = *call.outputs[k];
      const Total<T> nothing = identity<Total<T>>(call.program.outputs[k].combine);
      for (int64_t i = 0; i < out.numel(); ++i) store<T>(&nothing, out, i, 1);
    }
    return;
  }
  const View* first = nullptr;
  bool alike = true;
  for (const View* output : call.outputs) {
    if (output->shape == call.space) continue;
    alike = alike && (!first || output->shape == first->shape);
    first = output;
  }
  if (alike) {
    run_pass<T>(call, first->shape);
  } else {
    run_passes<T>(call);
  }
}

template void map_reduce<float>(const MapCall& call);
template void map_reduce<double>(const MapCall& call);
template void map_reduce<int32_t>(const MapCall& call);

}  // namespace fovea::cpu

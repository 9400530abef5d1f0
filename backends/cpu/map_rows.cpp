#include "fovea/backends/cpu/map_rows.h"

#include "fovea/backends/cpu/map_convert.h"
#include "fovea/backends/cpu/odometer.h"
#include "fovea/backends/cpu/threads.h"
#include "fovea/backends/round_up.h"

namespace fovea::cpu {
namespace {

constexpr int most_views = 9;  // prod's eight parts and what they make
/// Rows at least this long are worth a call a step; where there are several steps, one row is a tile of its own.
constexpr int64_t least_row = 16, least_tiled_row = 128;

/// The views of a call over common axes, the innermost first: neighbouring axes are one where all views allow it.
template <class T>
struct Rows {
  struct Axis {
    int64_t size;
    int64_t strides[most_views];
  };
  struct Operand {
    T* first;
    int place;  // among the operands
  };
  Operand operands[most_views];
  Axis axes[max_rank];
  int views = 0, count = 0;

  /// False where the views are not of type T or too many.
  bool place(const MapCall& call, const Code<T>& code) {
    const View* of[most_views];
    const auto add = [&](const View& view, int place) {
      if (view.dtype != dtype_of<T> || views == most_views) return false;
      of[views] = &view;
      operands[views++] = {view.data<T>(), place};
      return true;
    };
    for (size_t k = 0; k < call.outputs.size(); ++k) {
      if (!add(*call.outputs[k], code.first_output + static_cast<int>(k)) || reads_after(call, code, k)) return false;
    }
    for (size_t i = 0; i < call.inputs.size(); ++i) {
      if (code.input_used[i] && !add(*call.inputs[i], static_cast<int>(i))) return false;
    }
    for (int axis = call.space.rank() - 1; axis >= 0; --axis) {
      if (call.space[axis] > 1) join(call.space, axis, of);
    }
    return true;
  }

  /// All axes but the innermost.
  Odometer<most_views> outer() const {
    Odometer<most_views> odometer;
    for (int i = 1; i < count; ++i) odometer.add(axes[i].size, axes[i].strides);
    return odometer;
  }

 private:
  void join(const Shape& space, int axis, const View* const* of) {
    Axis next{space[axis], {}};
    bool joins = count > 0;
    for (int v = 0; v < views; ++v) {
      const int own = axis - (space.rank() - of[v]->rank());
      next.strides[v] = own < 0 || of[v]->shape[own] == 1 ? 0 : of[v]->strides[own];
      joins = joins && next.strides[v] == axes[count - 1].size * axes[count - 1].strides[v];
    }
    if (joins) {
      axes[count - 1].size *= next.size;
    } else {
      axes[count++] = next;
    }
  }
};

}  // namespace

template <class T>
bool map_rows(const MapCall& call, const Code<T>& code, int64_t grain, bool backward) {
  constexpr int most_scalars = 6;
  Rows<T> rows;
  if (code.operands > RowRun<T>::most_operands || call.scalars.size() > most_scalars) return false;
  if (!rows.place(call, code) || rows.count == 0) return false;
  const auto& row = rows.axes[0];
  if (row.size < (code.steps.size() > 2 ? least_tiled_row : least_row)) return false;
  const int outputs = static_cast<int>(call.outputs.size());
  for (int v = 0; v < rows.views; ++v) {
    if (row.strides[v] != 1 && (v < outputs || row.strides[v] != 0)) return false;
  }
  Repeated<T> scalars[most_scalars];
  for (size_t i = 0; i < call.scalars.size(); ++i) scalars[i].fill(convert<T>(call.scalars[i]));

  const int64_t pieces = divide_up(row.size, grain), length = divide_up(row.size, pieces);
  const auto outer = rows.outer();
  const auto compute = [&](int64_t begin, int64_t end) {
    RowRun<T> run(code);
    Repeated<T> repeated[most_views];
    for (size_t i = 0; i < call.scalars.size(); ++i)
      run[code.first_scalar + static_cast<int>(i)] = {scalars[i].lanes, 0};
    auto position = outer;
    position.go_to(begin / pieces);
    int64_t first = begin % pieces * length;
    for (int64_t i = begin; i < end; ++i) {
      for (int v = 0; v < rows.views; ++v) {
        T* data = rows.operands[v].first + position.offset(v);
        if (row.strides[v]) {
          run[rows.operands[v].place] = {data + first, 1};
        } else {
          repeated[v].fill(*data);
          run[rows.operands[v].place] = {repeated[v].lanes, 0};
        }
      }
      run.run(std::min(length, row.size - first));
      first += length;
      if (first < row.size) continue;
      first = 0;
      position.next();
    }
  };
  parallel_for(outer.positions() * pieces, std::max<int64_t>(1, grain / row.size), compute, backward);
  return true;
}

template bool map_rows<float>(const MapCall&, const Code<float>&, int64_t, bool);
template bool map_rows<double>(const MapCall&, const Code<double>&, int64_t, bool);
template bool map_rows<int32_t>(const MapCall&, const Code<int32_t>&, int64_t, bool);

}  // namespace fovea::cpu

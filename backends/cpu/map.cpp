#include "fovea/backends/cpu/map.h"

#include <algorithm>
#include <cstdlib>

#include "fovea/backends/cpu/insertion_sort.h"
#include "fovea/backends/cpu/map_code.h"
#include "fovea/backends/cpu/map_convert.h"
#include "fovea/backends/cpu/map_copy.h"
#include "fovea/backends/cpu/map_reduce.h"
#include "fovea/backends/cpu/map_rows.h"
#include "fovea/backends/cpu/map_tiles.h"
#include "fovea/backends/cpu/map_truths.h"
#include "fovea/backends/cpu/threads.h"
#include "fovea/backends/round_up.h"

namespace fovea::cpu {
namespace {

/// Elements of n to a chunk of parallel work, in an even number of chunks that are alike. Cheap calls are shared from one size
/// on: what another core has written is waited for longer than it takes to be computed.
int64_t grain(int cost, int64_t n) {
  constexpr int64_t most_of_cheap = 32768;
  const int64_t most = cost < 12 ? most_of_cheap : std::clamp<int64_t>(98304 / cost / 1024 * 1024, 4096, most_of_cheap);
  return n <= most ? most : round_up(divide_up(n, round_up(divide_up(n, most), 2)), 1024);
}

/// About as many bytes as a call touches.
template <class T>
int64_t touched(const MapCall& call) {
  return call.space.numel() * static_cast<int64_t>(sizeof(T) * (call.inputs.size() + call.outputs.size()));
}

/// The very shape of the space, without gaps.
bool is_plain(const View& view, const Shape& space) {
  if (view.rank() != space.rank()) return false;
  int64_t expected = 1;
  for (int axis = space.rank() - 1; axis >= 0; --axis) {
    const int64_t size = view.shape[axis];
    if (size != space[axis] || (view.strides[axis] != expected && size != 1)) return false;
    expected *= size;
  }
  return true;
}

/// The shortest way, for calls whose views are all plain or one element, of type T: no allocation, no analysis.
/// Returns false for others.
template <class T>
bool map_plain(const MapCall& call, const Code<T>& code, int64_t n) {
  constexpr int most_repeated = 6;
  if (code.operands > RowRun<T>::most_operands) return false;
  Operand operands[RowRun<T>::most_operands];
  Repeated<T> repeated[most_repeated];
  int used = 0;
  const auto repeat = [&](int operand, T value) {
    repeated[used].fill(value);
    operands[operand] = {repeated[used++].lanes, 0};
  };

  for (size_t k = 0; k < call.outputs.size(); ++k) {
    const View& view = *call.outputs[k];
    if (view.dtype != dtype_of<T> || !is_plain(view, call.space) || reads_after(call, code, k)) return false;
    operands[static_cast<size_t>(code.first_output) + k] = {view.data<T>(), 1};
  }
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    if (!code.input_used[i]) continue;
    const View& view = *call.inputs[i];
    if (view.dtype != dtype_of<T>) return false;
    if (is_plain(view, call.space)) {
      operands[i] = {view.data<T>(), 1};
    } else if (view.numel() == 1 && used < most_repeated) {
      repeat(static_cast<int>(i), *view.data<T>());
    } else {
      return false;
    }
  }
  if (call.scalars.size() > static_cast<size_t>(most_repeated - used)) return false;
  for (size_t i = 0; i < call.scalars.size(); ++i) {
    repeat(code.first_scalar + static_cast<int>(i), convert<T>(call.scalars[i]));
  }
  for (int i = code.first_constant; i < code.first_slot; ++i) {
    operands[i] = {const_cast<T*>(code.constants.data()) + (i - code.first_constant) * Code<T>::lanes, 0};
  }

  const int slots = code.first_output - code.first_slot;
  if (slots == 0 && n <= grain(code.cost, n)) {
    run_steps(code, operands, n, [](size_t) { return true; });
    return true;
  }
  const auto compute = [&](int64_t begin, int64_t end) {
    RowRun<T> run(code);
    for (int i = 0; i < code.first_constant; ++i) {
      if (i >= code.first_scalar || code.input_used[static_cast<size_t>(i)]) run[i] = operands[i];
    }
    for (int i = code.first_output; i < code.operands; ++i) run[i] = operands[i];
    run.forward(begin);
    run.run(end - begin);
  };
  parallel_for(n, grain(code.cost, n), compute, turns_back(touched<T>(call)));
  return true;
}

/// Axes by falling stride of an output that is not plain, so that it is written in the order in which it lies.
bool sort_axes(const View& out, int* order) {
  for (int i = 0; i < out.rank(); ++i) order[i] = i;
  const auto before = [&](int a, int b) { return std::abs(out.strides[a]) > std::abs(out.strides[b]); };
  if (std::is_sorted(order, order + out.rank(), before)) return false;
  insertion_sort(order, order + out.rank(), before);
  return true;
}

template <class T>
void map_tiles(const MapCall& call, const Code<T>& code, bool backward) {
  int order[max_rank];
  const bool reorder = !call.outputs.empty() && sort_axes(*call.outputs[0], order);
  const Tiles<T> tiles(call, code, reorder ? order : nullptr);
  const auto compute = [&](int64_t begin, int64_t end) { tiles.run(begin, end); };
  parallel_for(call.space.numel(), grain(code.cost, call.space.numel()), compute, backward);
}

template <class T>
void run(const MapCall& call) {
  for (const View* output : call.outputs) {
    if (output->shape != call.space) return map_reduce<T>(call);
  }
  const int64_t n = call.space.numel();
  if (n == 0) return;
  const Code<T>& code = CompiledMap::of(call.program).template code<T>();
  if (map_plain(call, code, n)) return;
  const bool backward = turns_back(touched<T>(call));
  if (!map_rows(call, code, grain(code.cost, n), backward)) map_tiles(call, code, backward);
}

/// A program that only copies, between views of one dtype.
bool is_copy(const MapCall& call) {
  const Program& program = call.program;
  return program.code.size() == 1 && program.code[0].op == Op::input && program.outputs.size() == 1 &&
         call.inputs[0]->dtype == call.outputs[0]->dtype && call.outputs[0]->shape == call.space;
}

}  // namespace

void map(const MapCall& call) {
  // Inputs that the program does not know are none of the kernels' business.
  if (const auto inputs = static_cast<size_t>(call.program.inputs); call.inputs.size() > inputs) {
    return map({call.program, call.compute, call.space, call.inputs.first(inputs), call.outputs, call.scalars});
  }
  if (is_copy(call)) {
    if (call.space.numel()) copy_elements(*call.inputs[0], *call.outputs[0]);
    return;
  }
  if (map_truths(call)) return;
  switch (call.compute) {
    case DType::f64:
      return run<double>(call);
    case DType::i32:
      return run<int32_t>(call);
    default:
      return run<float>(call);
  }
}

}  // namespace fovea::cpu

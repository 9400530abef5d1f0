#include "fovea/backends/cpu/map_truths.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "fovea/backends/cpu/insertion_sort.h"
#include "fovea/backends/cpu/map_convert.h"
#include "fovea/backends/cpu/odometer.h"
#include "fovea/backends/cpu/threads.h"
#include "fovea/backends/round_up.h"

namespace fovea::cpu {
namespace {

constexpr int most_truth_views = 3;  // two inputs and an output
/// Rows at least this long are worth a loop of their own; elements of work that are worth a chunk.
constexpr int64_t least_truth_row = 16, truth_chunk = 131072;

struct TruthAxis {
  int64_t size;
  int64_t strides[most_truth_views];
};

/// The axes of the views over the output's shape, the output's closest neighbours first, joined where all views allow it.
int common_truth_axes(const View* const* views, int count, TruthAxis* axes) {
  const Shape& space = views[0]->shape;
  int given = 0;
  for (int axis = space.rank() - 1; axis >= 0; --axis) {
    if (space[axis] == 1) continue;
    TruthAxis next{space[axis], {}};
    for (int v = 0; v < count; ++v) {
      const int own = axis - (space.rank() - views[v]->rank());
      next.strides[v] = own < 0 || views[v]->shape[own] == 1 ? 0 : views[v]->strides[own];
    }
    axes[given++] = next;
  }
  insertion_sort(axes, axes + given, [](const TruthAxis& a, const TruthAxis& b) {
    return std::abs(a.strides[0]) < std::abs(b.strides[0]);
  });
  int kept = 0;
  for (int i = 0; i < given; ++i) {
    bool joins = kept > 0;
    for (int v = 0; v < count; ++v) {
      joins = joins && axes[i].strides[v] == axes[kept - 1].size * axes[kept - 1].strides[v];
    }
    if (joins) {
      axes[kept - 1].size *= axes[i].size;
    } else {
      axes[kept++] = axes[i];
    }
  }
  return kept;
}

using TruthRow = void (*)(const uint8_t* a, int64_t a_step, const uint8_t* b, int64_t b_step, uint8_t* out, int64_t n);

/// out[i] = f(a[i], b[i]) for n elements; an input of step 0 is one element.
template <class F>
void run_row(const uint8_t* a, int64_t a_step, const uint8_t* b, int64_t b_step, uint8_t* out, int64_t n) {
  constexpr F f{};
  const auto result = [](int truth) { return static_cast<uint8_t>(truth); };
  if (a_step && b_step) {
    for (int64_t i = 0; i < n; ++i) out[i] = result(f(a[i], b[i]));
  } else if (a_step) {
    const uint8_t other = *b;
    for (int64_t i = 0; i < n; ++i) out[i] = result(f(a[i], other));
  } else if (b_step) {
    const uint8_t other = *a;
    for (int64_t i = 0; i < n; ++i) out[i] = result(f(other, b[i]));
  } else {
    std::memset(out, f(*a, *b), static_cast<size_t>(n));
  }
}

template <class F>
constexpr TruthRow row_of(F) {
  return run_row<F>;
}

/// The operation on bytes that are 0 or 1; null for operations that are none.
TruthRow row_of(Op op) {
  switch (op) {
    case Op::logical_not:
      return row_of([](int a, int) { return a ^ 1; });
    case Op::logical_and:
      return row_of([](int a, int b) { return a & b; });
    case Op::logical_or:
      return row_of([](int a, int b) { return a | b; });
    case Op::eq:
      return row_of([](int a, int b) { return a ^ b ^ 1; });
    case Op::ne:
      return row_of([](int a, int b) { return a ^ b; });
    case Op::lt:
      return row_of([](int a, int b) { return b & (a ^ 1); });
    case Op::le:
      return row_of([](int a, int b) { return b | (a ^ 1); });
    case Op::gt:
      return row_of([](int a, int b) { return a & (b ^ 1); });
    case Op::ge:
      return row_of([](int a, int b) { return a | (b ^ 1); });
    default:
      return nullptr;
  }
}

}  // namespace

bool map_truths(const MapCall& call) {
  const auto is_bool = [](const View* view) { return view->dtype == DType::boolean; };
  if (call.outputs.size() != 1 || !is_bool(call.outputs[0]) || call.outputs[0]->shape != call.space) return false;
  const Program& program = call.program;
  const Instruction& made = program.code[program.outputs[0].value];
  const bool filled = made.op == Op::scalar && call.compute == DType::i32;
  const TruthRow row = row_of(filled ? Op::logical_and : made.op);
  if (!row) return false;

  const int inputs = arity(made.op);
  const View* views[most_truth_views] = {call.outputs[0]};
  for (int k = 0; k < inputs; ++k) {
    const Instruction& operand = program.code[made.operands[k]];
    if (operand.op != Op::input || !is_bool(call.inputs[operand.index])) return false;
    views[1 + k] = call.inputs[operand.index];
  }
  if (call.space.numel() == 0) return true;

  TruthAxis axes[max_rank];
  int count = common_truth_axes(views, 1 + inputs, axes);
  if (count == 0) axes[count++] = {1, {1, 0, 0}};
  const TruthAxis inner = axes[0];
  const auto steps = [](int64_t stride) { return stride == 0 || stride == 1; };
  if (inner.strides[0] != 1 || !steps(inner.strides[1]) || !steps(inner.strides[2])) return false;
  if (inner.size < least_truth_row && count > 1) return false;

  int64_t rows = 1;
  for (int i = 1; i < count; ++i) rows *= axes[i].size;
  const uint8_t value = filled && to_i32(call.scalars[made.index]) != 0;
  const auto first = [&](int v) { return v > inputs ? nullptr : reinterpret_cast<uint8_t*>(views[v]->data<bool>()); };
  uint8_t* out = first(0);
  const uint8_t* a = filled ? &value : first(1);
  const uint8_t* b = inputs == 2 ? first(2) : a;
  const int64_t b_step = inputs == 2 ? inner.strides[2] : inner.strides[1];
  const int64_t pieces = divide_up(inner.size, truth_chunk), length = divide_up(inner.size, pieces);
  parallel_for(rows * pieces, std::max<int64_t>(1, truth_chunk / inner.size), [&](int64_t begin, int64_t end) {
    Odometer<most_truth_views> position;
    for (int axis = 1; axis < count; ++axis) position.add(axes[axis].size, axes[axis].strides);
    position.go_to(begin / pieces);
    int64_t from = begin % pieces * length;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t second = inputs == 2 ? position.offset(2) : position.offset(1);
      row(a + position.offset(1) + from * inner.strides[1], inner.strides[1], b + second + from * b_step, b_step,
          out + position.offset(0) + from, std::min(length, inner.size - from));
      from += length;
      if (from < inner.size) continue;
      from = 0;
      position.next();
    }
  });
  return true;
}

}  // namespace fovea::cpu

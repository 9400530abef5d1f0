#include "fovea/backends/cpu/map.h"

#include <cmath>
#include <limits>
#include <vector>

namespace fovea::cpu {
namespace {

template <class T>
T load(const View& view, int64_t position) {
  switch (view.dtype) {
    case DType::f32:
      return static_cast<T>(view.data<float>()[position]);
    case DType::f64:
      return static_cast<T>(view.data<double>()[position]);
    case DType::f16:
      return static_cast<T>(static_cast<float>(view.data<Half>()[position]));
    case DType::bf16:
      return static_cast<T>(static_cast<float>(view.data<BFloat16>()[position]));
    case DType::i32:
      return static_cast<T>(view.data<int32_t>()[position]);
    case DType::boolean:
      return static_cast<T>(view.data<bool>()[position]);
  }
  return T{};
}

template <class T>
void store(const View& view, int64_t position, T value) {
  switch (view.dtype) {
    case DType::f32:
      view.data<float>()[position] = static_cast<float>(value);
      break;
    case DType::f64:
      view.data<double>()[position] = static_cast<double>(value);
      break;
    case DType::f16:
      view.data<Half>()[position] = Half(static_cast<float>(value));
      break;
    case DType::bf16:
      view.data<BFloat16>()[position] = BFloat16(static_cast<float>(value));
      break;
    case DType::i32:
      view.data<int32_t>()[position] = static_cast<int32_t>(value);
      break;
    case DType::boolean:
      view.data<bool>()[position] = value != T{0};
      break;
  }
}

template <class T>
T greater(T a, T b) {
  return a > b || a != a ? a : b;
}
template <class T>
T lesser(T a, T b) {
  return a < b || a != a ? a : b;
}

template <class T>
T evaluate(Op op, T a, T b, T c) {
  switch (op) {
    case Op::input:
    case Op::scalar:
    case Op::constant:
      break;
    case Op::neg:
      return -a;
    case Op::abs:
      return a < T{0} || a == T{0} ? T{0} - a : a;
    case Op::sign:
      return a > T{0} ? T{1} : a < T{0} ? T{-1} : a;
    case Op::square:
      return a * a;
    case Op::sqrt:
      return static_cast<T>(std::sqrt(a));
    case Op::rsqrt:
      return static_cast<T>(1 / std::sqrt(static_cast<double>(a)));
    case Op::reciprocal:
      return static_cast<T>(1 / static_cast<double>(a));
    case Op::exp:
      return static_cast<T>(std::exp(a));
    case Op::expm1:
      return static_cast<T>(std::expm1(a));
    case Op::log:
      return static_cast<T>(std::log(a));
    case Op::log1p:
      return static_cast<T>(std::log1p(a));
    case Op::sin:
      return static_cast<T>(std::sin(a));
    case Op::cos:
      return static_cast<T>(std::cos(a));
    case Op::tanh:
      return static_cast<T>(std::tanh(a));
    case Op::sigmoid:
      return static_cast<T>(1 / (1 + std::exp(-static_cast<double>(a))));
    case Op::erf:
      return static_cast<T>(std::erf(a));
    case Op::softplus:
      return static_cast<T>(static_cast<double>(greater(a, T{0})) +
                            std::log1p(std::exp(-std::abs(static_cast<double>(a)))));
    case Op::relu:
      return greater(a, T{0});
    case Op::floor:
      return static_cast<T>(std::floor(a));
    case Op::ceil:
      return static_cast<T>(std::ceil(a));
    case Op::round:
      return static_cast<T>(std::nearbyint(a));
    case Op::logical_not:
      return static_cast<T>(a == T{0});
    case Op::isnan:
      return static_cast<T>(a != a);
    case Op::add:
      return a + b;
    case Op::sub:
      return a - b;
    case Op::mul:
      return a * b;
    case Op::div:
      return std::numeric_limits<T>::is_integer && b == T{0} ? T{0} : a / b;
    case Op::pow:
      return static_cast<T>(std::pow(a, b));
    case Op::maximum:
      return b != b ? b : greater(a, b);
    case Op::minimum:
      return b != b ? b : lesser(a, b);
    case Op::eq:
      return static_cast<T>(a == b);
    case Op::ne:
      return static_cast<T>(a != b);
    case Op::lt:
      return static_cast<T>(a < b);
    case Op::le:
      return static_cast<T>(a <= b);
    case Op::gt:
      return static_cast<T>(a > b);
    case Op::ge:
      return static_cast<T>(a >= b);
    case Op::logical_and:
      return static_cast<T>(a != T{0} && b != T{0});
    case Op::logical_or:
      return static_cast<T>(a != T{0} || b != T{0});
    case Op::select:
      return a != T{0} ? b : c;
    case Op::fma:
      return a * b + c;
  }
  return T{};
}

template <class T>
T identity(Combine combine) {
  using Limits = std::numeric_limits<T>;
  if (combine == Combine::sum) return T{0};
  if (combine == Combine::maximum) return Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
  return Limits::has_infinity ? Limits::infinity() : Limits::max();
}

template <class T>
T fold(Combine combine, T a, T b) {
  if (combine == Combine::sum) return a + b;
  return evaluate(combine == Combine::maximum ? Op::maximum : Op::minimum, a, b, T{0});
}

/// Position of `index` in `view`, broadcast to the index's rank.
int64_t locate(const View& view, const Shape& index) {
  int64_t position = 0;
  for (int axis = 0; axis < view.rank(); ++axis) {
    if (view.shape[axis] != 1) position += view.strides[axis] * index[index.rank() - view.rank() + axis];
  }
  return position;
}

/// Steps to the next index of `space`; false after the last.
bool advance(Shape& index, const Shape& space) {
  for (int axis = space.rank() - 1; axis >= 0; --axis) {
    if (++index[axis] < space[axis]) return true;
    index[axis] = 0;
  }
  return false;
}

template <class T>
void run(const MapCall& call) {
  const Program& program = call.program;
  std::vector<std::vector<T>> sums;
  for (size_t i = 0; i < program.outputs.size(); ++i) {
    sums.emplace_back(static_cast<size_t>(call.outputs[i]->numel()), identity<T>(program.outputs[i].combine));
  }
  const auto dense = [&](size_t output, const Shape& index) {
    View view = *call.outputs[output];
    view.strides = contiguous_strides(view.shape);
    return static_cast<size_t>(locate(view, index));
  };

  std::vector<T> values(program.code.size());
  Shape index = call.space;
  for (int axis = 0; axis < index.rank(); ++axis) index[axis] = 0;
  if (call.space.numel() > 0) {
    do {
      for (size_t i = 0; i < program.code.size(); ++i) {
        const Instruction& code = program.code[i];
        if (code.op == Op::input) {
          const View& view = *call.inputs[code.index];
          values[i] = load<T>(view, locate(view, index));
        } else if (code.op == Op::scalar) {
          values[i] = static_cast<T>(call.scalars[code.index]);
        } else if (code.op == Op::constant) {
          values[i] = static_cast<T>(code.value);
        } else {
          values[i] = evaluate(code.op, values[code.operands[0]], values[code.operands[1]], values[code.operands[2]]);
        }
      }
      for (size_t i = 0; i < program.outputs.size(); ++i) {
        const ProgramOutput& output = program.outputs[i];
        T& sum = sums[i][dense(i, index)];
        sum = fold(output.combine, sum, values[output.value]);
      }
    } while (advance(index, call.space));
  }

  for (size_t i = 0; i < program.outputs.size(); ++i) {
    const View& view = *call.outputs[i];
    if (view.numel() == 0) continue;
    Shape at = view.shape;
    for (int axis = 0; axis < at.rank(); ++axis) at[axis] = 0;
    do {
      store<T>(view, locate(view, at), sums[i][dense(i, at)]);
    } while (advance(at, view.shape));
  }
}

}  // namespace

void map(const MapCall& call) {
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

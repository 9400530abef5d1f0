#pragma once

#include <cstdint>

#include "fovea/backends/dtype.h"
#include "fovea/backends/program.h"

/// The kernels that elementwise programs are made of: one instruction over a run of elements.
namespace fovea::cpu {

/// A run of values that a kernel reads or writes: successive elements, or (step 0) one vector of equal values.
struct Operand {
  void* data;
  int64_t step;  // 1 or 0
};

/// So many bytes of equal values stand behind an operand of step 0.
inline constexpr int64_t vector_bytes = 64;

struct Step;
/// operands[step.out][i] = op(operands[step.in[0]][i], ...) for n elements; the output may be one of the inputs.
using Kernel = void (*)(const Step& step, const Operand* operands, int64_t n);

struct Step {
  Kernel kernel;
  uint16_t in[3];
  uint16_t out;
};

/// A long run is folded into this many partial results, element i into number i % fold_lanes.
template <class T>
inline constexpr int64_t fold_lanes = 256 / static_cast<int64_t>(sizeof(T));
/// Folds n elements of x into the partial results at `lanes`.
using FoldRun = void (*)(const void* x, int64_t n, void* lanes);
/// Folds each of so many rows of n elements, which stand one behind the other, into one of `results`: a long run of its
/// own, whose partial results are halved until one is left.
using FoldEach = void (*)(const void* x, int64_t n, int64_t rows, void* results);
/// Folds rows of n elements, `stride` apart, into the row at `into`, one after the other.
using FoldRows = void (*)(const void* x, int64_t stride, int64_t rows, int64_t n, void* into);

/// Converts n successive elements.
using Convert = void (*)(const void* from, void* to, int64_t n);

inline constexpr int op_count = static_cast<int>(Op::fma) + 1;
inline constexpr int dtype_count = static_cast<int>(DType::boolean) + 1;

/// What two instructions in one kernel compute: (a first b) second c.
enum class First : uint8_t { add, sub, mul };
enum class Second : uint8_t { add, sub, from, mul };  // from: c - (a first b)
/// What one kernel computes behind a function: nothing, + c or * c.
enum class After : uint8_t { nothing, add, mul };

/// The kernels of one compute type T on this machine.
struct KernelSet {
  Kernel op[op_count];  // by Op; null for leaves
  Kernel pair[3][4];    // by First and Second
  // By Op, whether of a product, and After: op(a b), op(a) + b, op(a b) * c and their like. Null where one would not be
  // faster than the instructions one by one.
  Kernel function[op_count][2][3];
  // a <= b ? b : c (the gradient of relu), a >= b ? b : c, and both of one a: a >= c ? c : a <= b ? b : a (clamp).
  Kernel bounded_below, bounded_above, clamped;
  Kernel copy;
  FoldRun fold_run[3];  // by Combine
  FoldEach fold_each[3];
  FoldRows fold_rows[3];
  Convert load[dtype_count];   // from a dtype to T
  Convert store[dtype_count];  // from T to a dtype; integers saturate, NaN becomes 0, bool tests for non-zero
};

const KernelSet& kernels_f32();
const KernelSet& kernels_f64();
const KernelSet& kernels_i32();

template <class T>
const KernelSet& kernels() {
  if constexpr (dtype_of<T> == DType::f64) {
    return kernels_f64();
  } else if constexpr (dtype_of<T> == DType::i32) {
    return kernels_i32();
  } else {
    return kernels_f32();
  }
}

}  // namespace fovea::cpu

#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "backends/array.h"

// Programs as tests write them, and how they are run.
namespace fovea::test {

inline void run(const Program& program, DType compute, const Shape& space, const std::vector<Array>& inputs,
                const std::vector<Array>& outputs, const std::vector<double>& scalars = {}) {
  std::vector<const View*> in, out;
  for (const Array& input : inputs) in.push_back(&input.view);
  for (const Array& output : outputs) out.push_back(&output.view);
  cpu().map({program, compute, space, in, out, scalars});
}

inline Instruction input(int index) { return {.op = Op::input, .index = static_cast<uint16_t>(index)}; }
inline Instruction constant(double value) { return {.op = Op::constant, .value = value}; }
inline Instruction apply(Op op, int a, int b = 0, int c = 0) {
  return {.op = op, .operands = {static_cast<uint16_t>(a), static_cast<uint16_t>(b), static_cast<uint16_t>(c)}};
}

inline Program program(std::vector<Instruction> code, std::vector<ProgramOutput> outputs) {
  Program made;
  made.name = "test";
  made.code = std::move(code);
  made.outputs = std::move(outputs);
  for (const Instruction& i : made.code) {
    if (i.op == Op::input) made.inputs = std::max(made.inputs, i.index + 1);
    if (i.op == Op::scalar) made.scalars = std::max(made.scalars, i.index + 1);
  }
  return made;
}

}  // namespace fovea::test

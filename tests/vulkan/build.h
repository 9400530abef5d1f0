#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "fovea/backends/backend.h"

namespace fovea::test {

/// Writes a program down instruction by instruction.
struct Build {
  Program program;

  explicit Build(std::string name) { program.name = std::move(name); }
  uint16_t add(Instruction instruction) {
    program.code.push_back(instruction);
    return static_cast<uint16_t>(program.code.size() - 1);
  }
  uint16_t input() {
    Instruction i{Op::input};
    i.index = static_cast<uint16_t>(program.inputs++);
    return add(i);
  }
  uint16_t scalar() {
    Instruction i{Op::scalar};
    i.index = static_cast<uint16_t>(program.scalars++);
    return add(i);
  }
  uint16_t op(Op op, uint16_t a, uint16_t b = 0, uint16_t c = 0) { return add({op, {a, b, c}, 0, 0}); }
  void output(uint16_t value, Combine combine = Combine::sum) { program.outputs.push_back({value, combine}); }
};

inline Program unary(Op op) {
  Build b(name(op));
  b.output(b.op(op, b.input()));
  return b.program;
}
inline Program binary(Op op) {
  Build b(name(op));
  const uint16_t x = b.input(), y = b.input();
  b.output(b.op(op, x, y));
  return b.program;
}

/// Runs a program on tensors of f32.
inline void run_program(Backend& device, const Program& program, const Shape& space,
                        std::initializer_list<const View*> inputs, const View& output) {
  const std::vector<const View*> in(inputs);
  const View* out = &output;
  device.map({program, f32, space, in, {&out, 1}, {}});
}

}  // namespace fovea::test

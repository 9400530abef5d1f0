#pragma once

#include <string>

#include "fovea/backends/program.h"

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

}  // namespace fovea::test

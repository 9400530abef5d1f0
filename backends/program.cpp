#include "fovea/backends/program.h"

#include <bit>
#include <utility>

#include "fovea/backends/fnv.h"

namespace fovea {
namespace {

constexpr const char* names[] = {
    "input",      "scalar",   "constant", "neg",   "abs",         "sign",       "square",      "sqrt",  "rsqrt",
    "reciprocal", "exp",      "expm1",    "log",   "log1p",       "sin",        "cos",         "tanh",  "sigmoid",
    "erf",        "softplus", "relu",     "floor", "ceil",        "round",      "logical_not", "isnan", "add",
    "sub",        "mul",      "div",      "pow",   "atan2",       "maximum",    "minimum",     "eq",    "ne",
    "lt",         "le",       "gt",       "ge",    "logical_and", "logical_or", "select",      "fma",
};
static_assert(std::size(names) == static_cast<size_t>(Op::fma) + 1);

}  // namespace

const char* name(Op op) { return names[static_cast<size_t>(op)]; }

bool is_predicate(Op op) {
  switch (op) {
    case Op::logical_not:
    case Op::isnan:
    case Op::eq:
    case Op::ne:
    case Op::lt:
    case Op::le:
    case Op::gt:
    case Op::ge:
    case Op::logical_and:
    case Op::logical_or:
      return true;
    default:
      return false;
  }
}

Program program_of(std::string name, Op op, Combine combine) {
  Program p;
  p.name = std::move(name);
  Instruction last{op};
  for (int i = 0; i < arity(op); ++i) {
    last.operands[i] = static_cast<uint16_t>(i);
    p.code.push_back({Op::input, {}, last.operands[i]});
  }
  p.code.push_back(last);
  p.outputs = {{static_cast<uint16_t>(p.code.size() - 1), combine}};
  p.inputs = op == Op::input ? 1 : arity(op);
  p.scalars = op == Op::scalar ? 1 : 0;
  return p;
}

uint64_t Program::digest() const {
  Fnv hash;
  const auto mix = [&](uint64_t word) {
    for (int byte = 0; byte < 8; ++byte) hash.add((word >> (8 * byte)) & 0xff);
  };
  for (const Instruction& i : code) {
    mix(static_cast<uint64_t>(i.op) | static_cast<uint64_t>(i.operands[0]) << 8 |
        static_cast<uint64_t>(i.operands[1]) << 24 | static_cast<uint64_t>(i.operands[2]) << 40);
    mix(i.index);
    mix(std::bit_cast<uint64_t>(i.value));
  }
  for (const ProgramOutput& o : outputs) mix(o.value | static_cast<uint64_t>(o.combine) << 16);
  return hash.value();
}

}  // namespace fovea

#include "fovea/backends/program.h"

#include <bit>

namespace fovea {
namespace {

struct OpRow {
  const char* name;
  int arity;
};

constexpr OpRow rows[] = {
    {"input", 0},       {"scalar", 0},   {"constant", 0}, {"neg", 1},         {"abs", 1},        {"sign", 1},
    {"square", 1},      {"sqrt", 1},     {"rsqrt", 1},    {"reciprocal", 1},  {"exp", 1},        {"expm1", 1},
    {"log", 1},         {"log1p", 1},    {"sin", 1},      {"cos", 1},         {"tanh", 1},       {"sigmoid", 1},
    {"erf", 1},         {"softplus", 1}, {"relu", 1},     {"floor", 1},       {"ceil", 1},       {"round", 1},
    {"logical_not", 1}, {"isnan", 1},    {"add", 2},      {"sub", 2},         {"mul", 2},        {"div", 2},
    {"pow", 2},         {"maximum", 2},  {"minimum", 2},  {"eq", 2},          {"ne", 2},         {"lt", 2},
    {"le", 2},          {"gt", 2},       {"ge", 2},       {"logical_and", 2}, {"logical_or", 2}, {"select", 3},
    {"fma", 3},
};
static_assert(std::size(rows) == static_cast<size_t>(Op::fma) + 1);

}  // namespace

const char* name(Op op) { return rows[static_cast<size_t>(op)].name; }
int arity(Op op) { return rows[static_cast<size_t>(op)].arity; }

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

uint64_t Program::digest() const {
  uint64_t hash = 14695981039346656037ull;
  const auto mix = [&](uint64_t word) {
    for (int byte = 0; byte < 8; ++byte) hash = (hash ^ ((word >> (8 * byte)) & 0xff)) * 1099511628211ull;
  };
  for (const Instruction& i : code) {
    mix(static_cast<uint64_t>(i.op) | static_cast<uint64_t>(i.operands[0]) << 8 |
        static_cast<uint64_t>(i.operands[1]) << 24 | static_cast<uint64_t>(i.operands[2]) << 40);
    mix(i.index);
    mix(std::bit_cast<uint64_t>(i.value));
  }
  for (const ProgramOutput& o : outputs) mix(o.value | static_cast<uint64_t>(o.combine) << 16);
  return hash;
}

}  // namespace fovea

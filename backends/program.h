#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace fovea {

/// What one instruction of a program computes from the values of earlier instructions. Comparisons and logical
/// operations give 0 or 1. Definitions are IEEE 754's and C's functions of the same name, elementwise; those that C
/// lacks:
///   sign(x) in {-1, 0, 1}, NaN for NaN;  sigmoid(x) = 1 / (1 + exp(-x));  softplus(x) = log(1 + exp(x)), without
///   overflow; relu(x) = max(x, 0), NaN for NaN;  maximum, minimum: NaN if either is;  select(c, a, b) = c != 0 ? a :
///   b.
enum class Op : uint8_t {
  // leaves
  input,     // index: which input
  scalar,    // index: which scalar argument
  constant,  // value
  // one operand
  neg,
  abs,
  sign,
  square,
  sqrt,
  rsqrt,
  reciprocal,
  exp,
  expm1,
  log,
  log1p,
  sin,
  cos,
  tanh,
  sigmoid,
  erf,
  softplus,
  relu,
  floor,
  ceil,
  round,
  logical_not,
  isnan,
  // two operands
  add,
  sub,
  mul,
  div,
  pow,
  atan2,  // atan2(y, x)
  maximum,
  minimum,
  eq,
  ne,
  lt,
  le,
  gt,
  ge,
  logical_and,
  logical_or,
  // three operands
  select,
  fma,  // fma(a, b, c) = a * b + c, rounded once or twice as the device likes
};

/// "mul".
const char* name(Op op);
/// How many operands: 0 for leaves, else 1 to 3.
constexpr int arity(Op op) { return op >= Op::select ? 3 : op >= Op::add ? 2 : op >= Op::neg ? 1 : 0; }
/// True where the result is 0 or 1.
bool is_predicate(Op op);

struct Instruction {
  Op op;
  uint16_t operands[3] = {0, 0, 0};  // positions of earlier instructions
  uint16_t index = 0;
  double value = 0;

  /// Constants are told apart by their bits: 0 is not -0, and NaN is itself.
  friend bool operator==(const Instruction& a, const Instruction& b) {
    return a.op == b.op && std::equal(a.operands, a.operands + 3, b.operands) && a.index == b.index &&
           std::bit_cast<uint64_t>(a.value) == std::bit_cast<uint64_t>(b.value);
  }
};

/// How an output is folded over the axes where its size is 1 and the space's is not.
enum class Combine : uint8_t { sum, maximum, minimum };

struct ProgramOutput {
  uint16_t value;  // the instruction whose value is stored
  Combine combine = Combine::sum;

  friend bool operator==(const ProgramOutput&, const ProgramOutput&) = default;
};

/// What a backend makes of a program once and keeps with it.
class CompiledProgram {
 public:
  virtual ~CompiledProgram() = default;
};

/// A straight line of elementwise instructions: a value per instruction, inputs read with broadcasting, outputs stored
/// or reduced. Immutable once made; backends cache what they compile in `compiled`.
struct Program {
  std::string name;
  std::vector<Instruction> code;  // leaves first; every operand precedes its user
  std::vector<ProgramOutput> outputs;
  int inputs = 0;
  int scalars = 0;

  /// A digest of code and outputs (not of the name), the same in every process.
  uint64_t digest() const;

  /// One slot per kind of device, filled by that backend; see CompiledSlot.
  struct CompiledSlot {
    std::atomic<CompiledProgram*> pointer{nullptr};
    ~CompiledSlot() { delete pointer.load(); }
    CompiledSlot() = default;
    CompiledSlot(const CompiledSlot&) {}
    CompiledSlot& operator=(const CompiledSlot&) {
      delete pointer.exchange(nullptr);  // it was made of the code that is being replaced
      return *this;
    }

    /// The cached object, or the one that `make` returns; of two racing threads' objects one is kept.
    template <class Make>
    CompiledProgram& get(Make make) {
      if (CompiledProgram* found = pointer.load(std::memory_order_acquire)) return *found;
      std::unique_ptr<CompiledProgram> made = make();
      CompiledProgram* expected = nullptr;
      if (pointer.compare_exchange_strong(expected, made.get())) return *made.release();
      return *expected;
    }
  };
  mutable CompiledSlot compiled[2];  // by Device::Kind
};

/// One operation on as many inputs as it takes, or an input or a scalar as it is; `combine` folds the output.
Program program_of(std::string name, Op op, Combine combine = Combine::sum);

}  // namespace fovea

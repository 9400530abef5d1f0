#include "fovea/backends/cpu/map_code.h"

#include <algorithm>
#include <optional>

#include "fovea/backends/cpu/map_convert.h"

namespace fovea::cpu {
namespace {

/// Rough time of an instruction over a vector, with addition at 1.
int cost_of(Op op) {
  switch (op) {
    case Op::exp:
    case Op::expm1:
    case Op::log:
    case Op::log1p:
    case Op::sin:
    case Op::cos:
    case Op::tanh:
    case Op::sigmoid:
    case Op::erf:
      return 8;
    case Op::softplus:
      return 16;
    case Op::pow:
      return 24;
    case Op::div:
    case Op::sqrt:
    case Op::rsqrt:
    case Op::reciprocal:
      return 4;
    default:
      return 1;
  }
}

/// The first of a pair that one kernel computes.
std::optional<First> first_of(Op op) {
  switch (op) {
    case Op::add:
      return First::add;
    case Op::sub:
      return First::sub;
    case Op::mul:
    case Op::square:
      return First::mul;
    default:
      return std::nullopt;
  }
}

/// The second, whose operand number `position` is the first's result.
std::optional<Second> second_of(Op op, int position) {
  switch (op) {
    case Op::add:
      return Second::add;
    case Op::sub:
      return position == 0 ? Second::sub : Second::from;
    case Op::mul:
      return Second::mul;
    default:
      return std::nullopt;
  }
}

std::optional<After> after_of(Op op) {
  switch (op) {
    case Op::add:
      return After::add;
    case Op::mul:
      return After::mul;
    default:
      return std::nullopt;
  }
}

constexpr uint16_t none = 0xffff;

/// How values flow through a program that is computed in T, and which instructions one kernel computes together.
template <class T>
struct Flow {
  /// The kernel that ends with an instruction.
  struct Call {
    Kernel kernel = nullptr;
    std::vector<uint16_t> reads;  // the values it reads, in its order
    int instructions = 1;
  };

  explicit Flow(const Program& program)
      : code(program.code), uses(code.size(), 0), fused_into(code.size(), none), calls(code.size()) {
    std::vector<bool> live(code.size(), false);
    for (const ProgramOutput& output : program.outputs) {
      live[output.value] = true;
      uses[output.value] += 2;  // a stored value is never fused away
    }
    for (size_t i = code.size(); i-- > 0;) {
      if (!live[i]) continue;
      for (int k = 0; k < arity(code[i].op); ++k) {
        live[code[i].operands[k]] = true;
        ++uses[code[i].operands[k]];
      }
    }
    for (size_t i = 0; i < code.size(); ++i) {
      if (!needed(i) || is_leaf(i)) continue;
      const Instruction& instruction = code[i];
      calls[i].kernel = kernels<T>().op[static_cast<int>(instruction.op)];
      calls[i].reads.assign(instruction.operands, instruction.operands + arity(instruction.op));
      for (int k = 0; k < arity(instruction.op) && calls[i].instructions == 1; ++k) fuse(i, k);
    }
  }

  bool needed(size_t i) const { return uses[i] > 0; }
  bool is_leaf(size_t i) const { return arity(code[i].op) == 0; }
  bool is_step(size_t i) const { return needed(i) && !is_leaf(i) && fused_into[i] == none; }

  const std::vector<Instruction>& code;
  std::vector<int> uses;
  std::vector<uint16_t> fused_into;  // the only user, which computes this value too
  std::vector<Call> calls;           // by instruction

 private:
  /// Lets the kernel of instruction i compute its operand number k too, where there is one that can.
  void fuse(size_t i, int k) {
    const uint16_t operand = code[i].operands[k];
    if (uses[operand] != 1 || is_leaf(operand)) return;
    const Kernel kernel = kernel_of_both(operand, i, k);
    if (!kernel) return;
    Call& call = calls[i];
    std::vector<uint16_t> reads = calls[operand].reads;
    if (code[operand].op == Op::square) reads.push_back(reads[0]);
    if (call.reads.size() == 2) reads.push_back(call.reads[static_cast<size_t>(1 - k)]);
    if (call.reads.size() == 3) reads.push_back(call.reads[2]);  // select's, whose other one the comparison reads
    call = {kernel, std::move(reads), calls[operand].instructions + 1};
    fused_into[operand] = static_cast<uint16_t>(i);
  }

  Kernel kernel_of_both(uint16_t operand, size_t i, int k) const {
    const KernelSet& set = kernels<T>();
    const int function = static_cast<int>(code[i].op), inner = static_cast<int>(code[operand].op);
    const int before = calls[operand].instructions - 1;
    if (arity(code[i].op) == 3) {
      const bool bounded = code[i].op == Op::select && k == 0 && code[operand].op == Op::le && before == 0 &&
                           code[operand].operands[1] == code[i].operands[1];
      return bounded ? set.bounded : nullptr;
    }
    if (arity(code[operand].op) == 1 && before < 2) {
      if (const auto after = after_of(code[i].op)) {
        if (const Kernel kernel = set.function[inner][before][static_cast<int>(*after)]) return kernel;
      }
    }
    const auto first = first_of(code[operand].op);
    if (!first || before) return nullptr;
    if (arity(code[i].op) == 1) {
      return *first == First::mul ? set.function[function][1][static_cast<int>(After::nothing)] : nullptr;
    }
    const auto second = second_of(code[i].op, k);
    return second ? set.pair[static_cast<int>(*first)][static_cast<int>(*second)] : nullptr;
  }
};

}  // namespace

template <class T>
Code<T>::Code(const Program& program) : input_used(static_cast<size_t>(program.inputs), false) {
  const std::vector<Instruction>& code = program.code;
  const Flow<T> flow(program);

  // Operands of leaves.
  std::vector<uint16_t> place(code.size(), none);
  first_scalar = program.inputs;
  first_constant = first_slot = first_scalar + program.scalars;
  for (size_t i = 0; i < code.size(); ++i) {
    if (!flow.needed(i)) continue;
    cost += flow.is_leaf(i) ? 0 : cost_of(code[i].op);
    if (code[i].op == Op::input) {
      place[i] = code[i].index;
      input_used[code[i].index] = true;
    } else if (code[i].op == Op::scalar) {
      place[i] = static_cast<uint16_t>(first_scalar + code[i].index);
    } else if (code[i].op == Op::constant) {
      place[i] = static_cast<uint16_t>(first_slot++);
      constants.insert(constants.end(), lanes, convert<T>(code[i].value));
    }
  }

  // A value lives from its step to the last that reads it; slots are handed on in between. Outputs stay where they are
  // stored, numbered from `outputs_from` until the number of slots is known.
  std::vector<size_t> last_read(code.size(), 0);
  for (size_t i = 0; i < code.size(); ++i) {
    if (!flow.is_step(i)) continue;
    for (uint16_t value : flow.calls[i].reads) last_read[value] = i;
  }
  constexpr uint16_t outputs_from = 0x8000;
  std::vector<size_t> written(program.outputs.size(), 0);
  for (size_t k = 0; k < program.outputs.size(); ++k) {
    const uint16_t value = program.outputs[k].value;
    if (place[value] == none) place[value] = static_cast<uint16_t>(outputs_from + k);
  }
  std::vector<uint16_t> free_slots;
  int slots = 0;
  std::vector<size_t> step_at;  // the instruction of each step
  for (size_t i = 0; i < code.size(); ++i) {
    if (!flow.is_step(i)) continue;
    Step step{flow.calls[i].kernel, {0, 0, 0}, 0};
    std::vector<uint16_t> read = flow.calls[i].reads;
    for (size_t k = 0; k < 3; ++k) step.in[k] = place[read[k < read.size() ? k : 0]];
    std::sort(read.begin(), read.end());
    read.erase(std::unique(read.begin(), read.end()), read.end());
    for (uint16_t value : read) {
      const bool slot = place[value] >= first_slot && place[value] < outputs_from;
      if (slot && last_read[value] == i) free_slots.push_back(place[value]);
    }
    if (place[i] == none) {
      if (free_slots.empty()) free_slots.push_back(static_cast<uint16_t>(first_slot + slots++));
      place[i] = free_slots.back();
      free_slots.pop_back();
    }
    step.out = place[i];
    steps.push_back(step);
    step_at.push_back(i);
  }

  first_output = first_slot + slots;
  operands = first_output + static_cast<int>(program.outputs.size());
  const auto settle = [&](uint16_t& operand) {
    if (operand >= outputs_from) operand = static_cast<uint16_t>(operand - outputs_from + first_output);
  };
  for (Step& step : steps) {
    for (uint16_t& operand : step.in) settle(operand);
    settle(step.out);
  }

  for (size_t k = 0; k < program.outputs.size(); ++k) {
    const uint16_t value = program.outputs[k].value;
    Output output{program.outputs[k].combine, place[value], false, 0};
    settle(output.value);
    output.alias = output.value != first_output + static_cast<int>(k);
    outputs.push_back(output);
    const auto position = std::find(step_at.begin(), step_at.end(), value) - step_at.begin();
    written[k] = output.alias ? steps.size() : static_cast<size_t>(position) + 1;
  }
  const auto bit = [&](uint16_t operand) {
    return operand < first_scalar ? uint64_t{1} << std::min<int>(operand, 63) : uint64_t{0};
  };
  for (size_t k = 0; k < outputs.size(); ++k) {
    for (size_t s = written[k]; s < steps.size(); ++s) {
      for (int j = 0; j < 3; ++j) outputs[k].read_after |= bit(steps[s].in[j]);
    }
    for (const Output& other : outputs) {
      if (other.alias) outputs[k].read_after |= bit(other.value);
    }
  }
  // An output that is an input alone may be that input's own view.
  for (Output& output : outputs) {
    if (output.alias && outputs.size() == 1) output.read_after = 0;
  }
  cost = std::max(cost, 1);
}

template struct Code<float>;
template struct Code<double>;
template struct Code<int32_t>;

const Program& CompiledMap::with_outputs(uint64_t chosen) {
  const std::lock_guard lock(mutex_);
  std::unique_ptr<Program>& part = parts_[chosen];
  if (!part) {
    part = std::make_unique<Program>(program_);
    part->outputs.clear();
    for (size_t k = 0; k < program_.outputs.size(); ++k) {
      if (chosen >> k & 1) part->outputs.push_back(program_.outputs[k]);
    }
  }
  return *part;
}

}  // namespace fovea::cpu

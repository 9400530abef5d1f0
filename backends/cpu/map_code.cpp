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
    case Op::atan2:
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
      clamp(i);
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

  /// Bounded above, what is bounded below: both bounds of one value are one kernel.
  void clamp(size_t i) {
    const KernelSet& set = kernels<T>();
    if (calls[i].kernel != set.bounded_above || uses[code[i].operands[2]] != 1) return;
    const uint16_t inner = code[i].operands[2];
    const std::vector<uint16_t>& reads = calls[inner].reads;
    if (calls[inner].kernel != set.bounded_below || reads[0] != reads[2] || reads[0] != calls[i].reads[0]) return;
    calls[i] = {set.clamped, {reads[0], reads[1], calls[i].reads[1]}, 4};
    fused_into[inner] = static_cast<uint16_t>(i);
  }

  Kernel kernel_of_both(uint16_t operand, size_t i, int k) const {
    const KernelSet& set = kernels<T>();
    const int function = static_cast<int>(code[i].op), inner = static_cast<int>(code[operand].op);
    const int before = calls[operand].instructions - 1;
    if (arity(code[i].op) == 3) {
      const bool bounded = code[i].op == Op::select && k == 0 && code[operand].operands[1] == code[i].operands[1];
      if (!bounded || code[operand].op == Op::le) return bounded ? set.bounded_below : nullptr;
      return code[operand].op == Op::ge ? set.bounded_above : nullptr;
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

/// Makes the code of a program: places its values among the operands and writes down its steps.
template <class T>
class Assembly {
 public:
  Assembly(const Program& program, Code<T>& code)
      : program_(program), flow_(program), code_(code), place_(program.code.size(), none) {
    place_leaves();
    place_outputs();
    make_steps();
    settle_outputs();
    find_late_reads();
  }

 private:
  // Outputs stay where they are stored, numbered from here until the number of slots is known.
  static constexpr uint16_t outputs_from = 0x8000;

  void place_leaves() {
    code_.first_scalar = program_.inputs;
    code_.first_constant = code_.first_slot = code_.first_scalar + program_.scalars;
    for (size_t i = 0; i < program_.code.size(); ++i) {
      if (!flow_.needed(i)) continue;
      const Instruction& instruction = program_.code[i];
      code_.cost += flow_.is_leaf(i) ? 0 : cost_of(instruction.op);
      if (instruction.op == Op::input) {
        place_[i] = instruction.index;
        code_.input_used[instruction.index] = true;
      } else if (instruction.op == Op::scalar) {
        place_[i] = static_cast<uint16_t>(code_.first_scalar + instruction.index);
      } else if (instruction.op == Op::constant) {
        place_[i] = static_cast<uint16_t>(code_.first_slot++);
        code_.constants.insert(code_.constants.end(), Code<T>::lanes, convert<T>(instruction.value));
      }
    }
    code_.cost = std::max(code_.cost, 1);
  }

  void place_outputs() {
    for (size_t k = 0; k < program_.outputs.size(); ++k) {
      uint16_t& place = place_[program_.outputs[k].value];
      if (place == none) place = static_cast<uint16_t>(outputs_from + k);
    }
  }

  /// A value lives from its step to the last that reads it; slots are handed on in between.
  void make_steps() {
    std::vector<size_t> last_read(program_.code.size(), 0);
    for (size_t i = 0; i < program_.code.size(); ++i) {
      if (!flow_.is_step(i)) continue;
      for (uint16_t value : flow_.calls[i].reads) last_read[value] = i;
    }
    std::vector<uint16_t> free_slots;
    for (size_t i = 0; i < program_.code.size(); ++i) {
      if (!flow_.is_step(i)) continue;
      Step step{flow_.calls[i].kernel, {0, 0, 0}, 0};
      std::vector<uint16_t> read = flow_.calls[i].reads;
      for (size_t k = 0; k < 3; ++k) step.in[k] = place_[read[k < read.size() ? k : 0]];
      std::sort(read.begin(), read.end());
      read.erase(std::unique(read.begin(), read.end()), read.end());
      for (uint16_t value : read) {
        const bool slot = place_[value] >= code_.first_slot && place_[value] < outputs_from;
        if (slot && last_read[value] == i) free_slots.push_back(place_[value]);
      }
      if (place_[i] == none) {
        if (free_slots.empty()) free_slots.push_back(static_cast<uint16_t>(code_.first_slot + slots_++));
        place_[i] = free_slots.back();
        free_slots.pop_back();
      }
      step.out = place_[i];
      code_.steps.push_back(step);
      step_at_.push_back(i);
    }
  }

  void settle(uint16_t& operand) const {
    if (operand >= outputs_from) operand = static_cast<uint16_t>(operand - outputs_from + code_.first_output);
  }

  void settle_outputs() {
    code_.first_output = code_.first_slot + slots_;
    code_.operands = code_.first_output + static_cast<int>(program_.outputs.size());
    for (Step& step : code_.steps) {
      for (uint16_t& operand : step.in) settle(operand);
      settle(step.out);
    }
    for (size_t k = 0; k < program_.outputs.size(); ++k) {
      const uint16_t value = program_.outputs[k].value;
      typename Code<T>::Output output{program_.outputs[k].combine, place_[value], false, 0};
      settle(output.value);
      output.alias = output.value != code_.first_output + static_cast<int>(k);
      code_.outputs.push_back(output);
      const auto position = std::find(step_at_.begin(), step_at_.end(), value) - step_at_.begin();
      written_.push_back(output.alias ? code_.steps.size() : static_cast<size_t>(position) + 1);
    }
  }

  void find_late_reads() {
    const auto bit = [&](uint16_t operand) {
      return operand < code_.first_scalar ? uint64_t{1} << std::min<int>(operand, 63) : uint64_t{0};
    };
    for (size_t k = 0; k < code_.outputs.size(); ++k) {
      uint64_t& read_after = code_.outputs[k].read_after;
      // An output that is an input alone may be that input's own view.
      if (code_.outputs[k].alias && code_.outputs.size() == 1) continue;
      for (size_t s = written_[k]; s < code_.steps.size(); ++s) {
        for (const uint16_t operand : code_.steps[s].in) read_after |= bit(operand);
      }
      for (const auto& other : code_.outputs) {
        if (other.alias) read_after |= bit(other.value);
      }
    }
  }

  const Program& program_;
  const Flow<T> flow_;
  Code<T>& code_;
  std::vector<uint16_t> place_;  // by instruction
  int slots_ = 0;
  std::vector<size_t> step_at_;  // the instruction of each step
  std::vector<size_t> written_;  // by output: how many steps there are before what reads an input too late
};

}  // namespace

template <class T>
Code<T>::Code(const Program& program) : input_used(static_cast<size_t>(program.inputs), false) {
  Assembly<T>(program, *this);
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

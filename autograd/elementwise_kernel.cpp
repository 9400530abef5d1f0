#include "fovea/autograd/elementwise_kernel.h"

#include <algorithm>

#include "fovea/backends/dtype.h"

namespace fovea {
namespace {

bool integers_suffice(Op op) {
  switch (op) {
    case Op::input:
    case Op::scalar:
    case Op::constant:
    case Op::neg:
    case Op::abs:
    case Op::sign:
    case Op::square:
    case Op::relu:
    case Op::floor:
    case Op::ceil:
    case Op::round:
    case Op::add:
    case Op::sub:
    case Op::mul:
    case Op::maximum:
    case Op::minimum:
    case Op::select:
    case Op::fma:
      return true;
    default:
      return is_predicate(op);
  }
}

/// Whether every quotient is rounded down at once, as that of whole numbers is rounded to one anyhow.
bool rounds_quotients(const ElementwiseFunction& f) {
  std::vector<bool> bare;  // quotients that something else reads
  for (const Instruction& node : f.program.code) {
    bare.push_back(false);
    for (int i = 0; i < arity(node.op); ++i) {
      const size_t operand = node.operands[i];
      if (f.program.code[operand].op == Op::div && node.op != Op::floor) bare[operand] = true;
    }
  }
  for (const ProgramOutput& output : f.program.outputs) {
    if (f.program.code[output.value].op == Op::div) bare[output.value] = true;
  }
  return std::find(bare.begin(), bare.end(), true) == bare.end();
}

}  // namespace

ElementwiseKernel::ElementwiseKernel(ElementwiseFunction f, std::vector<bool> scalar_parameters)
    : function(std::move(f)), is_scalar(std::move(scalar_parameters)) {
  function.compile();
  const bool divides = rounds_quotients(function);
  for (const Instruction& node : function.program.code) {
    integer = integer && (integers_suffice(node.op) || (divides && node.op == Op::div)) &&
              (node.op != Op::constant || is_i32(node.value));
  }
}

const ElementwiseKernel::DerivedKernel& ElementwiseKernel::find_derivative(uint64_t key) const {
  const std::scoped_lock lock(mutex_);
  std::unique_ptr<DerivedKernel>& entry = derivatives_[key];
  if (!entry) {
    entry = make_derivative(key >> 1, key & 1);
    if (key < fast_.size()) fast_[key].store(entry.get(), std::memory_order_release);
  }
  return *entry;
}

std::unique_ptr<ElementwiseKernel::DerivedKernel> ElementwiseKernel::make_derivative(uint64_t wanted,
                                                                                     bool outputs_kept) const {
  Derivative d = derive(function, wanted, outputs_kept);
  auto made = std::make_unique<DerivedKernel>();
  made->passed_from.assign(static_cast<size_t>(function.inputs), 0);
  for (size_t k = 0; k < d.wanted.size(); ++k) {
    const Instruction& node = d.function.graph.node(d.function.outputs[k]);
    if (node.op == Op::input && d.inputs[node.index].from == DerivativeInput::From::gradient) {
      made->passed |= uint64_t{1} << d.wanted[k];
      made->passed_from[static_cast<size_t>(d.wanted[k])] = d.inputs[node.index].index;
    }
  }
  const size_t parameters = static_cast<size_t>(d.function.inputs);
  made->kernel = std::make_shared<ElementwiseKernel>(std::move(d.function), std::vector<bool>(parameters, false));
  made->inputs = std::move(d.inputs);
  made->wanted = std::move(d.wanted);
  return made;
}

const std::shared_ptr<const ElementwiseKernel>& ElementwiseKernel::with_numbers(uint64_t numbers) const {
  const std::scoped_lock lock(mutex_);
  std::shared_ptr<const ElementwiseKernel>& entry = variants_[numbers];
  if (!entry) entry = make_variant(numbers);
  return entry;
}

std::shared_ptr<const ElementwiseKernel> ElementwiseKernel::make_variant(uint64_t numbers) const {
  ElementwiseFunction f;
  f.name = function.name;
  std::vector<bool> scalar = is_scalar;
  std::vector<Expr> parameters;
  int input = 0;
  for (size_t p = 0; p < scalar.size(); ++p) {
    if (scalar[p]) continue;
    if (numbers >> p & 1) {
      scalar[p] = true;
      parameters.push_back(f.graph.scalar(function.scalars + f.scalars++));
    } else {
      parameters.push_back(f.graph.input(input++));
    }
  }
  f.inputs = input;
  f.scalars += function.scalars;
  std::vector<Expr> moved;
  for (const Instruction& node : function.graph.nodes()) {
    moved.push_back(f.graph.copy(node, moved, [&](uint16_t index) { return parameters[index]; }));
  }
  for (Expr output : function.outputs) f.outputs.push_back(moved[static_cast<size_t>(output.id())]);
  return std::make_shared<ElementwiseKernel>(std::move(f), std::move(scalar));
}

}  // namespace fovea

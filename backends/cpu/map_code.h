#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "fovea/backends/cpu/map_kernels.h"
#include "fovea/backends/program.h"

namespace fovea::cpu {

/// A program as kernel calls in one compute type T. Every value has a place among the operands, in this order: inputs,
/// scalars, constants, slots (values alive between two steps), outputs.
template <class T>
struct Code {
  explicit Code(const Program& program);

  struct Output {
    Combine combine;
    uint16_t value;       // the operand that holds it after the steps
    bool alias;           // that is not its own: an input, scalar or constant, or another output
    uint64_t read_after;  // bits of the inputs (those from 63 on share one) that are read after it is written
  };

  std::vector<Step> steps;
  std::vector<Output> outputs;
  std::vector<bool> input_used;
  std::vector<T> constants;  // each repeated over vector_bytes
  int first_scalar = 0, first_constant = 0, first_slot = 0, first_output = 0, operands = 0;
  /// Rough cost of an element, in additions.
  int cost = 0;

  static constexpr int lanes = static_cast<int>(vector_bytes / sizeof(T));
};

/// What the CPU keeps with a program.
class CompiledMap final : public CompiledProgram {
 public:
  explicit CompiledMap(const Program& program) : program_(program), f32_(program), f64_(program), i32_(program) {}

  static CompiledMap& of(const Program& program) {
    return static_cast<CompiledMap&>(program.compiled[0].get([&] { return std::make_unique<CompiledMap>(program); }));
  }

  template <class T>
  const Code<T>& code() const {
    if constexpr (dtype_of<T> == DType::f64) {
      return f64_;
    } else if constexpr (dtype_of<T> == DType::i32) {
      return i32_;
    } else {
      return f32_;
    }
  }

  /// The program with only the chosen outputs, a bit for each.
  const Program& with_outputs(uint64_t chosen);

 private:
  const Program& program_;
  Code<float> f32_;
  Code<double> f64_;
  Code<int32_t> i32_;
  std::mutex mutex_;
  std::map<uint64_t, std::unique_ptr<Program>> parts_;
};

}  // namespace fovea::cpu

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>

namespace fovea::spirv {

constexpr size_t header_words = 5;  // of a module

struct Instruction {
  uint32_t opcode;
  std::span<const uint32_t> operands;
  std::span<const uint32_t> words;  // opcode and length, then the operands
};

/// Calls `visit` with each instruction of a module. Throws std::runtime_error where one reaches beyond its end.
template <class Visit>
void for_each(std::span<const uint32_t> module, Visit visit) {
  for (size_t at = header_words; at < module.size();) {
    const uint32_t count = module[at] >> 16;
    if (count == 0 || at + count > module.size()) throw std::runtime_error("malformed SPIR-V");
    const std::span<const uint32_t> words = module.subspan(at, count);
    visit(Instruction{module[at] & 0xffff, words.subspan(1), words});
    at += count;
  }
}

}  // namespace fovea::spirv

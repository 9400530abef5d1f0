#include "half_rounding.h"

#include <set>
#include <stdexcept>

#include "spirv_opcodes.h"
#include "spirv_words.h"

namespace fovea::spirv {
namespace {

constexpr uint32_t decoration_rounding = 39, to_nearest_even = 0;

}  // namespace

std::vector<uint32_t> round_halves_to_even(std::span<const uint32_t> module) {
  std::set<uint32_t> half_types, conversions, stored;
  for_each(module, [&](const Instruction& i) {
    if (i.opcode == op::type_float && i.operands[1] == 16) half_types.insert(i.operands[0]);
    if (i.opcode == op::type_vector && half_types.contains(i.operands[1])) half_types.insert(i.operands[0]);
    if (i.opcode == op::f_convert && half_types.contains(i.operands[0])) conversions.insert(i.operands[1]);
    if (i.opcode == op::store && conversions.contains(i.operands[1])) stored.insert(i.operands[1]);
  });
  if (stored != conversions) throw std::runtime_error("a conversion to f16 that is not stored at once");
  std::vector<uint32_t> out(module.begin(), module.begin() + header_words);
  for_each(module, [&](const Instruction& i) {
    if (i.opcode == op::type_void) {  // the first type, in front of which decorations stand
      for (const uint32_t id : conversions) {
        out.insert(out.end(), {4u << 16 | op::decorate, id, decoration_rounding, to_nearest_even});
      }
    }
    out.insert(out.end(), i.words.begin(), i.words.end());
  });
  if (out.size() != module.size() + 4 * conversions.size()) throw std::runtime_error("SPIR-V without types");
  return out;
}

}  // namespace fovea::spirv

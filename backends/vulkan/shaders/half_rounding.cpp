#include "half_rounding.h"

#include <set>
#include <stdexcept>

namespace fovea::spirv {
namespace {

// Of the SPIR-V specification.
enum Code : uint32_t { type_void = 19, type_float = 22, type_vector = 23, store = 62, decorate = 71, f_convert = 115 };
constexpr uint32_t decoration_rounding = 39, to_nearest_even = 0;
constexpr size_t header_words = 5;

struct Instruction {
  uint32_t code;
  std::span<const uint32_t> words;  // the first says code and length
};

template <class F>
void for_each(std::span<const uint32_t> module, F f) {
  for (size_t at = header_words; at < module.size();) {
    const size_t length = module[at] >> 16;
    if (length == 0 || at + length > module.size()) throw std::runtime_error("broken SPIR-V");
    f(at, Instruction{module[at] & 0xffff, module.subspan(at, length)});
    at += length;
  }
}

}  // namespace

std::vector<uint32_t> round_halves_to_even(std::span<const uint32_t> module) {
  std::set<uint32_t> half_types, conversions, stored;
  size_t first_type = 0;  // in front of which decorations stand
  for_each(module, [&](size_t at, Instruction i) {
    if (first_type == 0 && i.code == type_void) first_type = at;
    if (i.code == type_float && i.words[2] == 16) half_types.insert(i.words[1]);
    if (i.code == type_vector && half_types.contains(i.words[2])) half_types.insert(i.words[1]);
    if (i.code == f_convert && half_types.contains(i.words[1])) conversions.insert(i.words[2]);
    if (i.code == store && conversions.contains(i.words[2])) stored.insert(i.words[2]);
  });
  if (stored != conversions) throw std::runtime_error("a conversion to f16 that is not stored at once");
  if (!conversions.empty() && first_type == 0) throw std::runtime_error("SPIR-V without types");
  std::vector<uint32_t> out(module.begin(), module.begin() + static_cast<std::ptrdiff_t>(first_type));
  for (const uint32_t id : conversions) {
    out.insert(out.end(), {4u << 16 | decorate, id, decoration_rounding, to_nearest_even});
  }
  out.insert(out.end(), module.begin() + static_cast<std::ptrdiff_t>(first_type), module.end());
  return out;
}

}  // namespace fovea::spirv

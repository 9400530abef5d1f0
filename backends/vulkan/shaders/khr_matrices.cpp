#include "khr_matrices.h"

#include <cstring>
#include <map>
#include <stdexcept>
#include <string>

#include "spirv_opcodes.h"
#include "spirv_words.h"

namespace fovea::spirv {
namespace {

using Words = std::vector<uint32_t>;

constexpr uint32_t scope_subgroup = 3;
constexpr uint32_t first_marker = 240, markers = 3;
constexpr uint32_t decoration_spec_id = 1;

enum Capability : uint32_t {
  matrices_nv = 5357,
  matrices_khr = 6022,
  bf16_type = 5116,
  bf16_matrices = 5118,
};
constexpr const char* nv_extension = "SPV_NV_cooperative_matrix";

std::string text_of(std::span<const uint32_t> words) {
  return {reinterpret_cast<const char*>(words.data()),
          strnlen(reinterpret_cast<const char*>(words.data()), words.size_bytes())};
}

Words words_of(const std::string& text) {
  Words words(text.size() / 4 + 1, 0);
  std::memcpy(words.data(), text.data(), text.size());
  return words;
}

class Rewrite {
 public:
  Rewrite(std::span<const uint32_t> module, HalfType half) : module_(module), half_(half) {
    if (module.size() < header_words) throw std::runtime_error("no SPIR-V");
    for_each(module, [&](const Instruction& i) { note(i); });
    if (uint_type_ == 0) throw std::runtime_error("cooperative matrices: no 32-bit type of their sizes");
  }

  Words run() {
    made_.assign(module_.begin(), module_.begin() + header_words);
    next_id_ = module_[3];
    for_each(module_, [&](const Instruction& i) { rewrite(i); });
    made_[3] = next_id_;
    return std::move(made_);
  }

 private:
  /// Collects what instructions further on refer to.
  void note(const Instruction& i) {
    const auto& o = i.operands;
    if (i.opcode == op::decorate && o.size() == 3 && o[1] == decoration_spec_id && o[2] >= first_marker &&
        o[2] < first_marker + markers) {
      uses_[o[0]] = o[2] - first_marker;
    } else if (i.opcode == op::constant_true || i.opcode == op::constant_false) {
      flags_[o[1]] = i.opcode == op::constant_true;
    } else if (i.opcode == op::type_int && o[1] == 32 && o[2] == 0) {
      uint_type_ = o[0];
    } else if (i.opcode == op::type_float && o[1] == 16) {
      half_type_ = o[0];
    }
  }

  void emit(uint32_t opcode, const Words& operands) {
    made_.push_back(static_cast<uint32_t>(operands.size() + 1) << 16 | opcode);
    made_.insert(made_.end(), operands.begin(), operands.end());
  }
  void emit(const Instruction& i, uint32_t opcode) { emit(opcode, Words(i.operands.begin(), i.operands.end())); }

  /// The constants 0 to 3, which stand for uses, layouts and the scope, and the type of bf16.
  void declare() {
    if (number_[0] != 0) return;
    for (uint32_t value = 0; value < 4; ++value) {
      number_[value] = next_id_++;
      emit(op::constant, {uint_type_, number_[value], value});
    }
    if (half_ == HalfType::f16) return;
    constexpr uint32_t encoding_bf16 = 0;
    bf16_id_ = next_id_++;
    emit(op::type_float, {bf16_id_, 16, encoding_bf16});
  }

  uint32_t layout(uint32_t columns_first) const {
    const auto found = flags_.find(columns_first);
    if (found == flags_.end()) throw std::runtime_error("cooperative matrices: the order of a matrix is no constant");
    return number_[found->second ? 1 : 0];
  }

  void rewrite_type(const Instruction& i) {
    declare();
    const auto& o = i.operands;  // result, component, scope, rows, columns
    const auto use = uses_.find(o[2]);
    if (use == uses_.end()) throw std::runtime_error("cooperative matrices: a type does not say what it is used for");
    const bool half = o[1] == half_type_;
    const uint32_t component = half && half_ == HalfType::bf16 ? bf16_id_ : o[1];
    emit(op::type_matrix_khr, {o[0], component, number_[scope_subgroup], o[3], o[4], number_[use->second]});
  }

  void rewrite(const Instruction& i) {
    const auto& o = i.operands;
    switch (i.opcode) {
      case op::capability:
        if (o[0] != matrices_nv) return emit(i, i.opcode);
        emit(op::capability, {matrices_khr});
        if (half_ == HalfType::bf16) {
          emit(op::capability, {bf16_type});
          emit(op::capability, {bf16_matrices});
        }
        return;
      case op::extension:
        if (text_of(o) != nv_extension) return emit(i, i.opcode);
        emit(op::extension, words_of("SPV_KHR_cooperative_matrix"));
        if (half_ == HalfType::bf16) emit(op::extension, words_of("SPV_KHR_bfloat16"));
        return;
      case op::name:
      case op::decorate:
        if (!uses_.contains(o[0])) emit(i, i.opcode);
        return;
      case op::spec_constant:
        if (!uses_.contains(o[1])) emit(i, i.opcode);
        return;
      case op::type_matrix_nv:
        return rewrite_type(i);
      case op::load_nv: {  // type, result, pointer, stride, columns first, memory operands ...
        Words operands{o[0], o[1], o[2], layout(o[4]), o[3]};
        operands.insert(operands.end(), o.begin() + 5, o.end());
        return emit(op::load_khr, operands);
      }
      case op::store_nv: {  // pointer, matrix, stride, columns first, memory operands ...
        Words operands{o[0], o[1], layout(o[3]), o[2]};
        operands.insert(operands.end(), o.begin() + 4, o.end());
        return emit(op::store_khr, operands);
      }
      case op::multiply_nv:
        return emit(i, op::multiply_khr);
      case op::length_nv:
        return emit(i, op::length_khr);
      case op::spec_constant_op:
        if (o[2] == op::length_nv) throw std::runtime_error("cooperative matrices: length() as a constant");
        return emit(i, i.opcode);
      default:
        return emit(i, i.opcode);
    }
  }

  std::span<const uint32_t> module_;
  HalfType half_;
  std::map<uint32_t, uint32_t> uses_;  // by the marker's id
  std::map<uint32_t, bool> flags_;     // constants of type bool
  uint32_t uint_type_ = 0;
  uint32_t half_type_ = 0;
  uint32_t bf16_id_ = 0;
  uint32_t number_[4] = {0, 0, 0, 0};
  uint32_t next_id_ = 0;
  Words made_;
};

}  // namespace

bool uses_nv_matrices(std::span<const uint32_t> module) {
  bool found = false;
  if (module.size() >= header_words) {
    for_each(module,
             [&](const Instruction& i) { found |= i.opcode == op::capability && i.operands[0] == matrices_nv; });
  }
  return found;
}

std::vector<uint32_t> to_khr_matrices(std::span<const uint32_t> module, HalfType half) {
  return Rewrite(module, half).run();
}

}  // namespace fovea::spirv

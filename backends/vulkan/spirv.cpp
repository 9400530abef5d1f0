#include "fovea/backends/vulkan/spirv.h"

#include <cstring>
#include <string_view>

namespace fovea::vulkan::spirv {
namespace {

constexpr uint32_t version_1_5 = 0x00010500;
constexpr uint32_t decoration_block = 2;
constexpr uint32_t decoration_array_stride = 6;
constexpr uint32_t decoration_builtin = 11;
constexpr uint32_t decoration_offset = 35;
constexpr uint32_t decoration_rounding = 39;
constexpr uint32_t decoration_no_contraction = 42;

template <class Operands>
void append(std::vector<uint32_t>& words, Code code, const Operands& operands) {
  words.push_back(static_cast<uint32_t>(operands.size() + 1) << 16 | static_cast<uint32_t>(code));
  words.insert(words.end(), operands.begin(), operands.end());
}

void append_text(std::vector<uint32_t>& words, std::string_view text) {
  std::vector<uint32_t> packed(text.size() / 4 + 1, 0);
  std::memcpy(packed.data(), text.data(), text.size());
  words.insert(words.end(), packed.begin(), packed.end());
}

}  // namespace

Module::Module(bool preserve_nan) : preserve_nan_(preserve_nan) {
  extended_ = fresh();
  main_ = fresh();
}

Id Module::declare(Code code, std::initializer_list<uint32_t> operands) {
  std::vector<uint32_t> key{static_cast<uint32_t>(code)};
  key.insert(key.end(), operands.begin(), operands.end());
  const auto [entry, is_new] = declared_.try_emplace(std::move(key), 0);
  if (is_new) {
    entry->second = fresh();
    std::vector<uint32_t> words{entry->second};
    words.insert(words.end(), operands.begin(), operands.end());
    append(declarations_, code, words);
  }
  return entry->second;
}

Id Module::declare_constant(Code code, Id type, std::vector<uint32_t> operands) {
  std::vector<uint32_t> key{static_cast<uint32_t>(code), type};
  key.insert(key.end(), operands.begin(), operands.end());
  const auto [entry, is_new] = declared_.try_emplace(std::move(key), 0);
  if (is_new) {
    entry->second = fresh();
    std::vector<uint32_t> words{type, entry->second};
    words.insert(words.end(), operands.begin(), operands.end());
    append(declarations_, code, words);
  }
  return entry->second;
}

Id Module::type_bool() { return declare(Code::type_bool, {}); }
Id Module::type_int(uint32_t bits, bool is_signed) { return declare(Code::type_int, {bits, is_signed ? 1u : 0u}); }
Id Module::type_float(uint32_t bits) { return declare(Code::type_float, {bits}); }
Id Module::type_vector(Id element, uint32_t count) {
  return count == 1 ? element : declare(Code::type_vector, {element, count});
}
Id Module::type_pointer(Storage storage, Id to) {
  return declare(Code::type_pointer, {static_cast<uint32_t>(storage), to});
}

Id Module::type_array(Id element, uint32_t count, uint32_t stride) {
  const Id length = constant(count);
  const Id id = fresh();
  append(declarations_, Code::type_array, std::initializer_list<uint32_t>{id, element, length});
  if (stride) decorate(id, {decoration_array_stride, stride});
  return id;
}

Id Module::type_struct(std::initializer_list<Id> members, std::initializer_list<uint32_t> offsets, bool block) {
  const Id id = fresh();
  std::vector<uint32_t> words{id};
  words.insert(words.end(), members.begin(), members.end());
  append(declarations_, Code::type_struct, words);
  uint32_t member = 0;
  for (uint32_t offset : offsets)
    append(decorations_, Code::member_decorate,
           std::initializer_list<uint32_t>{id, member++, decoration_offset, offset});
  if (block) decorate(id, {decoration_block});
  return id;
}

Id Module::constant(uint64_t value) {
  return declare_constant(Code::constant, type_int(64, false),
                          {static_cast<uint32_t>(value), static_cast<uint32_t>(value >> 32)});
}

Id Module::splat(Id vector_type, Id value, uint32_t count) {
  if (count == 1) return value;
  return declare_constant(Code::constant_composite, vector_type, std::vector<uint32_t>(count, value));
}

Id Module::global(Storage storage, Id type) {
  const Id pointer = type_pointer(storage, type);
  const Id id = fresh();
  append(declarations_, Code::variable, std::initializer_list<uint32_t>{pointer, id, static_cast<uint32_t>(storage)});
  interface_.push_back(id);
  return id;
}

Id Module::builtin(uint32_t which) {
  const auto [entry, is_new] = builtins_.try_emplace(which, 0);
  if (is_new) {
    entry->second = global(Storage::input, type_vector(type_int(32, false), 3));
    decorate(entry->second, {decoration_builtin, which});
  }
  return entry->second;
}

Id Module::local(Id type) {
  const Id pointer = type_pointer(Storage::function, type);
  const Id id = fresh();
  append(locals_, Code::variable,
         std::initializer_list<uint32_t>{pointer, id, static_cast<uint32_t>(Storage::function)});
  return id;
}

Id Module::emit(Code code, Id type, std::initializer_list<uint32_t> operands) {
  const Id id = fresh();
  std::vector<uint32_t>& words = body_;
  words.push_back(static_cast<uint32_t>(operands.size() + 3) << 16 | static_cast<uint32_t>(code));
  words.push_back(type);
  words.push_back(id);
  words.insert(words.end(), operands.begin(), operands.end());
  return id;
}

Id Module::emit_exact(Code code, Id type, std::initializer_list<uint32_t> operands) {
  const Id id = emit(code, type, operands);
  decorate(id, {decoration_no_contraction});
  return id;
}

Id Module::emit(Extended function, Id type, std::initializer_list<uint32_t> operands) {
  const Id id = fresh();
  body_.push_back(static_cast<uint32_t>(operands.size() + 5) << 16 | static_cast<uint32_t>(Code::ext_inst));
  body_.insert(body_.end(), {type, id, extended_, static_cast<uint32_t>(function)});
  body_.insert(body_.end(), operands.begin(), operands.end());
  return id;
}

void Module::emit(Code code, std::initializer_list<uint32_t> operands) { append(body_, code, operands); }

void Module::decorate(Id id, std::initializer_list<uint32_t> decoration) {
  std::vector<uint32_t> words{id};
  words.insert(words.end(), decoration.begin(), decoration.end());
  append(decorations_, Code::decorate, words);
}

void Module::round_to_even(Id conversion) { decorate(conversion, {decoration_rounding, 0}); }

std::vector<uint32_t> Module::finish(uint32_t threads) {
  const Id type_void = declare(Code::type_void, {});
  const Id type_main = declare(Code::type_function, {type_void});
  std::vector<uint32_t> words{0x07230203, version_1_5, 0, 0, 0};
  const auto add = [&words](Code code, std::initializer_list<uint32_t> operands) { append(words, code, operands); };

  constexpr uint32_t shader = 1, int64 = 11, storage_16 = 4433, storage_8 = 4448, addresses = 5347, preserve = 4466;
  for (uint32_t capability : {shader, int64, storage_16, storage_8, addresses}) add(Code::capability, {capability});
  if (preserve_nan_) add(Code::capability, {preserve});
  std::vector<uint32_t> import{extended_};
  append_text(import, "GLSL.std.450");
  append(words, Code::ext_inst_import, import);
  constexpr uint32_t physical_64 = 5348, glsl_450 = 1;
  add(Code::memory_model, {physical_64, glsl_450});

  constexpr uint32_t gl_compute = 5;
  std::vector<uint32_t> entry{gl_compute, main_};
  append_text(entry, "main");
  entry.insert(entry.end(), interface_.begin(), interface_.end());
  append(words, Code::entry_point, entry);
  constexpr uint32_t local_size = 17, preserve_mode = 4461;
  add(Code::execution_mode, {main_, local_size, threads, 1, 1});
  if (preserve_nan_) add(Code::execution_mode, {main_, preserve_mode, 32});

  words.insert(words.end(), decorations_.begin(), decorations_.end());
  words.insert(words.end(), declarations_.begin(), declarations_.end());
  add(Code::function, {type_void, main_, 0, type_main});
  add(Code::label, {fresh()});
  words.insert(words.end(), locals_.begin(), locals_.end());
  words.insert(words.end(), body_.begin(), body_.end());
  add(Code::return_, {});
  add(Code::function_end, {});
  words[3] = next_;
  return words;
}

}  // namespace fovea::vulkan::spirv

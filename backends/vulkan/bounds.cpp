#include "fovea/backends/vulkan/bounds.h"

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <map>
#include <utility>

#include "fovea/backends/vulkan/shaders/spirv_opcodes.h"

namespace fovea::vulkan {
namespace {

using Id = uint32_t;

namespace op = fovea::spirv::op;

constexpr uint32_t physical = 5349, offset_decoration = 35, stride_decoration = 6, aligned = 2;
constexpr size_t header = 5;

struct Instruction {
  uint16_t code;
  std::span<const uint32_t> words;  // the first of them says code and length
  uint32_t operator[](size_t i) const { return words[i]; }
};

template <class F>
void each(std::span<const uint32_t> words, F f) {
  for (size_t at = header; at < words.size(); at += words[at] >> 16)
    f(Instruction{static_cast<uint16_t>(words[at] & 0xffff), words.subspan(at, words[at] >> 16)});
}

class Checker {
 public:
  Checker(std::span<const uint32_t> words, uint64_t table) : words_(words), table_(table), next_(words[3]) {}

  std::vector<uint32_t> run() {
    learn();
    declare();
    out_.assign(words_.begin(), words_.begin() + header);
    bool declared = false;
    each(words_, [&](const Instruction& i) {
      if (i.code == op::function && !std::exchange(declared, true)) out_.insert(out_.end(), made_.begin(), made_.end());
      copy(i);
    });
    write_check();
    out_[3] = next_;
    return std::move(out_);
  }

 private:
  struct Pointer {
    Id type, pointee;
  };

  // Finds the types that are there, how large they are, and which values are pointers to physical memory.
  void learn() {
    each(words_, [&](const Instruction& i) {
      switch (i.code) {
        case op::type_bool:
          types_[{op::type_bool}] = i[1];
          break;
        case op::type_int:
        case op::type_float:
          types_[{i.code, i[2], i.code == op::type_int ? i[3] : 0}] = i[1];
          bytes_[i[1]] = i[2] / 8;
          break;
        case op::type_vector:
          bytes_[i[1]] = bytes_[i[2]] * i[3];
          break;
        case op::type_array:
          bytes_[i[1]] = strides_[i[1]] * constants_[i[3]];
          break;
        case op::type_struct:
          for (size_t member = 2; member < i.words.size(); ++member) {
            const uint32_t end = offsets_[{i[1], static_cast<uint32_t>(member - 2)}] + bytes_[i[member]];
            bytes_[i[1]] = std::max(bytes_[i[1]], end);
          }
          break;
        case op::type_pointer:
          bytes_[i[1]] = 8;
          if (i[2] == physical) pointees_[i[1]] = i[3];
          types_[{op::type_pointer, i[2], i[3]}] = i[1];
          break;
        case op::constant:
          constants_[i[2]] = i[3];
          break;
        case op::decorate:
          if (i[2] == stride_decoration) strides_[i[1]] = i[3];
          break;
        case op::member_decorate:
          if (i[3] == offset_decoration) offsets_[{i[1], i[2]}] = i[4];
          break;
        default:
          // Whatever has a result of such a type: its type is the first operand, itself the second.
          if (i.words.size() > 2 && i.code >= op::function_parameter) {
            const auto found = pointees_.find(i[1]);
            if (found != pointees_.end()) pointers_[i[2]] = {i[1], found->second};
          }
      }
    });
  }

  void put(std::vector<uint32_t>& to, uint16_t code, std::initializer_list<uint32_t> operands) {
    to.push_back(static_cast<uint32_t>(operands.size() + 1) << 16 | code);
    to.insert(to.end(), operands);
  }
  Id type(std::vector<uint32_t> key, std::initializer_list<uint32_t> operands) {
    Id& id = types_[key];
    if (id == 0) {
      id = next_++;
      made_.push_back(static_cast<uint32_t>(operands.size() + 2) << 16 | key[0]);
      made_.push_back(id);
      made_.insert(made_.end(), operands);
    }
    return id;
  }
  Id word(uint32_t value) {
    put(made_, op::constant, {uint_, next_, value});
    return next_++;
  }
  Id wide(uint64_t value) {
    put(made_, op::constant, {ulong_, next_, static_cast<uint32_t>(value), static_cast<uint32_t>(value >> 32)});
    return next_++;
  }

  void declare() {
    bool_ = type({op::type_bool}, {});
    uint_ = type({op::type_int, 32, 0}, {32, 0});
    ulong_ = type({op::type_int, 64, 0}, {64, 0});
    word_pointer_ = type({op::type_pointer, physical, uint_}, {physical, uint_});
    wide_pointer_ = type({op::type_pointer, physical, ulong_}, {physical, ulong_});
    signature_ = next_++;
    put(made_, op::type_function, {signature_, ulong_, ulong_, ulong_, bool_});
    put(made_, op::constant_true, {bool_, true_ = next_++});
    put(made_, op::constant_false, {bool_, false_ = next_++});
    check_ = next_++;
    // The numbers that the check itself needs.
    zero_ = word(0);
    one_ = word(1);
    for (const size_t place :
         {offsetof(BoundsTable, found), offsetof(BoundsTable, stored), offsetof(BoundsTable, operation),
          offsetof(BoundsTable, address), offsetof(BoundsTable, nowhere), offsetof(BoundsTable, number),
          offsetof(BoundsTable, writable), offsetof(BoundsTable, readable), offsetof(BoundsTable, ranges)}) {
      places_[place] = wide(table_ + place);
    }
    range_bytes_ = wide(sizeof(BoundsTable::Range));
    half_range_ = wide(sizeof(uint64_t));
    for (const auto& [pointer, value] : pointers_) {
      Id& size = sizes_[bytes_[value.pointee]];
      if (size == 0) size = wide(bytes_[value.pointee]);
    }
  }

  void copy(const Instruction& i) {
    const bool stores = i.code == op::store || i.code == op::atomic_store;
    const bool both = i.code >= op::atomic_exchange && i.code <= op::atomic_xor;
    const size_t place = stores ? 1 : 3;
    if (!stores && !both && i.code != op::load && i.code != op::atomic_load) return append(i.words);
    const auto pointer = pointers_.find(i[place]);
    if (pointer == pointers_.end()) return append(i.words);
    const Id address = next_++, checked = next_++, safe = next_++;
    put(out_, op::convert_ptr_to_u, {ulong_, address, i[place]});
    put(out_, op::function_call,
        {ulong_, checked, check_, address, sizes_[bytes_[pointer->second.pointee]], stores || both ? true_ : false_});
    put(out_, op::convert_u_to_ptr, {pointer->second.type, safe, checked});
    append(i.words);
    out_[out_.size() - i.words.size() + place] = safe;
  }
  void append(std::span<const uint32_t> words) { out_.insert(out_.end(), words.begin(), words.end()); }

  Id emit(uint16_t code, Id type, std::initializer_list<uint32_t> operands) {
    const Id id = next_++;
    out_.push_back(static_cast<uint32_t>(operands.size() + 3) << 16 | code);
    out_.insert(out_.end(), {type, id});
    out_.insert(out_.end(), operands);
    return id;
  }
  Id pointer_at(Id address, Id type) { return emit(op::convert_u_to_ptr, type, {address}); }
  Id load_word(size_t place) { return emit(op::load, uint_, {pointer_at(places_[place], word_pointer_), aligned, 4}); }
  Id load_wide(Id address) { return emit(op::load, ulong_, {pointer_at(address, wide_pointer_), aligned, 8}); }
  void store_word(size_t place, Id value) {
    put(out_, op::store, {pointer_at(places_[place], word_pointer_), value, aligned, 4});
  }

  // ulong check(ulong address, ulong bytes, bool stores): the address where some range holds all its bytes.
  void write_check() {
    const Id address = next_++, bytes = next_++, stores = next_++;
    const Id entry = next_++, head = next_++, body = next_++, next = next_++, merge = next_++, fault = next_++,
             done = next_++, step = next_++;
    put(out_, op::function, {ulong_, check_, 0, signature_});
    put(out_, op::function_parameter, {ulong_, address});
    put(out_, op::function_parameter, {ulong_, bytes});
    put(out_, op::function_parameter, {bool_, stores});
    put(out_, op::label, {entry});
    const Id writable = load_word(offsetof(BoundsTable, writable));
    const Id readable = load_word(offsetof(BoundsTable, readable));
    const Id count = emit(op::select, uint_, {stores, writable, readable});
    const Id end = emit(op::i_add, ulong_, {address, bytes});
    put(out_, op::branch, {head});

    put(out_, op::label, {head});
    const Id i = emit(op::phi, uint_, {zero_, entry, step, next});
    const Id more = emit(op::u_less_than, bool_, {i, count});
    put(out_, op::loop_merge, {merge, next, 0});
    put(out_, op::branch_conditional, {more, body, merge});

    put(out_, op::label, {body});
    const Id shift = emit(op::i_mul, ulong_, {emit(op::u_convert, ulong_, {i}), range_bytes_});
    const Id range = emit(op::i_add, ulong_, {shift, places_[offsetof(BoundsTable, ranges)]});
    const Id from = load_wide(range), to = load_wide(emit(op::i_add, ulong_, {range, half_range_}));
    const Id after = emit(op::u_greater_than_equal, bool_, {address, from}),
             before = emit(op::u_less_than_equal, bool_, {end, to});
    put(out_, op::branch_conditional, {emit(op::logical_and, bool_, {after, before}), merge, next});

    put(out_, op::label, {next});
    out_.insert(out_.end(), {uint32_t{5} << 16 | op::i_add, uint_, step, i, one_});
    put(out_, op::branch, {head});

    put(out_, op::label, {merge});
    const Id inside = emit(op::phi, bool_, {false_, head, true_, body});
    put(out_, op::selection_merge, {done, 0});
    put(out_, op::branch_conditional, {inside, done, fault});

    put(out_, op::label, {fault});
    store_word(offsetof(BoundsTable, stored), emit(op::select, uint_, {stores, one_, zero_}));
    store_word(offsetof(BoundsTable, operation), load_word(offsetof(BoundsTable, number)));
    put(out_, op::store, {pointer_at(places_[offsetof(BoundsTable, address)], wide_pointer_), address, aligned, 8});
    store_word(offsetof(BoundsTable, found), one_);
    put(out_, op::branch, {done});

    put(out_, op::label, {done});
    put(out_, op::return_value, {emit(op::select, ulong_, {inside, address, places_[offsetof(BoundsTable, nowhere)]})});
    put(out_, op::function_end, {});
  }

  std::span<const uint32_t> words_;
  uint64_t table_;
  Id next_;
  std::vector<uint32_t> out_, made_;
  std::map<std::vector<uint32_t>, Id> types_;  // by instruction and operands
  std::map<Id, uint32_t> bytes_, strides_, constants_;
  std::map<std::pair<Id, uint32_t>, uint32_t> offsets_;  // of a structure's members
  std::map<Id, Id> pointees_;                            // by type of pointer
  std::map<Id, Pointer> pointers_;
  std::map<size_t, Id> places_;   // addresses in the table
  std::map<uint32_t, Id> sizes_;  // in bytes, as constants
  Id bool_ = 0, uint_ = 0, ulong_ = 0, word_pointer_ = 0, wide_pointer_ = 0, signature_ = 0, true_ = 0, false_ = 0;
  Id check_ = 0, zero_ = 0, one_ = 0, range_bytes_ = 0, half_range_ = 0;
};

}  // namespace

std::vector<uint32_t> with_bounds_checks(std::span<const uint32_t> words, uint64_t table) {
  return Checker(words, table).run();
}

}  // namespace fovea::vulkan

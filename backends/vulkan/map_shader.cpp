#include <limits>

#include "fovea/backends/vulkan/arithmetic.h"
#include "fovea/backends/vulkan/map_variant.h"
#include "fovea/backends/vulkan/program_values.h"

namespace fovea::vulkan {
namespace {

using namespace spirv;

constexpr uint32_t builtin_grid = 24, builtin_workgroup = 26, builtin_place = 27;
constexpr uint32_t memory_aligned = 2;
constexpr uint32_t loop_plain = 0, selection_plain = 0;

class Writer {
 public:
  Writer(const Program& program, const MapPart& part, const MapVariant& variant, bool preserve_nan)
      : program_(program),
        part_(part),
        variant_(variant),
        module_(preserve_nan),
        arithmetic_(module_, variant.width),
        u32_(module_.type_int(32, false)),
        u64_(module_.type_int(64, false)) {}

  std::vector<uint32_t> write() {
    declare_parameters();
    if (variant_.reduced_rank == 0) {
      write_elementwise();
    } else {
      write_reduction();
    }
    return module_.finish(variant_.threads);
  }

 private:
  struct Axes {
    std::vector<Id> sizes;  // of all but the first
    int rank;
  };
  struct Strides {
    std::vector<Id> kept;
    std::vector<Id> reduced;
  };

  // Unsigned arithmetic on positions.
  Id u32(uint32_t value) { return module_.constant(value); }
  Id add(Id a, Id b) { return module_.emit(Code::i_add, u32_, {a, b}); }
  Id mul(Id a, Id b) { return module_.emit(Code::i_mul, u32_, {a, b}); }
  Id div(Id a, Id b) { return module_.emit(Code::u_div, u32_, {a, b}); }
  Id mod(Id a, Id b) { return module_.emit(Code::u_mod, u32_, {a, b}); }
  Id less(Id a, Id b) { return module_.emit(Code::u_less_than, module_.type_bool(), {a, b}); }
  Id both(Id a, Id b) { return module_.emit(Code::logical_and, module_.type_bool(), {a, b}); }
  Id either(Id a, Id b) { return module_.emit(Code::logical_or, module_.type_bool(), {a, b}); }
  Id choose(Id condition, Id a, Id b) { return module_.emit(Code::select, u32_, {condition, a, b}); }
  Id load(Id variable) { return module_.emit(Code::load, u32_, {variable}); }

  size_t input_count() const { return part_.inputs.size(); }
  bool is_output(size_t operand) const { return operand >= input_count(); }

  uint32_t word_count() const {
    uint32_t words = variant_.reduced_rank == 0 ? 1 : 7;
    words += variant_.kept_rank - 1u;
    if (variant_.reduced_rank > 0) words += variant_.reduced_rank - 1u;
    for (size_t operand = 0; operand < variant_.operand_count; ++operand) {
      if (variant_.has_strides(operand))
        words += variant_.kept_rank + (is_output(operand) ? 0u : variant_.reduced_rank);
    }
    return words + static_cast<uint32_t>(part_.scalars.size());
  }

  void declare_parameters() {
    const uint32_t operands = variant_.operand_count;
    const Id pointers = module_.type_array(u64_, operands, 8);
    const Id words = module_.type_array(u32_, word_count(), 4);
    const Id block = module_.type_struct({pointers, words}, {0, 8 * operands}, true);
    if (variant_.memory_params) {
      const Id pushed = module_.type_struct({u64_}, {0}, true);
      const Id push = module_.global(Storage::push_constant, pushed);
      const Id place = module_.emit(Code::access_chain, module_.type_pointer(Storage::push_constant, u64_),
                                    {push, module_.constant(0)});
      const Id address = module_.emit(Code::load, u64_, {place});
      parameters_ = module_.emit(Code::convert_u_to_ptr, module_.type_pointer(Storage::physical, block), {address});
    } else {
      parameters_ = module_.global(Storage::push_constant, block);
    }
  }

  Id parameter(uint32_t member, uint32_t index, Id type, uint32_t alignment) {
    const Storage storage = variant_.memory_params ? Storage::physical : Storage::push_constant;
    const Id place = module_.emit(
        Code::access_chain, module_.type_pointer(storage, type),
        {parameters_, module_.constant(static_cast<int32_t>(member)), module_.constant(static_cast<int32_t>(index))});
    if (variant_.memory_params) return module_.emit(Code::load, type, {place, memory_aligned, alignment});
    return module_.emit(Code::load, type, {place});
  }
  Id next_word() { return parameter(1, word_++, u32_, 4); }
  std::vector<Id> next_words(int count) {
    std::vector<Id> ids;
    for (int i = 0; i < count; ++i) ids.push_back(next_word());
    return ids;
  }

  void read_axes() {
    kept_ = {next_words(variant_.kept_rank - 1), variant_.kept_rank};
    reduced_ = {next_words(std::max(variant_.reduced_rank - 1, 0)), variant_.reduced_rank};
    for (size_t operand = 0; operand < variant_.operand_count; ++operand) {
      Strides strides;
      if (variant_.has_strides(operand)) {
        strides.kept = next_words(variant_.kept_rank);
        if (!is_output(operand)) strides.reduced = next_words(variant_.reduced_rank);
      }
      strides_.push_back(std::move(strides));
    }
    for (size_t i = 0; i < part_.scalars.size(); ++i) scalars_.push_back(next_word());
    for (uint32_t operand = 0; operand < variant_.operand_count; ++operand)
      pointers_.push_back(parameter(0, operand, u64_, 8));
  }

  // The index of a position along each axis.
  std::vector<Id> split(Id position, const Axes& axes) {
    std::vector<Id> index(static_cast<size_t>(axes.rank));
    for (size_t axis = index.size(); axis-- > 1;) {
      index[axis] = mod(position, axes.sizes[axis - 1]);
      position = div(position, axes.sizes[axis - 1]);
    }
    if (!index.empty()) index[0] = position;
    return index;
  }
  Id dot(const std::vector<Id>& index, const std::vector<Id>& strides, Id start) {
    for (size_t axis = 0; axis < index.size(); ++axis) start = add(start, mul(index[axis], strides[axis]));
    return start;
  }

  // The address of an element; offsets are signed.
  Id address(size_t operand, Id offset) {
    const Id i64 = module_.type_int(64, true);
    const Id wide =
        module_.emit(Code::s_convert, i64, {module_.emit(Code::bitcast, module_.type_int(32, true), {offset})});
    const Id unsigned_wide = module_.emit(Code::bitcast, u64_, {wide});
    const Id bytes =
        module_.emit(Code::i_mul, u64_, {unsigned_wide, module_.constant(uint64_t{size_of(variant_.dtype(operand))})});
    return module_.emit(Code::i_add, u64_, {pointers_[operand], bytes});
  }

  Id linear_workgroup() {
    const Id uvec3 = module_.type_vector(u32_, 3);
    const auto part = [&](uint32_t which, uint32_t axis) {
      const Id all = module_.emit(Code::load, uvec3, {module_.builtin(which)});
      return module_.emit(Code::composite_extract, u32_, {all, axis});
    };
    return add(mul(part(builtin_workgroup, 1), part(builtin_grid, 0)), part(builtin_workgroup, 0));
  }
  Id place_in_workgroup() {
    const Id all = module_.emit(Code::load, module_.type_vector(u32_, 3), {module_.builtin(builtin_place)});
    return module_.emit(Code::composite_extract, u32_, {all, 0});
  }

  template <class Body>
  void when(Id condition, Body body) {
    const Id then = module_.fresh(), merge = module_.fresh();
    module_.emit(Code::selection_merge, {merge, selection_plain});
    module_.emit(Code::branch_conditional, {condition, then, merge});
    module_.label(then);
    body();
    module_.emit(Code::branch, {merge});
    module_.label(merge);
  }
  // while (condition()) { body(); step(); }
  template <class Condition, class Body, class Step>
  void loop(Condition condition, Body body, Step step) {
    const Id header = module_.fresh(), test = module_.fresh(), inside = module_.fresh(), next = module_.fresh(),
             merge = module_.fresh();
    module_.emit(Code::branch, {header});
    module_.label(header);
    module_.emit(Code::loop_merge, {merge, next, loop_plain});
    module_.emit(Code::branch, {test});
    module_.label(test);
    module_.emit(Code::branch_conditional, {condition(), inside, merge});
    module_.label(inside);
    body();
    module_.emit(Code::branch, {next});
    module_.label(next);
    step();
    module_.emit(Code::branch, {header});
    module_.label(merge);
  }

  ProgramValues evaluate(const std::vector<Id>& addresses) {
    ProgramValues values(program_, part_, arithmetic_, variant_.integer != 0);
    const bool single = variant_.width == 1;
    for (size_t i = 0; i < input_count(); ++i) {
      const bool splat = !single && variant_.motion(i) == Motion::still;
      values.set_input(part_.inputs[i], load_element(module_, variant_.dtype(i), addresses[i], variant_.width, splat));
    }
    for (size_t i = 0; i < part_.scalars.size(); ++i) values.set_scalar(part_.scalars[i], scalars_[i]);
    values.run();
    return values;
  }

  void write_elementwise() {
    const Id count = next_word();
    read_axes();
    const Id position = add(mul(linear_workgroup(), u32(variant_.threads)), place_in_workgroup());
    when(less(position, count), [&] {
      const std::vector<Id> index = split(position, kept_);
      std::vector<Id> addresses;
      for (size_t operand = 0; operand < variant_.operand_count; ++operand) {
        Id offset = u32(0);
        if (variant_.has_strides(operand)) {
          offset = dot(index, strides_[operand].kept, offset);
        } else if (variant_.motion(operand) == Motion::dense) {
          offset = mul(position, u32(variant_.width));
        }
        addresses.push_back(address(operand, offset));
      }
      const ProgramValues values = evaluate(addresses);
      for (size_t i = 0; i < part_.output_list.size(); ++i) {
        const size_t operand = input_count() + i;
        store_element(module_, variant_.dtype(operand), addresses[operand],
                      values.output(program_.outputs[part_.output_list[i]].value), arithmetic_);
      }
    });
  }

  Value identity(Combine combine) {
    if (variant_.integer) {
      using Limits = std::numeric_limits<int32_t>;
      return Value::of(arithmetic_.integer(combine == Combine::sum       ? 0
                                           : combine == Combine::maximum ? Limits::lowest()
                                                                         : Limits::max()));
    }
    constexpr float infinity = std::numeric_limits<float>::infinity();
    return Value::of(arithmetic_.number(combine == Combine::sum       ? 0.0f
                                        : combine == Combine::maximum ? -infinity
                                                                      : infinity));
  }

  void write_reduction() {
    const Id kept_count = next_word(), reduced_count = next_word(), chunk = next_word(), lanes = next_word(),
             results = next_word(), lanes_are_neighbours = next_word(), kept_groups = next_word();
    read_axes();
    const size_t outputs = part_.output_list.size();
    const Id number = variant_.integer ? arithmetic_.int_type() : arithmetic_.float_type();
    std::vector<Id> shared, sums;
    const Id array = module_.type_array(number, variant_.threads, 0);
    for (size_t i = 0; i < outputs; ++i) {
      shared.push_back(module_.global(Storage::workgroup, array));
      sums.push_back(module_.local(number));
    }
    const Id folded = module_.local(u32_), distance = module_.local(u32_);

    const Id group = linear_workgroup(), place = place_in_workgroup();
    const Id by_lane = module_.emit(Code::i_not_equal, module_.type_bool(), {lanes_are_neighbours, u32(0)});
    const Id lane = choose(by_lane, mod(place, lanes), div(place, results));
    const Id lane_step = choose(by_lane, u32(1), results);
    const Id result = choose(by_lane, div(place, lanes), mod(place, results));
    const Id kept = add(mul(mod(group, kept_groups), results), result);
    const Id part = div(group, kept_groups);
    const std::vector<Id> kept_index = split(kept, kept_);
    const Id begin = mul(part, chunk);
    // A folded grid's last row may reach beyond the parts.
    const Id is_part =
        either(module_.emit(Code::i_equal, module_.type_bool(), {part, u32(0)}), less(begin, reduced_count));
    const Id is_kept = both(less(kept, kept_count), is_part);
    const Id after = add(begin, chunk);
    const Id end = choose(is_kept, choose(less(after, reduced_count), after, reduced_count), u32(0));

    for (size_t i = 0; i < outputs; ++i)
      module_.emit(Code::store, {sums[i], identity(program_.outputs[part_.output_list[i]].combine).id});
    std::vector<Id> starts;
    for (size_t operand = 0; operand < variant_.operand_count; ++operand)
      starts.push_back(dot(kept_index, strides_[operand].kept, u32(0)));

    module_.emit(Code::store, {folded, add(begin, lane)});
    loop([&] { return less(load(folded), end); },
         [&] {
           const std::vector<Id> index = split(load(folded), reduced_);
           std::vector<Id> addresses;
           for (size_t i = 0; i < input_count(); ++i)
             addresses.push_back(address(i, dot(index, strides_[i].reduced, starts[i])));
           const ProgramValues values = evaluate(addresses);
           for (size_t i = 0; i < outputs; ++i) {
             const ProgramOutput& output = program_.outputs[part_.output_list[i]];
             const Value sum = stored(module_.emit(Code::load, number, {sums[i]}));
             module_.emit(Code::store, {sums[i], combine(output.combine, sum, values.output(output.value)).id});
           }
         },
         [&] {
           module_.emit(Code::store, {folded, add(load(folded), lanes)});
         });

    const auto cell = [&](size_t i, Id at) {
      return module_.emit(Code::access_chain, module_.type_pointer(Storage::workgroup, number), {shared[i], at});
    };
    for (size_t i = 0; i < outputs; ++i)
      module_.emit(Code::store, {cell(i, place), module_.emit(Code::load, number, {sums[i]})});
    workgroup_barrier();
    // A tree of fixed form over the lanes.
    module_.emit(Code::store, {distance, div(lanes, u32(2))});
    loop([&] { return less(u32(0), load(distance)); },
         [&] {
           when(less(lane, load(distance)), [&] {
             const Id other = add(place, mul(load(distance), lane_step));
             for (size_t i = 0; i < outputs; ++i) {
               const Value mine = stored(module_.emit(Code::load, number, {cell(i, place)}));
               const Value theirs = stored(module_.emit(Code::load, number, {cell(i, other)}));
               const Combine how = program_.outputs[part_.output_list[i]].combine;
               module_.emit(Code::store, {cell(i, place), combine(how, mine, theirs).id});
             }
           });
           workgroup_barrier();
         },
         [&] {
           module_.emit(Code::store, {distance, div(load(distance), u32(2))});
         });

    const Id first = module_.emit(Code::i_equal, module_.type_bool(), {lane, u32(0)});
    when(both(first, is_kept), [&] {
      for (size_t i = 0; i < outputs; ++i) {
        const size_t operand = input_count() + i;
        const Id offset = add(starts[operand], mul(part, kept_count));
        store_element(module_, variant_.dtype(operand), address(operand, offset),
                      stored(module_.emit(Code::load, number, {cell(i, place)})), arithmetic_);
      }
    });
  }

  void workgroup_barrier() {
    constexpr uint32_t scope_workgroup = 2, acquire_release = 8, workgroup_memory = 256;
    module_.emit(Code::control_barrier,
                 {u32(scope_workgroup), u32(scope_workgroup), u32(acquire_release | workgroup_memory)});
  }

  Value stored(Id id) {
    return variant_.integer ? Value::of(Int{&arithmetic_, id}) : Value::of(Float{&arithmetic_, id});
  }

  const Program& program_;
  const MapPart& part_;
  const MapVariant& variant_;
  Module module_;
  Arithmetic arithmetic_;
  Id u32_;
  Id u64_;
  Id parameters_ = 0;
  uint32_t word_ = 0;
  Axes kept_;
  Axes reduced_;
  std::vector<Strides> strides_;
  std::vector<Id> scalars_;
  std::vector<Id> pointers_;
};

}  // namespace

MapPart::MapPart(const Program& program, uint64_t wanted) : outputs(wanted), needed(program.code.size()) {
  for (size_t i = 0; i < program.outputs.size(); ++i) {
    if (!(wanted >> i & 1)) continue;
    output_list.push_back(static_cast<uint16_t>(i));
    needed[program.outputs[i].value] = true;
  }
  std::vector<bool> input_needed(static_cast<size_t>(program.inputs)),
      scalar_needed(static_cast<size_t>(program.scalars));
  for (size_t i = program.code.size(); i-- > 0;) {
    if (!needed[i]) continue;
    const Instruction& instruction = program.code[i];
    for (int operand = 0; operand < arity(instruction.op); ++operand) needed[instruction.operands[operand]] = true;
    if (instruction.op == Op::input) input_needed[instruction.index] = true;
    if (instruction.op == Op::scalar) scalar_needed[instruction.index] = true;
  }
  for (size_t i = 0; i < input_needed.size(); ++i) {
    if (input_needed[i]) inputs.push_back(static_cast<uint16_t>(i));
  }
  for (size_t i = 0; i < scalar_needed.size(); ++i) {
    if (scalar_needed[i]) scalars.push_back(static_cast<uint16_t>(i));
  }
}

std::vector<uint32_t> compile_map(const Program& program, const MapPart& part, const MapVariant& variant,
                                  bool preserve_nan) {
  return Writer(program, part, variant, preserve_nan).write();
}

}  // namespace fovea::vulkan

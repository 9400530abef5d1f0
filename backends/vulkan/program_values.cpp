#include "fovea/backends/vulkan/program_values.h"

namespace fovea::vulkan {

using namespace spirv;

Float Value::number() const {
  switch (kind) {
    case Kind::number:
      return {in, id};
    case Kind::integer:
      return to_float({in, id});
    case Kind::truth:
      return select({in, id}, 1.0f, 0.0f);
  }
  return {in, id};
}

Int Value::integer() const {
  switch (kind) {
    case Kind::number:
      return to_int({in, id});
    case Kind::integer:
      return {in, id};
    case Kind::truth:
      return select({in, id}, in->integer(1), in->integer(0));
  }
  return {in, id};
}

Bool Value::truth() const {
  switch (kind) {
    case Kind::number:
      return Float{in, id} != 0.0f;
    case Kind::integer:
      return Int{in, id} != in->integer(0);
    case Kind::truth:
      return {in, id};
  }
  return {in, id};
}

Value combine(Combine how, Value a, Value b) {
  if (a.kind == Value::Kind::integer) {
    const Int x = a.integer(), y = b.integer();
    if (how == Combine::sum) return Value::of(x + y);
    return Value::of(call(how == Combine::maximum ? Extended::s_max : Extended::s_min, x, y));
  }
  const Float x = a.number(), y = b.number();
  if (how == Combine::sum) return Value::of(x + y);
  return Value::of(how == Combine::maximum ? maximum(x, y) : minimum(x, y));
}

namespace {

constexpr uint32_t memory_aligned = 2;

Id element_type(Module& module, DType dtype) {
  switch (dtype) {
    case DType::f32:
    case DType::f64:
      return module.type_float(32);
    case DType::i32:
      return module.type_int(32, true);
    case DType::f16:
      return module.type_float(16);
    case DType::bf16:
      return module.type_int(16, false);
    case DType::boolean:
      return module.type_int(8, false);
  }
  return 0;
}

}  // namespace

Loaded load_element(Module& module, DType dtype, Id address, uint32_t width, bool splat) {
  const uint32_t count = splat ? 1 : width;
  const Id type = module.type_vector(element_type(module, dtype), count);
  const Id pointer = module.emit(Code::convert_u_to_ptr, module.type_pointer(Storage::physical, type), {address});
  const auto alignment = static_cast<uint32_t>(size_of(dtype)) * count;
  Id value = module.emit(Code::load, type, {pointer, memory_aligned, alignment});
  Id wide = type;
  if (dtype == DType::f16) {
    wide = module.type_vector(module.type_float(32), count);
    value = module.emit(Code::f_convert, wide, {value});
  } else if (dtype == DType::bf16 || dtype == DType::boolean) {
    const Id unsigned_type = module.type_vector(module.type_int(32, false), count);
    value = module.emit(Code::u_convert, unsigned_type, {value});
    wide = module.type_vector(dtype == DType::bf16 ? module.type_float(32) : module.type_int(32, true), count);
    if (dtype == DType::bf16) {
      const Id sixteen = module.splat(unsigned_type, module.constant(16u), count);
      value = module.emit(Code::shift_left_logical, unsigned_type, {value, sixteen});
    }
    value = module.emit(Code::bitcast, wide, {value});
  }
  if (splat) {
    const Id vector = module.type_vector(wide, width);
    value = module.emit(Code::composite_construct, vector, {value, value, value, value});
  }
  const bool floating = is_floating(dtype);
  return {floating ? DType::f32 : DType::i32, value};
}

void store_element(Module& module, DType dtype, Id address, Value value, Arithmetic& arithmetic) {
  const uint32_t width = arithmetic.width();
  const Id type = module.type_vector(element_type(module, dtype), width);
  const Id pointer = module.emit(Code::convert_u_to_ptr, module.type_pointer(Storage::physical, type), {address});
  Id stored = 0;
  switch (dtype) {
    case DType::f32:
    case DType::f64:
      stored = value.number().id;
      break;
    case DType::i32:
      stored = value.integer().id;
      break;
    case DType::f16:
      stored = module.emit(Code::f_convert, type, {value.number().id});
      module.round_to_even(stored);
      break;
    case DType::bf16: {
      const Float x = value.number();
      const Int bits = bits_of(x);
      const Int rounded = bits + arithmetic.integer(0x7fff) + ((bits >> 16) & arithmetic.integer(1));
      const Int kept = select(is_nan(x), bits | arithmetic.integer(0x400000), rounded) >> 16;
      const Id unsigned_type = module.type_vector(module.type_int(32, false), width);
      stored = module.emit(Code::u_convert, type, {module.emit(Code::bitcast, unsigned_type, {kept.id})});
      break;
    }
    case DType::boolean: {
      const Int one = select(value.truth(), arithmetic.integer(1), arithmetic.integer(0));
      const Id unsigned_type = module.type_vector(module.type_int(32, false), width);
      stored = module.emit(Code::u_convert, type, {module.emit(Code::bitcast, unsigned_type, {one.id})});
      break;
    }
  }
  const auto alignment = static_cast<uint32_t>(size_of(dtype)) * width;
  module.emit(Code::store, {pointer, stored, memory_aligned, alignment});
}

ProgramValues::ProgramValues(const Program& program, const MapPart& part, Arithmetic& arithmetic, bool integer)
    : program_(program),
      part_(part),
      arithmetic_(arithmetic),
      integer_(integer),
      inputs_(static_cast<size_t>(program.inputs)),
      scalars_(static_cast<size_t>(program.scalars)),
      values_(program.code.size()) {}

void ProgramValues::set_input(uint16_t index, Loaded loaded) {
  Value value =
      loaded.dtype == DType::i32 ? Value::of(Int{&arithmetic_, loaded.id}) : Value::of(Float{&arithmetic_, loaded.id});
  inputs_[index] = integer_ ? Value::of(value.integer()) : Value::of(value.number());
}

void ProgramValues::set_scalar(uint16_t index, Id word) {
  Module& module = arithmetic_.module();
  const Id scalar = integer_ ? module.type_int(32, true) : module.type_float(32);
  Id value = module.emit(Code::bitcast, scalar, {word});
  if (arithmetic_.width() > 1) {
    const Id vector = module.type_vector(scalar, arithmetic_.width());
    value = module.emit(Code::composite_construct, vector, {value, value, value, value});
  }
  scalars_[index] = integer_ ? Value::of(Int{&arithmetic_, value}) : Value::of(Float{&arithmetic_, value});
}

void ProgramValues::run() {
  for (size_t i = 0; i < program_.code.size(); ++i) {
    if (part_.needed[i]) values_[i] = compute(program_.code[i]);
  }
}

// A truth value that is an output is a number like any other.
Value ProgramValues::output(uint16_t instruction) const {
  const Value& value = values_[instruction];
  if (value.kind != Value::Kind::truth) return value;
  return integer_ ? Value::of(value.integer()) : Value::of(value.number());
}

Value ProgramValues::compute(const Instruction& instruction) {
  const Value a = values_[instruction.operands[0]], b = values_[instruction.operands[1]];
  switch (instruction.op) {
    case Op::input:
      return inputs_[instruction.index];
    case Op::scalar:
      return scalars_[instruction.index];
    case Op::constant:
      if (integer_) return Value::of(arithmetic_.integer(static_cast<int32_t>(instruction.value)));
      return Value::of(arithmetic_.number(static_cast<float>(instruction.value)));
    case Op::logical_not:
      return Value::of(!a.truth());
    case Op::logical_and:
      return Value::of(a.truth() && b.truth());
    case Op::logical_or:
      return Value::of(a.truth() || b.truth());
    default:
      return integer_ ? compute_integer(instruction) : compute_float(instruction);
  }
}

namespace {

// Instructions that read alike for f32 and integers, given how to take operands as such; empty for all others.
template <class A, class B, class C>
Value compute_alike(Op op, const Value& condition, A a, B b, C c) {
  const auto is = [](auto value) { return Value::of(value); };
  switch (op) {
    case Op::neg:
      return is(-a());
    case Op::square: {
      const auto x = a();
      return is(x * x);
    }
    case Op::add:
      return is(a() + b());
    case Op::sub:
      return is(a() - b());
    case Op::mul:
      return is(a() * b());
    case Op::eq:
      return is(a() == b());
    case Op::ne:
      return is(a() != b());
    case Op::lt:
      return is(a() < b());
    case Op::le:
      return is(a() <= b());
    case Op::gt:
      return is(b() < a());
    case Op::ge:
      return is(b() <= a());
    case Op::select:
      return is(select(condition.truth(), b(), c()));
    default:
      return {};
  }
}

}  // namespace

Value ProgramValues::compute_float(const Instruction& instruction) {
  const Value* operands[3];
  for (int i = 0; i < 3; ++i) operands[i] = &values_[instruction.operands[i]];
  const auto is = [](auto value) { return Value::of(value); };
  const auto a = [&] { return operands[0]->number(); };
  const auto b = [&] { return operands[1]->number(); };
  const auto c = [&] { return operands[2]->number(); };
  switch (instruction.op) {
    case Op::abs:
      return is(abs(a()));
    case Op::sign: {
      const Float x = a();
      return is(select(x > 0.0f, 1.0f, select(x < 0.0f, -1.0f, x)));
    }
    case Op::sqrt:
      return is(call(Extended::sqrt, a()));
    case Op::rsqrt:
      return is(call(Extended::inverse_sqrt, a()));
    case Op::reciprocal:
      return is(1.0f / a());
    case Op::exp:
      return is(exp(a()));
    case Op::expm1:
      return is(expm1(a()));
    case Op::log:
      return is(log(a()));
    case Op::log1p:
      return is(log1p(a()));
    case Op::sin:
      return is(sin(a()));
    case Op::cos:
      return is(cos(a()));
    case Op::tanh:
      return is(tanh(a()));
    case Op::sigmoid:
      return is(sigmoid(a()));
    case Op::erf:
      return is(erf(a()));
    case Op::softplus:
      return is(softplus(a()));
    case Op::relu: {
      const Float x = a();
      return is(select(x <= 0.0f, 0.0f, x));
    }
    case Op::floor:
      return is(call(Extended::floor, a()));
    case Op::ceil:
      return is(call(Extended::ceil, a()));
    case Op::round:
      return is(call(Extended::round_even, a()));
    case Op::isnan:
      return is(is_nan(a()));
    case Op::div:
      return is(a() / b());
    case Op::pow:
      return is(pow(a(), b()));
    case Op::atan2:
      return is(atan2(a(), b()));
    case Op::maximum:
      return is(maximum(a(), b()));
    case Op::minimum:
      return is(minimum(a(), b()));
    case Op::fma:
      return is(fma(a(), b(), c()));
    default:
      return compute_alike(instruction.op, *operands[0], a, b, c);
  }
}

// What integers lack is computed in f32 and truncated.
Value ProgramValues::compute_integer(const Instruction& instruction) {
  const Value* operands[3];
  for (int i = 0; i < 3; ++i) operands[i] = &values_[instruction.operands[i]];
  const auto is = [](auto value) { return Value::of(value); };
  const auto a = [&] { return operands[0]->integer(); };
  const auto b = [&] { return operands[1]->integer(); };
  const auto c = [&] { return operands[2]->integer(); };
  const Int zero = arithmetic_.integer(0), one = arithmetic_.integer(1);
  switch (instruction.op) {
    case Op::abs:
      return is(call(Extended::s_abs, a()));
    case Op::sign: {
      const Int x = a();
      return is(select(x > zero, one, select(x < zero, arithmetic_.integer(-1), zero)));
    }
    case Op::reciprocal:
      return is(divide(one, a()));
    case Op::relu:
      return is(call(Extended::s_max, a(), zero));
    case Op::floor:
    case Op::ceil:
    case Op::round:
      return is(a());
    case Op::isnan:
      return is(zero != zero);
    case Op::div:
      return is(divide(a(), b()));
    case Op::pow:
      return is(to_int(call(Extended::round_even, pow(to_float(a()), to_float(b())))));
    case Op::maximum:
      return is(call(Extended::s_max, a(), b()));
    case Op::minimum:
      return is(call(Extended::s_min, a(), b()));
    case Op::fma:
      return is(a() * b() + c());
    default:
      if (const Value value = compute_alike(instruction.op, *operands[0], a, b, c); value.in) return value;
      return is(compute_float(instruction).integer());
  }
}

}  // namespace fovea::vulkan

#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string_view>

namespace fovea {

/// Element types. f32 is the default; f64 is for the CPU; f16 and bf16 are storage types, computed in f32.
enum class DType : uint8_t { f32, f64, f16, bf16, i32, boolean };

inline constexpr DType f32 = DType::f32, f64 = DType::f64, f16 = DType::f16, bf16 = DType::bf16, i32 = DType::i32,
                       boolean = DType::boolean;

constexpr size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
    case DType::i32:
      return 4;
    case DType::f64:
      return 8;
    case DType::f16:
    case DType::bf16:
      return 2;
    case DType::boolean:
      return 1;
  }
  return 0;
}

constexpr bool is_floating(DType dtype) { return dtype != DType::i32 && dtype != DType::boolean; }

/// Whether a number is an i32 one, which a cast leaves as it is.
constexpr bool is_i32(double value) {
  return value >= INT32_MIN && value <= INT32_MAX && value == static_cast<double>(static_cast<int32_t>(value));
}

/// "f32", ..., "bool".
constexpr std::string_view name(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "f32";
    case DType::f64:
      return "f64";
    case DType::f16:
      return "f16";
    case DType::bf16:
      return "bf16";
    case DType::i32:
      return "i32";
    case DType::boolean:
      return "bool";
  }
  return "?";
}
inline std::ostream& operator<<(std::ostream& stream, DType dtype) { return stream << name(dtype); }

/// IEEE 754 binary16, as bits; converts by rounding to nearest even. Chosen between by masks, so that many become vectors.
struct Half {
  uint16_t bits = 0;
  Half() = default;
  // Rounding by adding in float: the magic numbers move the binary16 grid onto the float's own rounding position.
  explicit Half(float value) {
    const auto word = std::bit_cast<uint32_t>(value);
    const uint32_t magnitude = word & 0x7fffffffu;
    const uint32_t tiny = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
    const uint32_t usual = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
    const uint32_t finite = chosen(magnitude < 0x38800000u, tiny, usual);
    const uint32_t endless = 0x7c00u | chosen(magnitude > 0x7f800000u, 0x200u, 0u);
    bits = static_cast<uint16_t>(((word >> 16) & 0x8000u) | chosen(magnitude < 0x477ff000u, finite, endless));
  }
  explicit operator float() const {
    const uint32_t magnitude = bits & 0x7fffu, sign = (bits & 0x8000u) << 16;
    // A tiny one's digits behind 2^-14, which is then taken away.
    const auto tiny = std::bit_cast<uint32_t>(std::bit_cast<float>((magnitude << 13) + 0x38800000u) - 0x1p-14f);
    const uint32_t usual = (magnitude << 13) + 0x38000000u + chosen(magnitude < 0x7c00u, 0u, 0x38000000u);
    return std::bit_cast<float>(sign | chosen(magnitude < 0x400u, tiny, usual));
  }

 private:
  static uint32_t chosen(bool first, uint32_t a, uint32_t b) {
    const uint32_t mask = 0u - static_cast<uint32_t>(first);
    return (a & mask) | (b & ~mask);
  }
};

/// The upper half of a binary32, as bits; converts by rounding to nearest even, NaN stays NaN.
struct BFloat16 {
  uint16_t bits = 0;
  BFloat16() = default;
  explicit BFloat16(float value) {
    const auto word = std::bit_cast<uint32_t>(value);
    const bool nan = (word & 0x7fffffffu) > 0x7f800000u;
    bits = nan ? static_cast<uint16_t>((word >> 16) | 0x40u)
               : static_cast<uint16_t>((word + 0x7fffu + ((word >> 16) & 1u)) >> 16);
  }
  explicit operator float() const { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }
};

/// The DType of a C++ element type.
template <class T>
inline constexpr DType dtype_of = DType::f32;
template <>
inline constexpr DType dtype_of<double> = DType::f64;
template <>
inline constexpr DType dtype_of<Half> = DType::f16;
template <>
inline constexpr DType dtype_of<BFloat16> = DType::bf16;
template <>
inline constexpr DType dtype_of<int32_t> = DType::i32;
template <>
inline constexpr DType dtype_of<bool> = DType::boolean;

}  // namespace fovea

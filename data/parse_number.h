#pragma once

#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace fovea::data {

/// Whether a number that is out of its type's range is so because it is too small, not because it is too large.
bool is_too_small(std::string_view number);

/// The number that the whole of `text` says, in decimal, whatever the locale; none where it says none, an infinite one or
/// one that is too large for T. One that is too small for T is 0, as in every other reader of numbers. A + may stand in
/// front.
template <class T>
std::optional<T> parse_number(std::string_view text) {
  static_assert(std::is_arithmetic_v<T>);
  if (text.size() > 1 && text.front() == '+' && text[1] != '-') text.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size()) return std::nullopt;
  if constexpr (std::is_floating_point_v<T>) {
    if (error == std::errc::result_out_of_range && is_too_small(text)) return text.front() == '-' ? -T{0} : T{0};
    if (!std::isfinite(value)) return std::nullopt;
  }
  if (error != std::errc()) return std::nullopt;
  return value;
}

}  // namespace fovea::data

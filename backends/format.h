#pragma once

#include <fmt/core.h>

#include <string_view>

namespace fovea {

/// What fmt::formatter derives from for types that are printed as a text: the width and fill of strings, without the
/// cost of <fmt/format.h> in every source.
struct TextFormatter : fmt::formatter<std::string_view> {
  fmt::format_context::iterator write(std::string_view text, fmt::format_context& context) const;
};

}  // namespace fovea

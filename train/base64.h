#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fovea::train {

/// RFC 4648, with padding.
std::string base64(std::string_view bytes);
/// The bytes that base64 made a text of, with or without its padding; none where a character does not belong.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace fovea::train

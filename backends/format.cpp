#include "fovea/backends/format.h"

#include <fmt/format.h>

namespace fovea {

fmt::format_context::iterator TextFormatter::write(std::string_view text, fmt::format_context& context) const {
  return fmt::formatter<std::string_view>::format(text, context);
}

}  // namespace fovea

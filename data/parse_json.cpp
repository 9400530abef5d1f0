#include "fovea/data/parse_json.h"

#include <algorithm>

namespace fovea::data {

void check_json_depth(std::string_view path, std::string_view text) {
  constexpr int deepest = 100;
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\') ++i;
      }
    } else if (c == '[' || c == '{') {
      if (++depth <= deepest) continue;
      const auto begin = text.begin(), here = begin + static_cast<ptrdiff_t>(i);
      fail_at(path, 1 + std::count(begin, here, '\n'), "nested more than {} levels deep", deepest);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
}

}  // namespace fovea::data

#include "fovea/data/parse_number.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace fovea::data {

bool is_too_small(std::string_view number) {
  const size_t e = std::min(number.find_first_of("eE"), number.size());
  const std::string_view digits = number.substr(0, e);
  int64_t exponent = 0;
  if (e < number.size()) {
    std::string_view rest = number.substr(e + 1);
    const bool negative = rest.starts_with('-');
    if (negative || rest.starts_with('+')) rest.remove_prefix(1);
    int32_t size = INT32_MAX;  // what an exponent that does not fit is taken for
    std::from_chars(rest.data(), rest.data() + rest.size(), size);
    exponent = negative ? -int64_t{size} : size;
  }
  // How far in front of the point the first digit stands that is not 0.
  const size_t point = std::min(digits.find('.'), digits.size());
  const size_t first = std::min(digits.find_first_of("123456789"), digits.size());
  return static_cast<int64_t>(point) - static_cast<int64_t>(first) + exponent < 0;
}

}  // namespace fovea::data

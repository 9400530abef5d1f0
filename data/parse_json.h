#pragma once

#include <string_view>

#include "fovea/data/file_error.h"

namespace fovea::data {

/// Throws DataError with the line where `text` is nested more deeply than any file of ours: what copies, compares or
/// writes a JSON value takes stack for each level.
void check_json_depth(std::string_view path, std::string_view text);

/// Json::parse(text), Json being one of nlohmann's kinds. Throws DataError that begins with `path`, and names the line
/// of what is not JSON or nested too deeply.
template <class Json>
Json parse_json(std::string_view path, std::string_view text) {
  check_json_depth(path, text);
  try {
    return Json::parse(text.begin(), text.end());
  } catch (const typename Json::parse_error& error) {
    fail_not_json(path, text, error.byte);
  } catch (const typename Json::out_of_range&) {
    fail(path, "it holds a number that is too large");
  }
}

}  // namespace fovea::data

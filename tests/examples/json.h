#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace fovea::test {

using Json = nlohmann::json;

/// The JSON object on the last line of a program's output.
inline Json last_line(const std::string& out) {
  const size_t end = out.find_last_not_of('\n'), begin = out.rfind('\n', end);
  return Json::parse(out.substr(begin == std::string::npos ? 0 : begin + 1));
}

}  // namespace fovea::test

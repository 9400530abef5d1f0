#pragma once

namespace fovea::train {

/// What JSON, of one of nlohmann's kinds, is in one line. Names of files may hold any bytes: what is not UTF-8 becomes
/// U+FFFD, where dump() would throw.
template <class Json>
auto json_text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace fovea::train

#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "fovea/train/batcher.h"
#include "fovea/train/http_server.h"

namespace fovea::train {

/// Why a request cannot be answered, and the status that says so.
struct RequestError {
  int status;
  std::string message;
};

/// Throws RequestError.
template <class... Args>
[[noreturn]] void refuse_request(int status, fmt::format_string<Args...> format, Args&&... args) {
  throw RequestError{status, fmt::format(format, std::forward<Args>(args)...)};
}

/// What a request to predict asks: a JSON object with "input" or "inputs" and perhaps "explain", or the bytes of one file
/// of a media type that the model takes. Inputs are what ClassifierTask::input_kind says: strings, of a "row" objects,
/// and where there are media types files as base64. Throws RequestError that names what is wrong.
std::vector<Question> questions_of(const HttpRequest& request, const std::string& input_kind,
                                   const std::vector<std::string>& media_types);

}  // namespace fovea::train

#include "fovea/train/serving_request.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "fovea/data/file_error.h"
#include "fovea/train/base64.h"

namespace fovea::train {
namespace {

using Body = nlohmann::json;  // ordered_json takes time by the square of the number of members

/// "a number", "an object".
std::string kind_of(const Body& value) {
  const std::string name = value.is_null() ? "null" : value.type_name();
  if (value.is_null()) return name;
  return (value.is_array() || value.is_object() ? "an " : "a ") + name;
}

Body parsed(const std::string& body) {
  try {
    return Body::parse(body);
  } catch (const Body::parse_error& error) {
    if (body.empty()) refuse_request(400, "the body is empty; {{\"input\": ...}} is expected");
    refuse_request(400, "the body is not valid JSON: byte {}", error.byte);
  } catch (const Body::out_of_range&) {
    refuse_request(400, "the body holds a number that is too large");
  }
}

std::string content_of(const Body& input, const std::string& name, const std::string& input_kind, bool is_file) {
  if (input_kind == "row") {
    if (!input.is_object()) {
      refuse_request(400, "{} is {}, not an object of values by column", name, kind_of(input));
    }
    for (const auto& [column, value] : input.items()) {
      // So that nothing deep is ever written.
      if (value.is_structured()) {
        refuse_request(400, "{}: {} is {}, not a value", name, data::in_quotes(column), kind_of(value));
      }
    }
    return input.dump();
  }
  if (!input.is_string()) {
    refuse_request(400, "{} is {}, not a string{}", name, kind_of(input), is_file ? " of base64" : "");
  }
  const auto& text = input.get_ref<const std::string&>();
  if (!is_file) return text;
  std::optional<std::string> bytes = from_base64(text);
  if (!bytes) refuse_request(400, "{} is not base64", name);
  return std::move(*bytes);
}

}  // namespace

std::vector<Question> questions_of(const HttpRequest& request, const std::string& input_kind,
                                   const std::vector<std::string>& media_types) {
  if (std::find(media_types.begin(), media_types.end(), request.content_type) != media_types.end()) {
    if (request.body.empty()) refuse_request(400, "the body is empty");
    return {Question{request.body, request.explain}};
  }
  const Body body = parsed(request.body);
  if (!body.is_object()) {
    refuse_request(400, "the body is {}, not an object with \"input\" or \"inputs\"", kind_of(body));
  }
  bool explain = request.explain;
  for (const auto& [name, value] : body.items()) {
    if (name == "explain") {
      if (!value.is_boolean()) refuse_request(400, "\"explain\" is {}, not true or false", kind_of(value));
      explain = value.get<bool>();
    } else if (name != "input" && name != "inputs") {
      refuse_request(400, "there is no member {}; a request has \"input\" or \"inputs\", and \"explain\"",
                     data::in_quotes(name));
    }
  }
  if (body.contains("input") == body.contains("inputs")) {
    refuse_request(400, "the body needs \"input\" or \"inputs\", one of the two");
  }
  const auto content = [&](const Body& input, const std::string& name) {
    return content_of(input, name, input_kind, !media_types.empty());
  };
  if (body.contains("input")) return {Question{content(body["input"], "\"input\""), explain}};
  const Body& inputs = body["inputs"];
  if (!inputs.is_array()) refuse_request(400, "\"inputs\" is {}, not an array", kind_of(inputs));
  if (inputs.empty()) refuse_request(400, "\"inputs\" is empty");
  std::vector<Question> questions;
  for (const Body& input : inputs) {
    questions.push_back({content(input, fmt::format("input {}", questions.size())), explain});
  }
  return questions;
}

}  // namespace fovea::train

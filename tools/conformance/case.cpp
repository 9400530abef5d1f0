#include "conformance/case.h"

#include <nlohmann/json.hpp>

namespace fovea::conformance {
namespace {

using nlohmann::json;

Attributes parse_attributes(const json& object) {
  std::map<std::string, Attributes::Value> values;
  for (const auto& [name, value] : object.items()) {
    if (value.is_boolean()) {
      values.emplace(name, value.get<bool>());
    } else if (value.is_number()) {
      values.emplace(name, value.get<double>());
    } else if (value.is_string()) {
      values.emplace(name, value.get<std::string>());
    } else if (value.is_array()) {
      values.emplace(name, value.get<std::vector<double>>());
    }
  }
  return Attributes(std::move(values));
}

int64_t whole(double value) {
  // What a number of 64 bits becomes on its way through a double may not fit any more.
  if (value >= 0x1p63) return INT64_MAX;
  return static_cast<int64_t>(value);
}

}  // namespace

bool Attributes::flag(const std::string& name, bool otherwise) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return otherwise;
  if (const bool* value = std::get_if<bool>(&found->second)) return *value;
  return std::get<double>(found->second) != 0;
}

double Attributes::number(const std::string& name, double otherwise) const {
  const std::vector<double> values = numbers(name, {otherwise});
  return values.at(0);
}

int64_t Attributes::integer(const std::string& name, int64_t otherwise) const {
  return contains(name) ? whole(number(name, 0)) : otherwise;
}

std::string Attributes::text(const std::string& name, const std::string& otherwise) const {
  const auto found = values_.find(name);
  return found == values_.end() ? otherwise : std::get<std::string>(found->second);
}

std::vector<int64_t> Attributes::integers(const std::string& name, const std::vector<int64_t>& otherwise) const {
  if (!contains(name)) return otherwise;
  std::vector<int64_t> list;
  for (double value : numbers(name)) list.push_back(whole(value));
  return list;
}

std::vector<double> Attributes::numbers(const std::string& name, const std::vector<double>& otherwise) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return otherwise;
  if (const double* value = std::get_if<double>(&found->second)) return {*value};
  return std::get<std::vector<double>>(found->second);
}

std::vector<Case> read_cases(const data::SafetensorsFile& file, const std::string& path) try {
  const auto found = file.metadata().find("cases");
  if (found == file.metadata().end()) throw DataError(path + ": the metadata has no cases");
  std::vector<Case> cases;
  for (const json& entry : json::parse(found->second)) {
    cases.push_back({.id = entry.at("id"),
                     .op = entry.at("op"),
                     .attributes = parse_attributes(entry.value("attrs", json::object())),
                     .inputs = entry.at("inputs"),
                     .outputs = entry.at("outputs"),
                     .parameters = entry.value("params", std::vector<std::string>()),
                     .input_gradients = entry.value("grad_inputs", std::vector<size_t>()),
                     .parameter_gradients = entry.value("grad_params", std::vector<std::string>()),
                     .second_order = entry.value("double", false)});
  }
  return cases;
} catch (const json::exception& error) {
  throw DataError(path + ": malformed cases: " + error.what());
}

}  // namespace fovea::conformance

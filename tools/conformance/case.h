#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "fovea/data/safetensors.h"
#include "fovea/tensor/tensor.h"

namespace fovea::conformance {

/// The options of a case by name; what is absent or null takes the given default.
class Attributes {
 public:
  using Value = std::variant<bool, double, std::string, std::vector<double>>;

  explicit Attributes(std::map<std::string, Value> values) : values_(std::move(values)) {}

  bool contains(const std::string& name) const { return values_.contains(name); }
  bool flag(const std::string& name, bool otherwise) const;
  double number(const std::string& name, double otherwise) const;
  int64_t integer(const std::string& name, int64_t otherwise) const;
  std::string text(const std::string& name, const std::string& otherwise) const;
  /// A list, or a single number as a list of one.
  std::vector<int64_t> integers(const std::string& name, const std::vector<int64_t>& otherwise = {}) const;
  std::vector<double> numbers(const std::string& name, const std::vector<double>& otherwise = {}) const;

 private:
  std::map<std::string, Value> values_;
};

/// One case of a file: what to run, on what, and which gradients are expected.
struct Case {
  std::string id;
  std::string op;
  Attributes attributes;
  size_t inputs = 0;
  size_t outputs = 0;
  std::vector<std::string> parameters;
  std::vector<size_t> input_gradients;
  std::vector<std::string> parameter_gradients;
  bool second_order = false;
};

/// The cases that the file's metadata lists. Throws DataError.
std::vector<Case> read_cases(const data::SafetensorsFile& file, const std::string& path);

}  // namespace fovea::conformance

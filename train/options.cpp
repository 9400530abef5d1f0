#include "fovea/train/options.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "fovea/data/parse_json.h"
#include "fovea/data/parse_number.h"
#include "fovea/data/utf8.h"

namespace fovea::train {
namespace {

using Json = nlohmann::ordered_json;
using Option = OptionTable::Option;

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

void check_range(const Option& option, double value, const std::string& what) {
  const auto [min, max] = std::pair(option.rules.min, option.rules.max);
  if (value >= min && value <= max) return;
  if (std::isinf(max)) refuse("{}: {} is less than {}", what, value, min);
  if (std::isinf(min)) refuse("{}: {} is more than {}", what, value, max);
  refuse("{}: {} is not between {} and {}", what, value, min, max);
}

void check_choice(const Option& option, const std::string& value, const std::string& what) {
  const std::vector<std::string>& choices = option.rules.choices;
  if (choices.empty() || std::find(choices.begin(), choices.end(), value) != choices.end()) return;
  refuse("{}: \"{}\" is not one of {}", what, value, fmt::join(choices, ", "));
}

/// A model's configuration is JSON, which holds text; what only steers a run, as a file's name, may be any bytes.
void check_utf8(const Option& option, const std::string& value, const std::string& what) {
  if (option.rules.configuration && data::find_invalid_utf8(value) != std::string::npos) refuse("{}: not UTF-8", what);
}

template <class T>
T parse(std::string_view word, const std::string& what, const char* kind) {
  const std::optional<T> value = data::parse_number<T>(word);
  if (!value) refuse("{}: \"{}\" is not {}", what, word, kind);
  return *value;
}

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t comma; (comma = text.find(',', begin)) != std::string::npos; begin = comma + 1) {
    parts.push_back(text.substr(begin, comma - begin));
  }
  parts.push_back(text.substr(begin));
  return parts;
}

/// A value of the type of the option's target, checked but not yet set.
using Value = std::variant<bool, int64_t, double, std::string, std::vector<std::string>>;

void set(const Option& option, Value value) {
  std::visit([&](auto* target) { *target = std::get<std::remove_pointer_t<decltype(target)>>(std::move(value)); },
             option.target);
}

Value from_words(const Option& option, const std::vector<std::string>& words, const std::string& what) {
  if (words.empty()) refuse("{}: a value is missing", what);
  const std::string& word = words.back();
  return std::visit(Overloaded{
                        [&](bool*) -> Value {
                          if (word != "true" && word != "false")
                            refuse("{}: \"{}\" is neither true nor false", what, word);
                          return word == "true";
                        },
                        [&](int64_t*) -> Value {
                          const auto value = parse<int64_t>(word, what, "a whole number");
                          check_range(option, static_cast<double>(value), what);
                          return value;
                        },
                        [&](double*) -> Value {
                          const auto value = parse<double>(word, what, "a number");
                          check_range(option, value, what);
                          return value;
                        },
                        [&](std::string*) -> Value {
                          check_choice(option, word, what);
                          check_utf8(option, word, what);
                          return word;
                        },
                        [&](std::vector<std::string>*) -> Value {
                          for (const std::string& each : words) check_utf8(option, each, what);
                          if (option.rules.positional || option.rules.repeated) return words;
                          std::vector<std::string> parts;
                          for (const std::string& each : words) {
                            for (std::string& part : split_at_commas(each)) parts.push_back(std::move(part));
                          }
                          return parts;
                        },
                    },
                    option.target);
}

Value from_member(const Option& option, const Json& member, const std::string& what) {
  return std::visit(Overloaded{
                        [&](bool*) -> Value {
                          if (!member.is_boolean()) refuse("{}: {} is neither true nor false", what, member.dump());
                          return member.get<bool>();
                        },
                        [&](int64_t*) -> Value {
                          if (!member.is_number_integer()) refuse("{}: {} is not a whole number", what, member.dump());
                          if (member.is_number_unsigned() && member.get<uint64_t>() > INT64_MAX) {
                            refuse("{}: {} is too great", what, member.dump());
                          }
                          check_range(option, static_cast<double>(member.get<int64_t>()), what);
                          return member.get<int64_t>();
                        },
                        [&](double*) -> Value {
                          if (!member.is_number()) refuse("{}: {} is not a number", what, member.dump());
                          check_range(option, member.get<double>(), what);
                          return member.get<double>();
                        },
                        [&](std::string*) -> Value {
                          if (!member.is_string()) refuse("{}: {} is not a string", what, member.dump());
                          check_choice(option, member.get<std::string>(), what);
                          return member.get<std::string>();
                        },
                        [&](std::vector<std::string>*) -> Value {
                          if (member.is_string()) return split_at_commas(member.get<std::string>());
                          const bool list =
                              member.is_array() && std::all_of(member.begin(), member.end(), [](const Json& each) {
                                return each.is_string() || each.is_number();
                              });
                          if (!list) refuse("{}: {} is not a list of strings", what, member.dump());
                          std::vector<std::string> parts;
                          for (const Json& each : member) {
                            parts.push_back(each.is_string() ? each.get<std::string>() : each.dump());
                          }
                          return parts;
                        },
                    },
                    option.target);
}

}  // namespace

void OptionTable::add(std::string name, Target target, std::string help, OptionRules rules, Caller caller) {
  if (find(name)) raise<ValueError>(caller, "option {} is declared twice", name);
  std::string usual = std::visit([](auto* value) { return Json(*value).dump(); }, target);
  options_.push_back({std::move(name), group_, target, std::move(help), std::move(rules), std::move(usual)});
}

const Option* OptionTable::find(std::string_view name) const {
  const auto found = std::find_if(options_.begin(), options_.end(), [&](const Option& o) { return o.name == name; });
  return found == options_.end() ? nullptr : &*found;
}

Option& OptionTable::at(std::string_view name, Caller caller) {
  const Option* found = find(name);
  if (!found) raise<ValueError>(caller, "there is no option {}", name);
  return options_[static_cast<size_t>(found - options_.data())];
}

bool OptionTable::given(std::string_view name, Caller caller) const {
  const Option* found = find(name);
  if (!found) raise<ValueError>(caller, "there is no option {}", name);
  return found->given;
}

void OptionTable::take_given(const OptionTable& other) {
  for (Option& option : options_) {
    const Option* same = other.find(option.name);
    if (same && same->given) option.given = true;
  }
}

void OptionTable::copy_given(const OptionTable& other) {
  for (Option& option : options_) {
    const Option* same = other.find(option.name);
    if (!same || !same->given) continue;
    std::visit(
        [&](auto* target) {
          if (auto* const* value = std::get_if<decltype(target)>(&same->target)) {
            *target = **value;
            option.given = true;
          }
        },
        option.target);
  }
}

void OptionTable::check(const Option& option, const std::string& word, const std::string& what) {
  static_cast<void>(from_words(option, {word}, what));
}

void OptionTable::assign(std::string_view name, const std::vector<std::string>& words) {
  Option& option = at(name);
  set(option, from_words(option, words, option.rules.positional ? option.name : "--" + option.name));
  option.given = true;
}

std::string OptionTable::to_json() const {
  Json object = Json::object();
  for (const Option& option : options_) {
    if (!option.rules.configuration) continue;
    std::visit([&](auto* target) { object[option.name] = *target; }, option.target);
  }
  return object.dump(2);
}

std::string OptionTable::complete(std::string_view object) const {
  const Json earlier = Json::parse(object);
  Json all = Json::object();
  for (const Option& option : options_) {
    if (!option.rules.configuration) continue;
    all[option.name] = earlier.contains(option.name) ? earlier[option.name] : Json::parse(option.usual);
  }
  for (const auto& [name, value] : earlier.items()) all[name] = value;
  return all.dump();
}

void OptionTable::from_json(std::string_view text, const std::string& source) {
  const Json whole = data::parse_json<Json>(source, text);
  if (!whole.is_object()) refuse("{}: not a JSON object", source);
  const Json& object = whole.contains("options") && whole["options"].is_object() ? whole["options"] : whole;
  std::vector<std::pair<Option*, Value>> changes;
  for (const auto& [name, member] : object.items()) {
    const Option* found = find(name);
    if (!found || found->rules.positional) refuse("{}: unknown option \"{}\"", source, name);
    const auto was_given = [&](const std::string& other) { return find(other) && find(other)->given; };
    const std::vector<std::string>& unless = found->rules.unless;
    if (found->given || std::any_of(unless.begin(), unless.end(), was_given)) continue;
    changes.emplace_back(&at(name), from_member(*found, member, fmt::format("{}: {}", source, name)));
  }
  for (auto& [option, value] : changes) {
    set(*option, std::move(value));
    option->given = true;
  }
}

std::string OptionTable::text(const Option& option) {
  return std::visit(Overloaded{[](const bool* target) -> std::string { return *target ? "true" : "false"; },
                               [](const std::vector<std::string>* target) -> std::string {
                                 return fmt::format("{}", fmt::join(*target, ","));
                               },
                               [](const auto* target) -> std::string { return fmt::format("{}", *target); }},
                    option.target);
}

}  // namespace fovea::train

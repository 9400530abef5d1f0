#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "fovea/backends/error.h"

namespace fovea::train {

/// A flag, a configuration or a folder that the program cannot work with. The message is one line for the user and
/// names no place in the source.
struct UsageError : Error {
  using Error::Error;
};

/// Throws UsageError.
template <class... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) {
  throw UsageError(fmt::format(format, std::forward<Args>(args)...));
}

/// Throws UsageError where an option that is of no use has another value than by itself: "--patch is of no use to
/// --encoder conv". Whether it was given does not tell: a configuration that was saved gives all.
template <class T>
void refuse_unused(bool used, std::string_view name, const T& value, const T& usual, std::string_view to) {
  if (!used && value != usual) refuse("--{} is of no use to {}", name, to);
}

/// What an option's value may be, and how --help speaks of it.
struct OptionRules {
  std::vector<std::string> choices = {};  // of a string; empty: any
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  std::string placeholder = {};   // "FILE"; by its type where empty
  std::string default_text = {};  // what --help shows as the default; the variable's value where empty
  bool required = false;
  bool positional = false;  // an argument without a flag
  bool repeated = false;    // of strings: one for each time that it is given, commas and all
  /// Whether it belongs to the configuration of a model; what only steers the run (threads, say) does not.
  bool configuration = true;
  /// Options that tell the same in another way: where one of them was given, no configuration sets this one.
  std::vector<std::string> unless = {};
};

/// A program's options, each declared once: name, the variable that holds its value (and default), help, rules. From
/// the table come the flags and --help, reading and writing of JSON, and the check of every value.
///
///     options.group("Model");
///     options.add("dropout", dropout, "share of the values set to zero", {.min = 0, .max = 0.95});
class OptionTable {
 public:
  using Target = std::variant<bool*, int64_t*, double*, std::string*, std::vector<std::string>*>;

  struct Option {
    std::string name;  // without dashes
    std::string group;
    Target target;
    std::string help;
    OptionRules rules;
    std::string usual = {};  // the variable's value when it was declared, as JSON
    bool given = false;
  };

  /// The title in --help of the options added from here on.
  void group(std::string title) { group_ = std::move(title); }
  /// The variable must outlive the table. Throws ValueError where the name stands there already.
  void add(std::string name, Target target, std::string help, OptionRules rules = {}, Caller caller = {});

  const std::vector<Option>& options() const { return options_; }
  /// Null where there is none.
  const Option* find(std::string_view name) const;
  /// Whether the user gave it, by flag or configuration. Throws ValueError where there is no such option.
  bool given(std::string_view name, Caller caller = {}) const;

  /// Takes note of what was given in a table of some of the same variables.
  void take_given(const OptionTable& other);
  /// Takes what was given to options of the same name and kind, as if it were given here.
  void copy_given(const OptionTable& other);

  /// Sets an option from the words of a command line (for a bool: one, "true" or "false"). Throws UsageError.
  void assign(std::string_view name, const std::vector<std::string>& words);

  /// The options that belong to the configuration as a JSON object.
  std::string to_json() const;
  /// Sets options from a JSON object, or from its member "options" where it has one (a model's config.json); one that
  /// was given already keeps its value. `source` names the text in errors. Throws DataError where it is not JSON,
  /// UsageError for an unknown name or a value that does not fit. Nothing is set then.
  void from_json(std::string_view text, const std::string& source);

  /// What to_json wrote, in an earlier version too, as it would now: with the usual values of options that it does not name.
  std::string complete(std::string_view object) const;

  /// Throws UsageError where a word is no value for the option; `what` names it in the message.
  static void check(const Option& option, const std::string& word, const std::string& what);

  /// The value as --help and messages show it.
  static std::string text(const Option& option);

 private:
  Option& at(std::string_view name, Caller caller = {});

  std::string group_;
  std::vector<Option> options_;
};

}  // namespace fovea::train

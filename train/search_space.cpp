#include "fovea/train/search_space.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "fovea/data/file_error.h"
#include "fovea/data/parse_json.h"
#include "fovea/data/parse_number.h"

namespace fovea::train {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
constexpr bool is_a(const OptionTable::Option& option) {
  return std::holds_alternative<T*>(option.target);
}

double bound_in(std::string_view word, const std::string& what) {
  const auto value = data::parse_number<double>(word);
  if (!value) refuse("{}: \"{}\" is not a number", what, word);
  return *value;
}

/// What stands behind the = of --vary.
SearchRange range_of(const std::string& option, const std::string& text, const std::string& what) {
  SearchRange range{.option = option};
  std::string_view rest = text;
  const size_t dots = rest.find("..");
  if (dots == std::string_view::npos) {
    while (true) {
      const size_t comma = rest.find(',');
      range.values.emplace_back(rest.substr(0, comma));
      if (comma == std::string_view::npos) return range;
      rest.remove_prefix(comma + 1);
    }
  }
  if (rest.ends_with(":log")) {
    range.logarithmic = true;
    rest.remove_suffix(4);
  }
  range.low = bound_in(rest.substr(0, dots), what);
  range.high = bound_in(rest.substr(dots + 2), what);
  return range;
}

std::string word_of(const Json& value, const std::string& what) {
  if (value.is_structured() || value.is_null()) refuse("{}: {} is not a value", what, value.dump());
  return value.is_string() ? value.get<std::string>() : value.dump();
}

/// A member of a space's file.
SearchRange range_of(const std::string& option, const Json& member, const std::string& what) {
  if (member.is_string()) return range_of(option, member.get<std::string>(), what);
  SearchRange range{.option = option};
  if (member.is_array()) {
    for (const Json& value : member) range.values.push_back(word_of(value, what));
    if (range.values.empty()) refuse("{}: there are no values", what);
    return range;
  }
  if (!member.is_object()) refuse("{}: {} is neither an array of values nor min and max", what, member.dump());
  for (const auto& [name, value] : member.items()) {
    const bool number = (name == "min" || name == "max") && value.is_number();
    if (!number && !(name == "log" && value.is_boolean())) {
      refuse("{}: \"{}\": {} is none of the numbers min and max and the truth value log", what, name, value.dump());
    }
  }
  if (!member.contains("min") || !member.contains("max")) refuse("{}: min or max is missing", what);
  range.low = member["min"].get<double>();
  range.high = member["max"].get<double>();
  range.logarithmic = member.value("log", false);
  return range;
}

/// Powers of two times `usual`, within the option's bounds.
std::vector<std::string> around(int64_t usual, const OptionTable::Option& option) {
  std::vector<std::string> values;
  for (const int64_t value : {usual / 2, usual, 2 * usual}) {
    if (static_cast<double>(value) >= std::max(1.0, option.rules.min)) values.push_back(std::to_string(value));
  }
  return values;
}

/// The range in which an option is usually searched; none where it is left alone.
std::optional<SearchRange> usual_range(const OptionTable::Option& option) {
  SearchRange range{.option = option.name};
  if (option.name == "lr") {
    const double usual = *std::get<double*>(option.target);
    range.low = usual / 8;
    range.high = usual * 4;
    range.logarithmic = true;
  } else if (option.name == "dropout") {
    range.high = 0.6;
  } else if (option.name == "weight-decay") {
    const double usual = *std::get<double*>(option.target);
    if (usual <= 0) return std::nullopt;
    range.low = usual / 10;
    range.high = usual * 10;
    range.logarithmic = true;
  } else if (option.name == "batch-size") {
    range.values = around(*std::get<int64_t*>(option.target), option);
  } else if (option.name == "hidden" || option.name == "dim") {
    range.values = around(*std::get<int64_t*>(option.target), option);
  } else if (option.name == "encoder") {
    // Those whose other options have the same meaning: what is drawn for one goes with any.
    for (const std::string& choice : option.rules.choices) {
      if (choice != "bag" && choice != "hierarchical" && choice != "rnn") range.values.push_back(choice);
    }
  } else {
    return std::nullopt;
  }
  return range;
}

constexpr const char* never_varied[] = {"seed",          "epochs",      "hold-out",    "label",
                                        "text",          "no-header",   "skip-lines",  "delimiter",
                                        "decimal-comma", "file-column", "label-column"};

}  // namespace

std::string SearchRange::draw(data::RandomStream& random) const {
  if (!values.empty()) return values[random.below(values.size())];
  if (whole) {
    const double from = logarithmic ? std::log(low) : low, to = logarithmic ? std::log(high + 1) : high + 1;
    const double drawn = random.between(from, to);
    const double value = std::floor(logarithmic ? std::exp(drawn) : drawn);
    return std::to_string(static_cast<int64_t>(std::clamp(value, low, high)));
  }
  const double drawn =
      logarithmic ? std::exp(random.between(std::log(low), std::log(high))) : random.between(low, high);
  // Four digits are enough, and what a person would type, unless they lie outside.
  const double value = std::clamp(drawn, low, high);
  std::string word = fmt::format("{:.4g}", value);
  const double typed = *data::parse_number<double>(word);
  return low <= typed && typed <= high ? word : fmt::format("{}", value);
}

std::string SearchRange::describe() const {
  if (!values.empty()) return fmt::format("{}", fmt::join(values, ","));
  return fmt::format("{}..{}{}", low, high, logarithmic ? ":log" : "");
}

SearchSpace SearchSpace::usual(const OptionTable& options, const std::function<bool(const SearchPoint&)>& fits) {
  SearchSpace space;
  for (const OptionTable::Option& option : options.options()) {
    if (option.given || !option.rules.configuration) continue;
    std::optional<SearchRange> range = usual_range(option);
    if (!range) continue;
    const bool listed = !range->values.empty();
    std::erase_if(range->values, [&](const std::string& value) { return !fits({{option.name, value}}); });
    if (!listed || range->values.size() > 1) space.ranges_.push_back(std::move(*range));
  }
  return space;
}

void SearchSpace::add(const std::string& text, const OptionTable& options) {
  const size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos) {
    refuse("--vary: {} is not OPTION=VALUES, as lr=1e-4..1e-2:log or encoder=gru,lstm", data::in_quotes(text));
  }
  const std::string name = text.substr(0, equals), what = "--vary " + name;
  add(range_of(name, text.substr(equals + 1), what), options, what);
}

void SearchSpace::add_json(const std::string& text, const std::string& source, const OptionTable& options) {
  const Json object = data::parse_json<Json>(source, text);
  if (!object.is_object()) refuse("{}: not a JSON object", source);
  for (const auto& [name, member] : object.items()) {
    const std::string what = fmt::format("{}: {}", source, name);
    add(range_of(name, member, what), options, what);
  }
}

void SearchSpace::add(SearchRange range, const OptionTable& options, const std::string& what) {
  const OptionTable::Option* option = options.find(range.option);
  if (!option) refuse("{}: there is no option --{}", what, range.option);
  if (!option->rules.configuration ||
      std::find(std::begin(never_varied), std::end(never_varied), range.option) != std::end(never_varied)) {
    refuse("{}: --{} is nothing to search for", what, range.option);
  }
  if (option->given) refuse("{}: --{} is given, too", what, range.option);
  for (const SearchRange& other : ranges_) {
    if (other.option == range.option) refuse("{}: it is varied twice", what);
  }
  for (const std::string& value : range.values) OptionTable::check(*option, value, what);
  if (range.values.empty()) {
    range.whole = is_a<int64_t>(*option);
    if (!range.whole && !is_a<double>(*option)) refuse("{}: --{} takes no numbers", what, range.option);
    if (!(range.low < range.high)) refuse("{}: {:g} is not less than {:g}", what, range.low, range.high);
    if (range.logarithmic && range.low <= 0) refuse("{}: a logarithm needs numbers above 0", what);
    for (const double bound : {range.low, range.high}) {
      const bool fits = !range.whole || (bound == std::floor(bound) && std::abs(bound) < 1e15);
      OptionTable::check(
          *option, range.whole && fits ? std::to_string(static_cast<int64_t>(bound)) : fmt::format("{}", bound), what);
    }
  }
  ranges_.push_back(std::move(range));
}

SearchPoint SearchSpace::draw(uint64_t seed, int64_t trial, int64_t attempt) const {
  data::RandomStream random(data::epoch_seed(seed, attempt), static_cast<uint64_t>(trial));
  SearchPoint point;
  for (const SearchRange& range : ranges_) point.emplace_back(range.option, range.draw(random));
  return point;
}

std::string SearchSpace::describe() const {
  Json object = Json::object();
  for (const SearchRange& range : ranges_) object[range.option] = range.describe();
  return object.dump();
}

std::vector<HalvingRound> halving_rounds(int64_t trials, int64_t factor, int64_t epochs) {
  if (trials < 1 || factor < 2 || epochs < 1) {
    raise<ValueError>(Caller(), "halving_rounds: {} trials, factor {}, {} epochs", trials, factor, epochs);
  }
  int64_t parts = 1;  // the first round takes one of them
  for (int64_t left = trials; left >= factor && parts <= epochs / factor; left /= factor) parts *= factor;
  std::vector<HalvingRound> rounds;
  for (int64_t left = trials; parts >= 1; parts /= factor, left = std::max<int64_t>(left / factor, 1)) {
    rounds.push_back({left, 1 / static_cast<double>(parts)});
  }
  return rounds;
}

int64_t epochs_of_share(double share, int64_t epochs) {
  return std::max<int64_t>(std::llround(share * static_cast<double>(epochs)), 1);
}

}  // namespace fovea::train

#include "fovea/data/jsonl.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "fovea/data/file_error.h"

namespace fovea::data {

/// Keeps the wanted fields of one object at a time, without building a tree. With nothing wanted yet, it gathers keys.
class JsonlReader::Fields {
 public:
  /// `list`: the one of the keys whose field may be a list; null where none may.
  void want(const std::vector<std::string>& keys, const std::string* list) {
    slots_.clear();
    keys_ = keys;
    list_slot_ = none;
    for (size_t i = 0; i < keys.size(); ++i) {
      slots_.emplace(keys[i], i);
      if (list && keys[i] == *list) list_slot_ = i;
    }
    values_.resize(keys.size());
    gathering_ = false;
    gathered_.clear();
  }

  void begin_line() {
    depth_ = 0;
    slot_ = none;
    in_list_ = false;
    found_.assign(keys_.size(), false);
    problem_.clear();
  }

  const std::vector<std::string>& keys() const { return keys_; }
  const std::string& field(const std::string& key) const { return values_[slots_.at(key)]; }
  const std::string& problem() const { return problem_; }
  /// The first wanted key that the line lacks, or null.
  const std::string* missing() const {
    for (size_t i = 0; i < keys_.size(); ++i) {
      if (!found_[i]) return &keys_[i];
    }
    return nullptr;
  }

  // The events of nlohmann::json's parser; a false stops it.
  bool null() { return value(std::string()); }
  bool boolean(bool is) { return value(std::string(is ? "true" : "false")); }
  bool number_integer(int64_t number) { return value(std::to_string(number)); }
  bool number_unsigned(uint64_t number) { return value(std::to_string(number)); }
  bool number_float(double, std::string digits) {
    // The parser puts the locale's decimal point in.
    const size_t point = digits.find_first_not_of("+-0123456789eE");
    if (point != std::string::npos) digits[point] = '.';
    return value(std::move(digits));
  }
  bool string(std::string& text) {
    if (wanted() && text.find('\0') != std::string::npos) {
      return refuse(fmt::format("field {} holds a NUL character", in_quotes(keys_[slot_])));
    }
    return value(std::move(text));
  }
  bool binary(std::vector<uint8_t>&) { return true; }
  bool start_object(size_t) { return start("an object"); }
  bool end_object() { return end(); }
  bool start_array(size_t) { return depth_ == 0 ? not_an_object() : start_list(); }
  bool end_array() { return end(); }
  bool key(std::string& name) {
    if (depth_ != 1) return true;
    if (gathering_) {
      if (!gathered_.insert(name).second) return twice(name);
      keys_.push_back(std::move(name));
      return true;
    }
    const auto found = slots_.find(name);
    slot_ = found == slots_.end() ? none : found->second;
    if (slot_ == none) return true;
    if (found_[slot_]) return twice(name);
    found_[slot_] = true;
    return true;
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception& error) {
    const std::string_view what = error.what();
    const bool cut = what.find("unexpected end of input") != std::string_view::npos ||
                     what.find("missing closing quote") != std::string_view::npos;
    return refuse(cut ? std::string("the JSON object is cut off") : fmt::format("not valid JSON at byte {}", position));
  }

 private:
  static constexpr size_t none = static_cast<size_t>(-1);

  bool refuse(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }
  bool not_an_object() { return refuse("expected a JSON object"); }
  bool twice(const std::string& name) { return refuse(fmt::format("field {} stands there twice", in_quotes(name))); }
  bool value(std::string text) {
    if (depth_ == 0) return not_an_object();
    if (!wanted()) return true;
    if (in_list_) {
      values_[slot_] += text + '\0';
    } else {
      values_[slot_] = std::move(text);
    }
    return true;
  }
  /// Whether what comes is a wanted field, or an item of one that is a list.
  bool wanted() const { return slot_ != none && (depth_ == 1 || in_list_); }
  bool start(const char* what) {
    if (in_list_) return refuse(fmt::format("field {} holds {} in its list", in_quotes(keys_[slot_]), what));
    if (wanted()) {
      return refuse(fmt::format("field {} is {}, expected a string or a number", in_quotes(keys_[slot_]), what));
    }
    ++depth_;
    return true;
  }
  bool start_list() {
    if (!wanted() || in_list_ || slot_ != list_slot_) return start("an array");
    values_[slot_].clear();
    in_list_ = true;
    ++depth_;
    return true;
  }
  bool end() {
    --depth_;
    in_list_ = false;
    return true;
  }

  bool gathering_ = true;
  std::unordered_set<std::string> gathered_;  // the keys once more
  std::vector<std::string> keys_;
  std::unordered_map<std::string, size_t> slots_;
  std::vector<std::string> values_;
  std::vector<char> found_;
  size_t depth_ = 0;
  size_t slot_ = none;
  size_t list_slot_ = none;
  bool in_list_ = false;  // of the wanted field
  std::string problem_;
};

JsonlReader::JsonlReader(const std::string& path)
    : TableReader(path), lines_(path), fields_(std::make_unique<Fields>()) {
  if (!next_line()) fail(path, "the file is empty");
  parse();
  set_columns(fields_->keys());
  if (columns().empty()) fail_at(path, lines_.line_number(), "an object without fields");
  fields_->want(columns(), nullptr);
  held_back_ = true;
}

JsonlReader::~JsonlReader() = default;

bool JsonlReader::next(Row& row) {
  if (held_back_) {
    held_back_ = false;
  } else if (!next_line()) {
    return false;
  }
  parse();
  if (const std::string* key = fields_->missing()) {
    fail_at(path(), lines_.line_number(), "no field {}", in_quotes(*key));
  }
  row_.clear();
  for (const size_t column : selected()) row_.push_back(fields_->field(columns()[column]));
  row = {row_, lines_.line_number()};
  return true;
}

bool JsonlReader::next_line() {
  do {
    if (!lines_.next(line_)) return false;
  } while (line_.find_first_not_of(" \t\r") == std::string_view::npos);
  return true;
}

void JsonlReader::parse() {
  fields_->begin_line();
  if (!nlohmann::json::sax_parse(line_.begin(), line_.end(), fields_.get())) {
    fail_at(path(), lines_.line_number(), "{}", fields_->problem());
  }
}

void JsonlReader::selection_changed() {
  std::vector<std::string> keys;
  for (const size_t column : selected()) {
    if (std::find(keys.begin(), keys.end(), columns()[column]) == keys.end()) keys.push_back(columns()[column]);
  }
  fields_->want(keys, list_column() ? &columns()[*list_column()] : nullptr);
}

}  // namespace fovea::data

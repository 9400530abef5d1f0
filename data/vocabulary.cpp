#include "fovea/data/vocabulary.h"

#include <algorithm>
#include <charconv>

#include "fovea/data/file_error.h"
#include "fovea/data/files.h"
#include "fovea/data/text_window.h"

namespace fovea::data {
namespace {

constexpr std::string_view padding_name = "<pad>", unknown_name = "<unk>";

void write_escaped(FileWriter& out, std::string_view token) {
  for (const char c : token) {
    switch (c) {
      case '\n':
        out.write("\\n");
        break;
      case '\r':
        out.write("\\r");
        break;
      case '\\':
        out.write("\\\\");
        break;
      case '\0':
        out.write("\\0");
        break;
      default:
        out.write({&c, 1});
    }
  }
  out.write("\n");
}

/// False where a backslash is followed by something that is no escape.
bool unescape(std::string_view line, std::string& token) {
  token.clear();
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\\') {
      token += line[i];
      continue;
    }
    const char escaped = ++i < line.size() ? line[i] : ' ';
    if (escaped == 'n') {
      token += '\n';
    } else if (escaped == 'r') {
      token += '\r';
    } else if (escaped == '\\') {
      token += '\\';
    } else if (escaped == '0') {
      token += '\0';
    } else {
      return false;
    }
  }
  return true;
}

bool is_whole_number(const std::string& text) {
  int64_t value;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

void TokenCounts::add(std::string_view token, int64_t times) {
  const auto number = static_cast<size_t>(tokens_.add(token));
  if (number == counts_.size()) counts_.push_back(0);
  counts_[number] += times;
}

void TokenCounts::add(const Tokens& tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) add(tokens[i]);
}

void TokenCounts::forget_below(int64_t count) {
  TokenCounts kept;
  for (int32_t i = 0; i < size(); ++i) {
    if (counts_[static_cast<size_t>(i)] >= count) kept.add(token(i), counts_[static_cast<size_t>(i)]);
  }
  *this = std::move(kept);
}

Vocabulary Vocabulary::build(const TokenCounts& counts, VocabularyOptions options, Caller caller) {
  if (options.max_size != 0 && options.max_size < reserved) {
    raise<ValueError>(caller, "Vocabulary: max_size {} has no room for the ids of padding and unknown",
                      options.max_size);
  }
  std::vector<int32_t> order;
  for (int32_t i = 0; i < counts.size(); ++i) {
    if (counts.count(i) >= options.min_count) order.push_back(i);
  }
  const auto before = [&](int32_t a, int32_t b) {
    return counts.count(a) != counts.count(b) ? counts.count(a) > counts.count(b) : counts.token(a) < counts.token(b);
  };
  std::sort(order.begin(), order.end(), before);
  if (options.max_size > 0) order.resize(std::min(order.size(), static_cast<size_t>(options.max_size - reserved)));
  Vocabulary vocabulary;
  for (const int32_t i : order) vocabulary.tokens_.add(counts.token(i));
  return vocabulary;
}

Vocabulary Vocabulary::load(const std::string& path) {
  LineReader lines(path);
  Vocabulary vocabulary;
  std::string token;
  for (std::string_view line; lines.next(line);) {
    const int64_t number = lines.line_number();
    if (!lines.ended()) fail_at(path, number, "the vocabulary is cut off");
    if (number <= reserved) {
      const std::string_view expected = number == 1 ? padding_name : unknown_name;
      if (line != expected) fail_at(path, number, "not a vocabulary: expected {}", expected);
      continue;
    }
    if (!unescape(line, token)) fail_at(path, number, "a backslash that escapes nothing");
    if (vocabulary.tokens_.add(token) != number - reserved - 1) {
      fail_at(path, number, "the token {} stands there twice", in_quotes(token));
    }
  }
  if (lines.line_number() < reserved) fail(path, "the vocabulary is cut off");
  return vocabulary;
}

void Vocabulary::save(const std::string& path) const {
  write_atomically(path, [&](FileWriter& out) {
    write_escaped(out, padding_name);
    write_escaped(out, unknown_name);
    for (int32_t i = 0; i < tokens_.size(); ++i) write_escaped(out, tokens_[i]);
  });
}

std::string_view Vocabulary::token(int32_t id, Caller caller) const {
  if (id < 0 || id >= size()) raise<IndexError>(caller, "Vocabulary: no id {}; there are {}", id, size());
  return id == padding ? padding_name : id == unknown ? unknown_name : tokens_[id - reserved];
}

Labels Labels::sorted(std::span<const std::string> names) {
  StringIndex distinct;
  for (const std::string& name : names) distinct.add(name);
  std::vector<std::string> order;
  for (int32_t i = 0; i < distinct.size(); ++i) order.emplace_back(distinct[i]);
  std::sort(order.begin(), order.end());
  if (std::all_of(order.begin(), order.end(), is_whole_number)) {
    std::stable_sort(order.begin(), order.end(),
                     [](const std::string& a, const std::string& b) { return std::stoll(a) < std::stoll(b); });
  }
  return in_order(std::move(order));
}

Labels Labels::in_order(std::vector<std::string> names, Caller caller) {
  Labels labels;
  labels.names_ = std::move(names);
  for (int32_t i = 0; i < labels.size(); ++i) {
    const std::string& name = labels.names_[static_cast<size_t>(i)];
    if (labels.index_.add(name) != i) raise<ValueError>(caller, "Labels: \"{}\" stands there twice", name);
  }
  return labels;
}

std::optional<int32_t> Labels::find(std::string_view name) const {
  const int32_t id = index_.find(name);
  if (id == StringIndex::absent) return std::nullopt;
  return id;
}

const std::string& Labels::name(int32_t id, Caller caller) const {
  if (id < 0 || id >= size()) raise<IndexError>(caller, "Labels: no id {}; there are {}", id, size());
  return names_[static_cast<size_t>(id)];
}

int32_t label_id(const std::string& name, const LabelPlaces& places, size_t example, const Labels& labels) {
  if (const auto id = labels.find(name)) return *id;
  const std::string* known = labels.names().data();
  fail(places[example], "unknown label {}; the classes are {}", in_quotes(name),
       list_in_quotes(known, known + labels.names().size()));
}

std::vector<int32_t> label_ids(std::span<const std::string> names, const LabelPlaces& places, const Labels& labels) {
  std::vector<int32_t> ids;
  ids.reserve(names.size());
  for (size_t i = 0; i < names.size(); ++i) ids.push_back(label_id(names[i], places, i, labels));
  return ids;
}

}  // namespace fovea::data

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "fovea/data/bpe.h"
#include "fovea/data/file_error.h"
#include "fovea/data/files.h"
#include "fovea/data/parse_json.h"
#include "fovea/data/utf8.h"

// tokenizer.json, the format of the `tokenizers` package (https://github.com/huggingface/tokenizers), of the BPE kind.
namespace fovea::data {
namespace {

using Json = nlohmann::json;

constexpr int64_t most_ids = 1 << 24;
constexpr size_t most_bytes = size_t{1} << 28;

/// Reads members and says of each that does not fit which one it is.
class Reader {
 public:
  /// `whole` is what the file holds.
  Reader(std::string path, const Json& whole) : path_(std::move(path)) {
    const auto count = [](const Json& list) { return static_cast<int64_t>(list.size()); };
    const int64_t entries = count(member(member(whole, "model"), "vocab")) + count(member(whole, "added_tokens"));
    // A few ids may lie free, but a file of a few tokens shall not take memory for millions.
    ids_ = std::min(most_ids, std::max(int64_t{1} << 16, 4 * entries));
  }

  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    fail(path_, "{}", fmt::format(format, std::forward<Args>(args)...));
  }

  /// Null where it is absent.
  static const Json& member(const Json& object, const char* name) {
    static const Json null;
    const auto found = object.find(name);
    return found == object.end() ? null : *found;
  }
  bool flag(const Json& object, const char* name, bool usual) const {
    const Json& value = member(object, name);
    if (value.is_null()) return usual;
    if (!value.is_boolean()) refuse("{} is neither true nor false", name);
    return value.get<bool>();
  }
  std::string text(const Json& object, const char* name) const {
    const Json& value = member(object, name);
    if (value.is_null()) return {};
    if (!value.is_string()) refuse("{} is not a string", name);
    return value.get<std::string>();
  }
  int32_t id(const Json& value, const std::string& what) const {
    if (!value.is_number_integer()) refuse("the id of {} is not a whole number", what);
    if (value.is_number_unsigned() ? value.get<uint64_t>() >= static_cast<uint64_t>(ids_) : value.get<int64_t>() < 0) {
      refuse("the id of {} is not from 0 to {}", what, ids_ - 1);
    }
    return value.get<int32_t>();
  }
  void need_plain(const Json& object, const char* name) const {
    const Json& value = member(object, name);
    const bool plain = value.is_null() || value == "" || value == false || value == 0;
    if (!plain) refuse("{} {} is not supported", name, value.dump());
  }

  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int64_t ids_;
};

/// Whether a post_processor leaves a text's ids as they are.
bool adds_nothing(const Reader& reader, const Json& processor) {
  if (processor.is_null()) return true;
  const std::string type = processor.is_object() ? reader.text(processor, "type") : "";
  if (type == "Sequence") {
    const Json& steps = Reader::member(processor, "processors");
    return steps.is_array() &&
           std::all_of(steps.begin(), steps.end(), [&](const Json& step) { return adds_nothing(reader, step); });
  }
  if (type == "TemplateProcessing") {
    const Json& single = Reader::member(processor, "single");
    return single.is_array() && single.size() == 1 && single[0].contains("Sequence");
  }
  return type == "ByteLevel";
}

bool lower_case(const Reader& reader, const Json& normalizer) {
  if (normalizer.is_null()) return false;
  const std::string type = normalizer.is_object() ? reader.text(normalizer, "type") : "";
  if (type == "Lowercase") return true;
  if (type == "Sequence") {
    const Json& steps = Reader::member(normalizer, "normalizers");
    if (steps.is_array() && steps.empty()) return false;
    if (steps.is_array() && steps.size() == 1) return lower_case(reader, steps[0]);
  }
  reader.refuse("the normalizer {} is not supported; Lowercase is", in_quotes(type));
}

BpeWordOptions words_of(const Reader& reader, const Json& splitter) {
  const std::string type = splitter.is_object() ? reader.text(splitter, "type") : "";
  if (type == "Whitespace") return {.split = BpeSplit::whitespace};
  if (type != "ByteLevel") {
    reader.refuse("the pre_tokenizer {} is not supported; ByteLevel and Whitespace are", in_quotes(type));
  }
  return {.split = BpeSplit::byte_level,
          .add_prefix_space = reader.flag(splitter, "add_prefix_space", true),
          .use_regex = reader.flag(splitter, "use_regex", true)};
}

std::vector<std::string> tokens_of(const Reader& reader, const Json& vocabulary) {
  if (!vocabulary.is_object()) reader.refuse("model has no vocab");
  std::vector<std::string> tokens;
  for (const auto& [token, value] : vocabulary.items()) {
    const auto id = static_cast<size_t>(reader.id(value, in_quotes(token)));
    if (token.empty()) reader.refuse("a token is empty");
    if (id >= tokens.size()) tokens.resize(id + 1);
    if (!tokens[id].empty()) reader.refuse("{} and {} have one id, {}", in_quotes(tokens[id]), in_quotes(token), id);
    tokens[id] = token;
  }
  return tokens;
}

std::vector<BpeTokenizer::Pair> merges_of(const Reader& reader, const Json& merges,
                                          const std::vector<std::string>& tokens) {
  if (!merges.is_array()) reader.refuse("model has no merges");
  std::unordered_map<std::string_view, int32_t> ids;
  for (size_t i = 0; i < tokens.size(); ++i) ids.emplace(tokens[i], static_cast<int32_t>(i));
  std::vector<BpeTokenizer::Pair> out;
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const Json& merge = merges[rank];
    std::string left, right;
    if (merge.is_string()) {  // the older form, "left right"
      const auto text = merge.get<std::string>();
      const size_t space = text.find(' ');
      if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) {
        reader.refuse("merge {}: {} is not two tokens", rank, in_quotes(text));
      }
      left = text.substr(0, space);
      right = text.substr(space + 1);
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      left = merge[0].get<std::string>();
      right = merge[1].get<std::string>();
    } else {
      reader.refuse("merge {} is not two tokens", rank);
    }
    for (const std::string& each : {left, right, left + right}) {
      if (each.empty() || !ids.contains(each)) reader.refuse("merge {}: {} is no token", rank, in_quotes(each));
    }
    out.emplace_back(ids.at(left), ids.at(right));
  }
  return out;
}

std::vector<AddedToken> added_of(const Reader& reader, const Json& list, bool normalizes) {
  std::vector<AddedToken> out;
  if (list.is_null()) return out;
  if (!list.is_array()) reader.refuse("added_tokens is not a list");
  for (const Json& each : list) {
    if (!each.is_object() || reader.text(each, "content").empty()) reader.refuse("an added token has no content");
    AddedToken token{.text = reader.text(each, "content")};
    token.id = reader.id(Reader::member(each, "id"), in_quotes(token.text));
    token.special = reader.flag(each, "special", false);
    for (const char* name : {"single_word", "lstrip", "rstrip"}) reader.need_plain(each, name);
    token.normalized = reader.flag(each, "normalized", !token.special);
    if (normalizes && token.normalized) {
      reader.refuse("the added token {} is normalized, which is not supported beside a normalizer",
                    in_quotes(token.text));
    }
    out.push_back(std::move(token));
  }
  return out;
}

}  // namespace

BpeTokenizer BpeTokenizer::load(const std::string& path) {
  const std::string text = read_file(path, most_bytes);
  if (const size_t bad = find_invalid_utf8(text); bad != std::string::npos) fail(path, "byte {} is not UTF-8", bad + 1);
  const Json whole = parse_json<Json>(path, text);
  const Json& model = whole.is_object() ? Reader::member(whole, "model") : whole;
  if (!whole.is_object() || !model.is_object()) fail(path, "not a tokenizer: it has no model");
  const Reader reader(path, whole);
  // Older files do not name the kind.
  const std::string type = model.contains("type") ? reader.text(model, "type") : "BPE";
  if (type != "BPE") fail(path, "a tokenizer of the kind {}; BPE is supported", in_quotes(type));
  for (const char* name : {"continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "dropout"}) {
    reader.need_plain(model, name);
  }
  for (const char* name : {"truncation", "padding"}) reader.need_plain(whole, name);
  if (const Json& processor = Reader::member(whole, "post_processor"); !adds_nothing(reader, processor)) {
    reader.refuse("the post_processor {} is not supported: it adds tokens",
                  in_quotes(processor.is_object() ? reader.text(processor, "type") : ""));
  }
  BpeOptions options{.words = words_of(reader, Reader::member(whole, "pre_tokenizer")),
                     .unknown = reader.text(model, "unk_token"),
                     .fuse_unknown = reader.flag(model, "fuse_unk", false),
                     .ignore_merges = reader.flag(model, "ignore_merges", false)};
  options.words.lower_case = lower_case(reader, Reader::member(whole, "normalizer"));
  std::vector<std::string> tokens = tokens_of(reader, Reader::member(model, "vocab"));
  std::vector<Pair> merges = merges_of(reader, Reader::member(model, "merges"), tokens);
  std::vector<AddedToken> added = added_of(reader, Reader::member(whole, "added_tokens"), options.words.lower_case);
  try {
    return BpeTokenizer(std::move(tokens), std::move(merges), std::move(added), std::move(options));
  } catch (const ValueError& error) {
    std::string message = error.what();
    message = message.substr(message.find(": ") + 2);
    fail(path, "{}", message.substr(0, message.rfind(" (")));
  }
}

void BpeTokenizer::save(const std::string& path) const {
  const bool bytes = options_.words.split == BpeSplit::byte_level;
  Json added = Json::array();
  for (const AddedToken& each : added_) {
    added.push_back({{"id", each.id},
                     {"content", each.text},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", each.normalized},
                     {"special", each.special}});
  }
  Json vocabulary = Json::object(), merges = Json::array();
  for (size_t i = 0; i < tokens_.size(); ++i) {
    if (!tokens_[i].empty()) vocabulary[tokens_[i]] = i;
  }
  for (const auto& [left, right] : merges_) {
    merges.push_back({tokens_[static_cast<size_t>(left)], tokens_[static_cast<size_t>(right)]});
  }
  Json byte_level{{"type", "ByteLevel"},
                  {"add_prefix_space", options_.words.add_prefix_space},
                  {"trim_offsets", true},
                  {"use_regex", options_.words.use_regex}};
  const Json whole{{"version", "1.0"},
                   {"truncation", nullptr},
                   {"padding", nullptr},
                   {"added_tokens", added},
                   {"normalizer", options_.words.lower_case ? Json{{"type", "Lowercase"}} : Json()},
                   {"pre_tokenizer", bytes ? byte_level : Json{{"type", "Whitespace"}}},
                   {"post_processor", nullptr},
                   {"decoder", bytes ? byte_level : Json()},
                   {"model",
                    {{"type", "BPE"},
                     {"dropout", nullptr},
                     {"unk_token", options_.unknown.empty() ? Json() : Json(options_.unknown)},
                     {"continuing_subword_prefix", nullptr},
                     {"end_of_word_suffix", nullptr},
                     {"fuse_unk", options_.fuse_unknown},
                     {"byte_fallback", false},
                     {"ignore_merges", options_.ignore_merges},
                     {"vocab", vocabulary},
                     {"merges", merges}}}};
  write_atomically(path, whole.dump(2) + '\n');
}

}  // namespace fovea::data

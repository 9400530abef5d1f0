#include "fovea/data/text_encoder.h"

#include <algorithm>
#include <bit>

#include "fovea/backends/error.h"
#include "fovea/data/file_error.h"
#include "fovea/data/safetensors.h"
#include "fovea/tensor/creation.h"

namespace fovea::data {

std::vector<int64_t> TokenIds::lengths() const {
  std::vector<int64_t> lengths;
  lengths.reserve(static_cast<size_t>(size()));
  for (int64_t i = 0; i < size(); ++i) lengths.push_back(length(i));
  return lengths;
}

void TokenIds::add(std::span<const int32_t> sequence, Caller caller) {
  if (mapped_) raise<ValueError>(caller, "TokenIds: nothing can be added to a mapped file");
  if (ids_.size() + sequence.size() > INT32_MAX) raise<ValueError>(caller, "TokenIds: more than {} ids", INT32_MAX);
  ids_.insert(ids_.end(), sequence.begin(), sequence.end());
  ends_.push_back(static_cast<int32_t>(ids_.size()));
}

void TokenIds::save(const std::string& path) const {
  const auto as_tensor = [](std::span<const int32_t> values) {
    return from_vector(std::vector<int32_t>(values.begin(), values.end()));
  };
  save_safetensors(path, {{"ids", as_tensor(ids())}, {"ends", as_tensor(ends())}});
}

TokenIds TokenIds::map(const std::string& path) {
  TokenIds out;
  out.mapped_ = std::make_shared<const SafetensorsFile>(path);
  const auto values = [&](const char* name) {
    const std::span<const std::byte> bytes = out.mapped_->bytes(name);
    const SafetensorsFile::Info& info = out.mapped_->tensors().at(name);
    const bool aligned = reinterpret_cast<uintptr_t>(bytes.data()) % alignof(int32_t) == 0;
    if (info.dtype != "I32" || info.shape.rank() != 1 || !aligned) fail(path, "{} are not a list of i32", name);
    return std::span(reinterpret_cast<const int32_t*>(bytes.data()), bytes.size() / sizeof(int32_t));
  };
  out.mapped_ids_ = values("ids");
  out.mapped_ends_ = values("ends");
  const std::span<const int32_t> ends = out.mapped_ends_;
  if (ends.empty() || ends.front() != 0 || static_cast<size_t>(ends.back()) != out.mapped_ids_.size() ||
      !std::is_sorted(ends.begin(), ends.end())) {
    fail(path, "the ends of its sequences do not fit its ids");
  }
  return out;
}

int64_t bigram_bucket(std::string_view first, std::string_view second, int64_t buckets) {
  // Rotated, so that the order counts and a token beside itself does not cancel out.
  const uint64_t hash = std::rotl(hash_bytes(first), 29) * 0x9e3779b97f4a7c15u ^ hash_bytes(second);
  return static_cast<int64_t>((hash ^ hash >> 32) % static_cast<uint64_t>(buckets));
}

TextEncoder::TextEncoder(std::shared_ptr<const Tokenizer> tokenizer, Vocabulary vocabulary, TextEncoderOptions options,
                         Caller caller)
    : tokenizer_(std::move(tokenizer)), vocabulary_(std::move(vocabulary)), options_(options) {
  if (options.max_length < 0 || options.bigram_buckets < 0) {
    raise<ValueError>(caller, "TextEncoder: max_length {} and bigram_buckets {} must not be negative",
                      options.max_length, options.bigram_buckets);
  }
  if (ids() > INT32_MAX) raise<ValueError>(caller, "TextEncoder: {} ids do not fit i32", ids());
}

void TextEncoder::encode(std::string_view text, Tokens& tokens, std::vector<int32_t>& ids) const {
  ids.clear();
  tokenizer_->tokenize(text, tokens);
  const size_t limit = options_.max_length > 0 ? static_cast<size_t>(options_.max_length) : tokens.size();
  const size_t count = std::min(tokens.size(), limit);
  for (size_t i = 0; i < count; ++i) ids.push_back(vocabulary_.id(tokens[i]));
  if (options_.bigram_buckets > 0) {
    for (size_t i = 1; i < count; ++i) {
      const int64_t bucket = bigram_bucket(tokens[i - 1], tokens[i], options_.bigram_buckets);
      ids.push_back(static_cast<int32_t>(vocabulary_.size() + bucket));
    }
  }
  if (ids.empty()) ids.push_back(Vocabulary::unknown);
}

std::vector<int32_t> TextEncoder::encode(std::string_view text) const {
  Tokens tokens;
  std::vector<int32_t> ids;
  encode(text, tokens, ids);
  return ids;
}

TokenIds TextEncoder::encode(std::span<const std::string> texts) const {
  TokenIds out;
  Tokens tokens;
  std::vector<int32_t> ids;
  for (const std::string& text : texts) {
    encode(text, tokens, ids);
    out.add(ids);
  }
  return out;
}

TokenCounts count_tokens(std::span<const std::string> texts, const Tokenizer& tokenizer) {
  TokenCounts counts;
  Tokens tokens;
  for (const std::string& text : texts) {
    tokenizer.tokenize(text, tokens);
    counts.add(tokens);
  }
  return counts;
}

}  // namespace fovea::data

#include "corpus.h"

#include "fovea/data/byte_reader.h"
#include "fovea/data/file_error.h"
#include "fovea/data/text_window.h"
#include "fovea/data/utf8.h"

using namespace fovea;

std::string read_text(const std::string& path) {
  data::ByteReader reader(path);
  std::string text;
  std::vector<char> piece(size_t{1} << 20);
  while (const size_t count = reader.read(piece.data(), piece.size())) text.append(piece.data(), count);
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) {
    data::fail_at(path, 1, "the text is UTF-16, expected UTF-8");
  }
  if (text.starts_with("\ufeff")) text.erase(0, 3);  // a byte-order mark is none of its characters
  const size_t invalid = data::find_invalid_utf8(text);
  if (invalid != std::string::npos) {
    const int64_t line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(invalid), '\n');
    data::fail_at(path, line, "byte {} of the file is not UTF-8", invalid + 1);
  }
  data::use_line_feeds(text);
  return text;
}

Parts hold_out_end(std::string_view text, double share) {
  const auto wanted = static_cast<size_t>((1 - share) * static_cast<double>(text.size()));
  const size_t cut = data::utf8_prefix(text, wanted).size();
  return {text.substr(0, cut), text.substr(cut)};
}

Characters::Characters(const std::string& text, int64_t most)
    : vocabulary_(data::Vocabulary::build(data::count_tokens({&text, 1}, *tokenizer_), {.max_size = most})) {}

Characters::Characters(data::Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {}

std::vector<int32_t> Characters::encode(std::string_view text) const {
  data::Tokens tokens;
  tokenizer_->tokenize(text, tokens);
  std::vector<int32_t> ids;
  ids.reserve(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) ids.push_back(vocabulary_.id(tokens[i]));
  return ids;
}

std::string_view Characters::text(int32_t id) const {
  return id == data::Vocabulary::padding || id == data::Vocabulary::unknown ? "\ufffd" : vocabulary_.token(id);
}

Windows::Windows(const nn::CausalLM& model, std::vector<int32_t> ids, Options options, Device device)
    : model_(model), ids_(std::move(ids)), options_(options), device_(device) {
  options_.context = std::min(options_.context, predicted());
}

int64_t Windows::batches() const {
  const int64_t windows = (predicted() + options_.context - 1) / options_.context;
  if (!options_.random) {
    // The last window may be shorter: then it is a batch of its own.
    const int64_t whole = predicted() / options_.context;
    return (whole + options_.batch_size - 1) / options_.batch_size + (windows - whole);
  }
  return std::max((windows + options_.batch_size - 1) / options_.batch_size, options_.least);
}

void Windows::seek(int64_t epoch, int64_t batch) {
  epoch_ = epoch;
  batch_ = batch;
}

/// Where the windows of the batch begin.
std::vector<int64_t> Windows::begins() const {
  std::vector<int64_t> at;
  const int64_t first = batch_ * options_.batch_size, whole = predicted() / options_.context;
  if (options_.random) {
    const auto places = static_cast<uint64_t>(predicted() - options_.context + 1);
    for (int64_t i = first; i < first + options_.batch_size; ++i) {
      const auto random = data::philox(options_.seed, static_cast<uint64_t>(i), static_cast<uint64_t>(epoch_));
      at.push_back(static_cast<int64_t>((uint64_t{random[0]} << 32 | random[1]) % places));
    }
    return at;
  }
  for (int64_t i = first; i < std::min(first + options_.batch_size, whole); ++i) at.push_back(i * options_.context);
  if (at.empty()) at.push_back(whole * options_.context);
  return at;
}

std::optional<train::Outcome> Windows::next() {
  if (batch_ >= batches()) return std::nullopt;
  const std::vector<int64_t> at = begins();
  const int64_t time = std::min(options_.context, predicted() - at.back());
  std::vector<int32_t> seen, follow;
  for (const int64_t begin : at) {
    const auto from = ids_.begin() + begin;
    seen.insert(seen.end(), from, from + time);
    follow.insert(follow.end(), from + 1, from + 1 + time);
  }
  ++batch_;
  const auto rows = static_cast<int64_t>(at.size());
  const Tensor logits = model_.forward(from_vector(seen, {rows, time}, device_));
  return train::Outcome{
      logits.reshape({rows * time, logits.size(2)}), from_vector(follow, {rows * time}, device_), {}, {}};
}

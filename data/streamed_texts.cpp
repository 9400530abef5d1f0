#include "fovea/data/streamed_texts.h"

#include <algorithm>
#include <bit>

#include "fovea/data/file_error.h"
#include "fovea/data/random_stream.h"

namespace fovea::data {
namespace {

uint64_t mix(uint64_t hash, std::string_view text) {
  return std::rotl(hash, 5) * 0x9e3779b97f4a7c15u ^ hash_bytes(text);
}

}  // namespace

uint64_t mix_text(uint64_t hash, std::string_view text, std::string_view label) { return mix(mix(hash, text), label); }

StreamedTexts::StreamedTexts(std::string path, StreamedTextsOptions options)
    : path_(std::move(path)), options_(std::move(options)) {
  TextReader reader(path_, options_.columns, options_.table);
  columns_ = reader.columns();
  const bool several = options_.columns.several_labels;
  std::vector<std::vector<std::string>> names;  // by cell
  std::vector<int64_t> lines;                   // where it stood first
  for (LabelledText each; reader.next(each); ++size_) {
    fingerprint_ = mix_text(fingerprint_, each.text, each.label);
    if (cells_.add(each.label) < static_cast<int32_t>(names.size())) continue;
    lines.push_back(each.line);
    if (several) {
      names.push_back(split_labels(each.label, options_.label_separator, {path_, lines}, names.size()));
    } else {
      names.push_back({std::string(each.label)});
    }
  }
  if (size_ == 0) fail(path_, "no rows below the header");
  std::vector<std::string> all;
  for (const std::vector<std::string>& each : names) all.insert(all.end(), each.begin(), each.end());
  labels_ = Labels::sorted(all);
  numbers_ = several ? label_set_ids(names, {path_, lines}, labels_, sets_) : label_ids(all, {path_, lines}, labels_);
  share_ = std::min(options_.hold_out, static_cast<double>(options_.most_held_out) / static_cast<double>(size_));
}

StreamedTexts::Reader::Reader(const StreamedTexts& texts)
    : texts_(texts), rows_(texts.path_, texts.options_.columns, texts.options_.table) {}

bool StreamedTexts::Reader::next() {
  if (number_ == texts_.size_) return false;
  const bool found = rows_.next(row_);
  ++number_;
  if (found == (number_ == texts_.size_)) fail(texts_.path_, "the file has changed while it was being read");
  if (!found) return false;
  const int32_t cell = texts_.cells_.find(row_.label);
  if (cell == StringIndex::absent) {
    fail_at(texts_.path_, row_.line, "the file has changed while it was being read");
  }
  label_ = texts_.numbers_[static_cast<size_t>(cell)];
  held_out_ =
      texts_.share_ > 0 && RandomStream(texts_.options_.seed, static_cast<uint64_t>(number_)).uniform() < texts_.share_;
  return true;
}

TextBlocks::TextBlocks(const StreamedTexts& texts, const TextEncoder& encoder, int64_t block, Caller caller)
    : texts_(texts), encoder_(encoder), block_(block) {
  if (block < 1) raise<ValueError>(caller, "TextBlocks: blocks of {} texts", block);
}

bool TextBlocks::next_to_learn_from() {
  while (reader_->next()) {
    if (!reader_->held_out()) return true;
  }
  return false;
}

TextBlocks::Block TextBlocks::read(int64_t number) {
  if (!reader_ || number < next_) {
    reader_.emplace(texts_);
    next_ = 0;
  }
  for (int64_t left = (number - next_) * block_; left > 0; --left) {
    if (!next_to_learn_from()) return {};
  }
  Block block;
  Tokens tokens;
  std::vector<int32_t> ids;
  while (block.ids.size() < block_ && next_to_learn_from()) {
    encoder_.encode(reader_->text(), tokens, ids);
    block.ids.add(ids);
    block.labels.push_back(reader_->label());
  }
  next_ = number + 1;
  return block;
}

}  // namespace fovea::data

#include "fovea/data/batch.h"

#include <algorithm>

#include "fovea/tensor/creation.h"

namespace fovea::data {
namespace {

void check(const TokenIds& sequences, std::span<const int32_t> labels, std::span<const int64_t> examples,
           Caller caller) {
  if (!labels.empty() && static_cast<int64_t>(labels.size()) != sequences.size()) {
    raise<ShapeError>(caller, "make_batch: {} labels for {} sequences", labels.size(), sequences.size());
  }
  for (const int64_t example : examples) {
    if (example < 0 || example >= sequences.size()) {
      raise<IndexError>(caller, "make_batch: no example {}; there are {}", example, sequences.size());
    }
  }
}

}  // namespace

Tensor gather_labels(std::span<const int32_t> labels, std::span<const int64_t> examples, Device device) {
  if (labels.empty()) return {};
  std::vector<int32_t> chosen;
  chosen.reserve(examples.size());
  for (const int64_t example : examples) chosen.push_back(labels[static_cast<size_t>(example)]);
  return from_vector(chosen, device);
}

Batch make_batch(const TokenIds& sequences, std::span<const int32_t> labels, std::span<const int64_t> examples,
                 Device device, Caller caller) {
  check(sequences, labels, examples, caller);
  size_t time = 0;
  for (const int64_t example : examples) time = std::max(time, sequences[example].size());

  std::vector<int32_t> tokens(examples.size() * time, Vocabulary::padding);
  std::vector<uint8_t> mask(examples.size() * time, 0);
  std::vector<int32_t> lengths;
  lengths.reserve(examples.size());
  for (size_t row = 0; row < examples.size(); ++row) {
    const std::span<const int32_t> sequence = sequences[examples[row]];
    std::copy(sequence.begin(), sequence.end(), tokens.begin() + static_cast<ptrdiff_t>(row * time));
    std::fill_n(mask.begin() + static_cast<ptrdiff_t>(row * time), sequence.size(), uint8_t{1});
    lengths.push_back(static_cast<int32_t>(sequence.size()));
  }
  const Shape shape{static_cast<int64_t>(examples.size()), static_cast<int64_t>(time)};
  Tensor keep = empty(shape, {.dtype = boolean, .device = device});
  keep.backend().write(*keep.buffer(), 0, mask.data(), mask.size());
  return {from_vector(tokens, shape, device),
          from_vector(lengths, device),
          std::move(keep),
          gather_labels(labels, examples, device),
          {examples.begin(), examples.end()}};
}

Batch make_sentence_batch(const EncodedTexts& texts, std::span<const int32_t> labels, std::span<const int64_t> examples,
                          Device device, Caller caller) {
  check(texts.ids, labels, examples, caller);
  if (texts.sentences.size() != texts.ids.size()) {
    raise<ShapeError>(caller, "make_sentence_batch: sentences of {} texts for {}", texts.sentences.size(),
                      texts.ids.size());
  }
  size_t sentences = 0;
  for (const int64_t example : examples) sentences = std::max(sentences, texts.sentences[example].size());

  // Every sentence is a row of its own.
  TokenIds rows;
  std::vector<int64_t> all;
  for (const int64_t example : examples) {
    std::span<const int32_t> left = texts.ids[example];
    const std::span<const int32_t> lengths = texts.sentences[example];
    for (size_t i = 0; i < sentences; ++i) {
      const auto length = i < lengths.size() ? static_cast<size_t>(lengths[i]) : 0;
      rows.add(left.first(length));
      left = left.subspan(length);
      all.push_back(static_cast<int64_t>(all.size()));
    }
  }
  const Batch flat = make_batch(rows, {}, all, device, caller);
  const Shape shape{static_cast<int64_t>(examples.size()), static_cast<int64_t>(sentences), flat.tokens.size(1)};
  return {flat.tokens.reshape(shape),
          flat.lengths.reshape({shape[0], shape[1]}),
          flat.mask.reshape(shape),
          gather_labels(labels, examples, device),
          {examples.begin(), examples.end()}};
}

BagBatch make_bag_batch(const TokenIds& sequences, std::span<const int32_t> labels, std::span<const int64_t> examples,
                        Device device, Caller caller) {
  check(sequences, labels, examples, caller);
  std::vector<int32_t> tokens;
  std::vector<int32_t> offsets;
  offsets.reserve(examples.size());
  for (const int64_t example : examples) {
    const std::span<const int32_t> sequence = sequences[example];
    offsets.push_back(static_cast<int32_t>(tokens.size()));
    tokens.insert(tokens.end(), sequence.begin(), sequence.end());
  }
  return {from_vector(tokens, device),
          from_vector(offsets, device),
          gather_labels(labels, examples, device),
          {examples.begin(), examples.end()}};
}

}  // namespace fovea::data

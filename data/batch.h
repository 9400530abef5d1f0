#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "fovea/data/sentences.h"
#include "fovea/tensor/tensor.h"

namespace fovea::data {

/// Sequences side by side, padded at their ends to the longest of them.
struct Batch {
  Tensor tokens;                  // i32 [batch, time], Vocabulary::padding past a sequence's end
  Tensor lengths;                 // i32 [batch]
  Tensor mask;                    // bool [batch, time], true where a token stands
  Tensor labels;                  // i32 [batch]; undefined where the examples have none
  std::vector<int64_t> examples;  // which ones they are

  int64_t size() const { return static_cast<int64_t>(examples.size()); }
};

/// The same sequences one behind the other, as EmbeddingBag takes them.
struct BagBatch {
  Tensor tokens;                  // i32 [all tokens]
  Tensor offsets;                 // i32 [batch], where each sequence begins
  Tensor labels;                  // i32 [batch]; undefined where the examples have none
  std::vector<int64_t> examples;  // which ones they are

  int64_t size() const { return static_cast<int64_t>(examples.size()); }
};

/// The batch of some of the sequences; `labels`, a class id for every sequence, may be empty. Throws IndexError where
/// there is no such example, ShapeError where the labels are not as many as the sequences.
Batch make_batch(const TokenIds& sequences, std::span<const int32_t> labels, std::span<const int64_t> examples,
                 Device device = {}, Caller caller = {});
BagBatch make_bag_batch(const TokenIds& sequences, std::span<const int32_t> labels, std::span<const int64_t> examples,
                        Device device = {}, Caller caller = {});

/// Texts by their sentences: a Batch whose time is [sentences, words].
///   tokens   i32 [batch, sentences, words], Vocabulary::padding where there is none
///   lengths  i32 [batch, sentences], 0 past a text's last sentence
///   mask     bool [batch, sentences, words]
Batch make_sentence_batch(const EncodedTexts& texts, std::span<const int32_t> labels, std::span<const int64_t> examples,
                          Device device = {}, Caller caller = {});

/// The labels of some examples: i32 [batch]; undefined where `labels` is empty.
Tensor gather_labels(std::span<const int32_t> labels, std::span<const int64_t> examples, Device device);

}  // namespace fovea::data

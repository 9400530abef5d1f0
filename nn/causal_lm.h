#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "fovea/autograd/losses.h"
#include "fovea/nn/beam_search.h"
#include "fovea/nn/embedding.h"
#include "fovea/nn/positions.h"
#include "fovea/nn/sampling.h"
#include "fovea/nn/transformer.h"

namespace fovea::nn {

/// How a model is told where its tokens stand.
enum class Positions : uint8_t {
  learned,     // LearnedPositions
  sinusoidal,  // SinusoidalPositions, beside embeddings times sqrt(dim) (Vaswani et al. 2017)
  rotary,      // rotary(), in every attention
  alibi,       // alibi_bias(), in every attention
  none,        // causal attention can count by itself (Haviv et al. 2022)
};
std::string_view name(Positions positions);

struct CausalLMOptions {
  int64_t dim = 128;
  int64_t heads = 4;
  int64_t layers = 2;
  int64_t context = 256;  // the most tokens that are read at once
  Positions positions = Positions::learned;
  bool tied = true;  // logits are products with the embeddings (Press and Wolf 2017), else a Linear map of their own
  /// Of the layers; rotary and alibi follow from `positions`, dropout is also that of the embeddings.
  TransformerOptions transformer = {
      .feedforward = 512, .activation = FeedForward::gelu, .dropout = 0.1, .pre_norm = true};
};

struct GenerateOptions {
  int64_t length = 100;  // tokens to add
  SamplingOptions sampling = {};
  uint64_t seed = 0;
  int32_t end = -1;   // a row that gave this token goes on with it; where all have, generation ends; -1: none
  bool cache = true;  // keys and values are kept, else all is read again for every token: the same tokens, slowly
  /// Sees the tokens of each step, one a row; false ends generation.
  std::function<bool(std::span<const int32_t>)> step = {};
};

/// A causal language model: at each position the logits of the token that comes next (Radford et al. 2018, "GPT").
///   tokens     i32 [batch, time]
///   embedding  [vocabulary, dim], normal with deviation 0.02
///   positions  LearnedPositions(context, dim), where they are learned
///   encoder    TransformerEncoder, causal
///   head       Linear(dim, vocabulary) without bias, where not tied
///   logits     [batch, time, vocabulary]
class CausalLM : public Module {
 public:
  CausalLM(int64_t vocabulary, CausalLMOptions options = {}, Caller caller = {});

  /// `caches`, where not empty, holds one per layer: the tokens continue what they hold.
  Tensor forward(const Tensor& tokens, std::span<KeyValueCache> caches = {}, Caller caller = {}) const;
  /// The mean cross entropy of every token but the first, given those before it: tokens [batch, time + 1].
  Tensor loss(const Tensor& tokens, const CrossEntropyOptions& options = {}, Caller caller = {}) const;
  /// prompt i32 [batch, time], time at least 1 -> prompt and what follows [batch, time + length], in evaluation mode
  /// and without a graph.
  Tensor generate(const Tensor& prompt, const GenerateOptions& options = {}, Caller caller = {});
  /// The likeliest continuations of each row of the prompt, as beam_search finds them, in evaluation mode.
  std::vector<std::vector<Hypothesis>> beam_search(const Tensor& prompt, const BeamSearchOptions& options = {},
                                                   Caller caller = {});

  std::string description() const override;
  const CausalLMOptions& options() const { return options_; }

  Embedding embedding;
  std::unique_ptr<LearnedPositions> positions;
  TransformerEncoder encoder;
  std::unique_ptr<Linear> head;

 private:
  friend class CausalDecoder;
  Tensor read(const Tensor& tokens, std::span<KeyValueCache> caches, Caller caller) const;
  Tensor logits(const Tensor& read, Caller caller) const;

  CausalLMOptions options_;
};

/// Decoding step by step: reads tokens as they come and gives the logits of the next one. Of a sequence longer than
/// the context the model sees the end: whenever the context is full, half a context is forgotten and the rest read
/// again. The model must outlive it.
class CausalDecoder {
 public:
  explicit CausalDecoder(const CausalLM& model, bool cache = true) : model_(model), cache_(cache) {}

  /// tokens i32 [batch, n], n at least 1, behind those that were read before -> [batch, vocabulary].
  Tensor read(const Tensor& tokens, Caller caller = {});
  /// Row i goes on with what row rows[i] read (i32 [n], any n).
  void reorder(const Tensor& rows, Caller caller = {});
  /// All that was read, [batch, time].
  const Tensor& tokens() const { return tokens_; }

 private:
  const CausalLM& model_;
  bool cache_;
  Tensor tokens_;
  int64_t start_ = 0;  // what the caches begin with
  std::vector<KeyValueCache> caches_;
};

}  // namespace fovea::nn

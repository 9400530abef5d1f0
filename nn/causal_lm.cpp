#include "fovea/nn/causal_lm.h"

#include <algorithm>
#include <cmath>

#include "fovea/autograd/graph.h"
#include "fovea/autograd/indexing.h"
#include "fovea/autograd/matmul.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/nn/init.h"

namespace fovea::nn {
namespace {

TransformerOptions layer_options(const CausalLMOptions& o) {
  TransformerOptions layer = o.transformer;
  layer.rotary = o.positions == Positions::rotary;
  layer.alibi = o.positions == Positions::alibi;
  return layer;
}

}  // namespace

std::string_view name(Positions positions) {
  switch (positions) {
    case Positions::learned:
      return "learned";
    case Positions::sinusoidal:
      return "sinusoidal";
    case Positions::rotary:
      return "rotary";
    case Positions::alibi:
      return "alibi";
    case Positions::none:
      return "none";
  }
  return "?";
}

CausalLM::CausalLM(int64_t vocabulary, CausalLMOptions options, Caller caller)
    : embedding(vocabulary, options.dim, {}, caller),
      encoder(options.dim, options.heads, options.layers, layer_options(options), caller),
      options_(options) {
  if (options.context < 1) raise<ValueError>(caller, "CausalLM: a context of {} tokens", options.context);
  init::normal_(embedding.weight, 0, 0.02);
  add("embedding", embedding);
  if (options.positions == Positions::learned) {
    positions = std::make_unique<LearnedPositions>(options.context, options.dim, caller);
    add("positions", *positions);
  }
  add("encoder", encoder);
  if (options.tied) return;
  head = std::make_unique<Linear>(options.dim, vocabulary, LinearOptions{.bias = false}, caller);
  add("head", *head);
}

Tensor CausalLM::read(const Tensor& tokens, std::span<KeyValueCache> caches, Caller caller) const {
  if (tokens.rank() != 2) raise<ShapeError>(caller, "CausalLM: tokens {} are not [batch, time]", tokens.shape());
  const int64_t offset = caches.empty() ? 0 : caches[0].length();
  if (offset + tokens.shape()[1] > options_.context) {
    raise<ShapeError>(caller, "CausalLM: {} tokens for a context of {}", offset + tokens.shape()[1], options_.context);
  }
  Tensor x = embedding.forward(tokens, caller);
  if (positions) x = positions->forward(x, offset, caller);
  if (options_.positions == Positions::sinusoidal) {
    x = x * std::sqrt(static_cast<double>(options_.dim)) +
        sinusoidal_positions(tokens.shape()[1], options_.dim, offset, 10000, x.options(), caller);
  }
  x = dropout(x, training() ? options_.transformer.dropout : 0);
  return encoder.forward(x, {.causal = true}, caches, caller);
}

Tensor CausalLM::logits(const Tensor& read, Caller caller) const {
  return head ? head->forward(read, caller) : linear(read, embedding.weight, {}, caller);
}

Tensor CausalLM::forward(const Tensor& tokens, std::span<KeyValueCache> caches, Caller caller) const {
  const Scope scope(*this, caller);
  return logits(read(tokens, caches, caller), caller);
}

Tensor CausalLM::loss(const Tensor& tokens, const CrossEntropyOptions& options, Caller caller) const {
  const Scope scope(*this, caller);
  if (tokens.rank() != 2 || tokens.shape()[1] < 2) {
    raise<ShapeError>(caller, "CausalLM: tokens {} are not [batch, two or more]", tokens.shape());
  }
  return cross_entropy(forward(tokens.slice(1, 0, -1), {}, caller), tokens.slice(1, 1), options, caller);
}

Tensor CausalLM::generate(const Tensor& prompt, const GenerateOptions& options, Caller caller) {
  const Scope scope(*this, caller);
  if (prompt.rank() != 2 || prompt.shape()[1] == 0 || options.length < 0) {
    raise<ShapeError>(caller, "CausalLM: {} tokens after a prompt {}, not [batch, one or more]", options.length,
                      prompt.shape());
  }
  if (options.end < -1 || options.end >= embedding.weight.shape()[0]) {
    raise<ValueError>(caller, "CausalLM: end {} is none of {} tokens", options.end, embedding.weight.shape()[0]);
  }
  const Evaluating evaluating(*this);
  Generator generator{.seed = options.seed};
  CausalDecoder decoder(*this, options.cache);
  Tensor next = prompt;
  std::vector<bool> ended(static_cast<size_t>(prompt.shape()[0]), false);
  std::vector<Tensor> parts{prompt};
  for (int64_t i = 0; i < options.length; ++i) {
    std::vector<int32_t> drawn = sample(decoder.read(next, caller), options.sampling, generator, caller);
    for (size_t row = 0; row < drawn.size(); ++row) {
      if (ended[row]) drawn[row] = options.end;
      ended[row] = options.end >= 0 && drawn[row] == options.end;
    }
    next = from_vector(drawn, {prompt.shape()[0], 1}, prompt.device());
    parts.push_back(next);
    if (options.step && !options.step(drawn)) break;
    if (std::all_of(ended.begin(), ended.end(), [](bool e) { return e; })) break;
  }
  return concat(parts, 1, caller);
}

std::vector<std::vector<Hypothesis>> CausalLM::beam_search(const Tensor& prompt, const BeamSearchOptions& options,
                                                           Caller caller) {
  const Scope scope(*this, caller);
  if (prompt.rank(caller) != 2 || prompt.shape()[1] == 0) {
    raise<ShapeError>(caller, "CausalLM: a prompt {}, not [batch, one or more]", prompt.shape());
  }
  const Evaluating evaluating(*this);
  CausalDecoder decoder(*this);
  const BeamStep step = [&](const Beams& beams) {
    if (!beams.parents.defined()) return decoder.read(beams.tokens, caller);
    decoder.reorder(beams.parents, caller);
    return decoder.read(beams.tokens.slice(1, -1), caller);
  };
  return nn::beam_search(prompt, step, options, caller);
}

std::string CausalLM::description() const {
  return fmt::format("{}, {}, context={}, {} positions{}", embedding.weight.shape()[0], options_.dim, options_.context,
                     name(options_.positions), options_.tied ? ", tied" : "");
}

Tensor CausalDecoder::read(const Tensor& tokens, Caller caller) {
  if (tokens.rank() != 2 || tokens.shape()[1] == 0 || (tokens_.defined() && tokens.shape()[0] != tokens_.shape()[0])) {
    raise<ShapeError>(caller, "CausalDecoder: tokens {} behind {}", tokens.shape(),
                      tokens_.defined() ? to_string(tokens_.shape()) : "none");
  }
  const NoGrad off;
  int64_t begin = tokens_.defined() ? tokens_.shape()[1] : 0;
  const Tensor behind = tokens_.defined() ? concat({tokens_, tokens}, 1, caller) : tokens;
  // The start depends on the length alone, so that it does not matter in what pieces the tokens came.
  const int64_t all = behind.shape()[1], context = model_.options_.context, half = (context + 1) / 2;
  const int64_t start = all <= context ? 0 : (all - context + half - 1) / half * half;
  // Taken out while they are added to: after tokens that are refused, what was read before is read anew.
  std::vector<KeyValueCache> caches = std::exchange(caches_, {});
  if (!cache_ || start != start_ || caches.empty()) {
    caches = std::vector<KeyValueCache>(cache_ ? model_.encoder.layers.size() : 0);
    begin = start;
  }
  const Tensor read = model_.read(behind.slice(1, begin), caches, caller);
  Tensor logits = model_.logits(read.slice(1, -1), caller).squeeze(1);
  tokens_ = behind;
  start_ = start;
  caches_ = std::move(caches);
  return logits;
}

void CausalDecoder::reorder(const Tensor& rows, Caller caller) {
  if (!tokens_.defined()) return;
  const NoGrad off;
  const Tensor tokens = index_select(tokens_, 0, rows, caller);
  for (KeyValueCache& cache : caches_) cache.reorder(rows, caller);
  tokens_ = tokens;
}

}  // namespace fovea::nn

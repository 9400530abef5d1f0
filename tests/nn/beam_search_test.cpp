#include "fovea/nn/beam_search.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "fovea/nn/causal_lm.h"
#include "fovea/nn/transformer.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"

namespace fovea::test {
namespace {

using nn::beam_search;
using nn::Beams;
using nn::BeamSearchOptions;
using nn::Hypothesis;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t vocabulary = 4;

/// Log-probabilities of the next token that hang on the last two.
Tensor table_of(uint64_t seed) {
  return log_softmax(random({vocabulary, vocabulary, vocabulary}, {f64, {}}, seed) * 2.0, -1);
}

/// A model of that table.
nn::BeamStep model_of(const Tensor& table) {
  return [table](const Beams& beams) {
    const Tensor pair = beams.tokens.slice(1, -2, -1) * static_cast<int32_t>(vocabulary) + beams.tokens.slice(1, -1);
    return index_select(table.reshape({-1, vocabulary}), 0, pair.reshape({-1}));
  };
}

/// Every continuation of [.., a, b] there is, the best first.
std::vector<Hypothesis> all_of(const Tensor& table, int32_t a, int32_t b, const BeamSearchOptions& o) {
  const auto logs = table.to_vector<double>();
  std::vector<Hypothesis> found;
  const std::function<void(std::vector<int32_t>, double)> grow = [&](std::vector<int32_t> tokens, double sum) {
    if (static_cast<int64_t>(tokens.size()) == o.length || (!tokens.empty() && tokens.back() == o.end)) {
      const double score = sum / std::pow(static_cast<double>(tokens.size()), o.length_penalty);
      found.push_back({std::move(tokens), score});
      return;
    }
    const size_t n = tokens.size();
    const int32_t before = n > 1 ? tokens[n - 2] : n > 0 ? b : a, last = n > 0 ? tokens[n - 1] : b;
    for (int32_t next = 0; next < vocabulary; ++next) {
      std::vector<int32_t> longer = tokens;
      longer.push_back(next);
      grow(std::move(longer), sum + logs[static_cast<size_t>((before * vocabulary + last) * vocabulary + next)]);
    }
  };
  grow({}, 0);
  std::stable_sort(found.begin(), found.end(), [](const auto& x, const auto& y) { return x.score > y.score; });
  return found;
}

TEST(BeamSearch, FindsTheBestOfAllWithBeamsEnough) {
  const Tensor prompt = from_vector({0, 1, 3, 2}, {2, 2});
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Tensor table = table_of(seed);
    for (const int32_t end : {-1, 3}) {
      for (const double penalty : {0.0, 1.0}) {
        // 256 sequences of four tokens; with beams for all of them nothing is lost.
        const BeamSearchOptions options{.beams = 400, .length = 4, .end = end, .length_penalty = penalty};
        const auto found = beam_search(prompt, model_of(table), options);
        ASSERT_EQ(found.size(), 2u);
        for (size_t row = 0; row < 2; ++row) {
          const auto all = row == 0 ? all_of(table, 0, 1, options) : all_of(table, 3, 2, options);
          ASSERT_EQ(found[row].size(), all.size());
          for (size_t i = 0; i < all.size(); ++i) {
            EXPECT_NEAR(found[row][i].score, all[i].score, 1e-9);
            const bool tied = (i > 0 && all[i - 1].score - all[i].score < 1e-9) ||
                              (i + 1 < all.size() && all[i].score - all[i + 1].score < 1e-9);
            EXPECT_TRUE(tied || found[row][i].tokens == all[i].tokens) << seed << " " << i;
          }
        }
      }
    }
  }
}

TEST(BeamSearch, FollowsAsManyAsAreAskedFor) {
  // The likeliest first token is a dead end; 0 leads on.
  const std::vector<double> first{0.4, 0.6, 1e-9, 1e-9}, sure{1e-9, 1e-9, 1.0, 1e-9}, even{0.25, 0.25, 0.25, 0.25};
  const nn::BeamStep step = [&](const Beams& beams) {
    std::vector<double> all;
    for (const int32_t last : beams.tokens.select(1, -1).to_vector<int32_t>()) {
      const std::vector<double>& p = last == 3 ? first : last == 0 ? sure : even;
      for (const double x : p) all.push_back(std::log(x));
    }
    return from_vector(all, {beams.tokens.size(0), vocabulary});
  };
  const Tensor prompt = from_vector({3}, {1, 1});
  const auto greedy = beam_search(prompt, step, {.beams = 1, .length = 2, .length_penalty = 0});
  EXPECT_EQ(greedy[0][0].tokens[0], 1);
  const auto two = beam_search(prompt, step, {.beams = 2, .length = 2, .length_penalty = 0});
  ASSERT_EQ(two[0].size(), 2u);
  EXPECT_THAT(two[0][0].tokens, ElementsAre(0, 2));
  EXPECT_NEAR(two[0][0].score, std::log(0.4), 1e-6);
  EXPECT_NEAR(two[0][1].score, std::log(0.15), 1e-6);
}

TEST(BeamSearch, EndsWhereNothingBetterCanCome) {
  int calls = 0;
  // Token 2 ends, and is sure from the second on.
  const nn::BeamStep step = [&](const Beams& beams) {
    ++calls;
    const int64_t rows = beams.tokens.size(0);
    return (calls < 2 ? tensor({1, 0, -50, 0}) : tensor({0, 0, 9, 0})).unsqueeze(0).expand({rows, 4});
  };
  const auto found = beam_search(from_vector({0, 0}, {2, 1}), step, {.beams = 2, .length = 1000, .end = 2});
  EXPECT_LE(calls, 4);
  for (const auto& each : found) {
    ASSERT_EQ(each.size(), 2u);
    EXPECT_THAT(each[0].tokens, ElementsAre(0, 2));
    EXPECT_GE(each[0].score, each[1].score);
    EXPECT_EQ(each[1].tokens.back(), 2);
  }
}

/// A model of the probabilities behind each token, which counts its rows.
nn::BeamStep chain(const std::vector<std::vector<double>>& behind, std::vector<int64_t>& rows) {
  return [&](const Beams& beams) {
    rows.push_back(beams.tokens.size(0));
    std::vector<double> all;
    for (const int32_t last : beams.tokens.select(1, -1).to_vector<int32_t>()) {
      for (const double p : behind[static_cast<size_t>(last)]) all.push_back(std::log(p));
    }
    return from_vector(all, {rows.back(), vocabulary});
  };
}

TEST(BeamSearch, AnEndTakesNobodysPlace) {
  std::vector<int64_t> rows;
  const std::vector<std::vector<double>> even(4, {0.4, 0.2, 0.1, 0.3});
  const auto found = beam_search(from_vector({0}, {1, 1}), chain(even, rows),
                                 {.beams = 2, .length = 2, .end = 3, .length_penalty = 0});
  EXPECT_THAT(rows, ElementsAre(1, 2));
  ASSERT_EQ(found[0].size(), 2u) << "of one that ended and two under way";
  EXPECT_THAT(found[0][0].tokens, ElementsAre(3));
  EXPECT_THAT(found[0][1].tokens, ElementsAre(0, 0));
}

TEST(BeamSearch, WhatEndsIsAmongTheLikeliest) {
  std::vector<int64_t> rows;
  // Behind the prompt, 2, come 0 and 1; behind them 1 3 (0.32), 0 0 (0.25) and 0 3 (0.2), the third of two.
  const std::vector<std::vector<double>> behind{
      {0.5, 0.05, 0.05, 0.4}, {0.1, 0.05, 0.05, 0.8}, {0.5, 0.4, 0.05, 0.05}, {0.25, 0.25, 0.25, 0.25}};
  const auto found = beam_search(from_vector({2}, {1, 1}), chain(behind, rows),
                                 {.beams = 2, .length = 3, .end = 3, .length_penalty = 0});
  ASSERT_EQ(found[0].size(), 2u);
  EXPECT_THAT(found[0][0].tokens, ElementsAre(1, 3));
  EXPECT_THAT(found[0][1].tokens, ElementsAre(0, 0, 0));
}

TEST(BeamSearch, TellsWhereItsRowsComeFrom) {
  std::vector<std::vector<int32_t>> seen;
  const Tensor table = table_of(7);
  const nn::BeamStep model = model_of(table);
  const nn::BeamStep step = [&](const Beams& beams) {
    const auto rows = beams.tokens.size(0);
    EXPECT_EQ(beams.examples.shape(), Shape{rows});
    if (beams.parents.defined()) {
      // What each parent read is what its row begins with.
      const auto parents = beams.parents.to_vector<int32_t>();
      const auto tokens = beams.tokens.slice(1, 0, -1).to_vector<int32_t>();
      const size_t width = tokens.size() / parents.size();
      for (size_t row = 0; row < parents.size(); ++row) {
        const std::vector<int32_t> own(tokens.begin() + static_cast<ptrdiff_t>(row * width),
                                       tokens.begin() + static_cast<ptrdiff_t>((row + 1) * width));
        EXPECT_EQ(own, seen[static_cast<size_t>(parents[row])]);
      }
    }
    seen.clear();
    for (int64_t row = 0; row < rows; ++row) seen.push_back(beams.tokens.select(0, row).to_vector<int32_t>());
    return model(beams);
  };
  beam_search(from_vector({0, 1, 3, 2, 1, 1}, {3, 2}), step, {.beams = 3, .length = 6, .end = 3});
}

/// The logits of whole sequences, and of the last tokens by caches.
TEST(BeamSearch, IsTheSameWithCaches) {
  manual_seed(4);
  nn::Embedding embedding(9, 16);
  nn::TransformerDecoder decoder(16, 2, 2, {.feedforward = 32, .dropout = 0});
  nn::Linear output(16, 9);
  const NoGrad off;
  const Tensor memory = randn({3, 5, 16}), prompt = full({3, 1}, 1, {.dtype = i32});
  const BeamSearchOptions options{.beams = 3, .length = 8, .end = 2};
  const auto whole = beam_search(
      prompt,
      [&](const Beams& beams) {
        const Tensor context = index_select(memory, 0, beams.examples);
        return output.forward(decoder.forward(embedding.forward(beams.tokens), context).select(1, -1)) * 4.0;
      },
      options);
  std::vector<nn::DecoderCache> caches(2);
  const auto cached = beam_search(
      prompt,
      [&](const Beams& beams) {
        if (beams.parents.defined()) {
          for (nn::DecoderCache& cache : caches) cache.reorder(beams.parents);
        }
        const Tensor context = index_select(memory, 0, beams.examples), last = beams.tokens.slice(1, -1);
        return output.forward(decoder.forward(embedding.forward(last), context, {}, caches).select(1, -1)) * 4.0;
      },
      options);
  for (size_t row = 0; row < 3; ++row) {
    ASSERT_EQ(whole[row].size(), 3u);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(whole[row][i].tokens, cached[row][i].tokens);
      EXPECT_NEAR(whole[row][i].score, cached[row][i].score, 1e-4);
    }
  }
}

TEST_P(OnEveryDevice, BeamSearchContinuesWhatALanguageModelReads) {
  manual_seed(5);
  nn::CausalLM model(9, {.dim = 8, .heads = 2, .layers = 2, .context = 12});
  for (Tensor& p : model.parameters()) {
    const NoGrad off;
    p.copy_(p + random(p.shape(), {}, 3) * 0.5);
  }
  model.to(device());
  const Tensor prompt = from_vector({1, 2, 3, 4, 5, 6}, {2, 3}, device());
  const auto greedy = model.beam_search(prompt, {.beams = 1, .length = 20});  // past the context
  const Tensor taken = model.generate(prompt, {.length = 20, .sampling = {.temperature = 0}}).slice(1, 3);
  const auto found = model.beam_search(prompt, {.beams = 4, .length = 6, .length_penalty = 0});
  EXPECT_TRUE(model.training());
  const nn::Evaluating evaluating(model);
  for (size_t row = 0; row < 2; ++row) {
    const auto index = static_cast<int64_t>(row);
    EXPECT_EQ(greedy[row][0].tokens, taken.select(0, index).to_vector<int32_t>());
    ASSERT_EQ(found[row].size(), 4u);
    for (const nn::Hypothesis& each : found[row]) {
      // Its score is that of the whole text, read at once.
      const Tensor next = from_vector(each.tokens, {1, 6}, device());
      const Tensor text = concat({prompt.slice(0, index, index + 1), next}, 1);
      const Tensor logs = log_softmax(model.forward(text.slice(1, 0, -1)).slice(1, 2), -1);
      EXPECT_NEAR(each.score, sum(gather(logs, 2, next.unsqueeze(-1))).item(), 1e-3);
    }
  }
}

TEST(BeamSearch, HasNothingToDoAtTimes) {
  const nn::BeamStep model = model_of(table_of(1));
  const auto none = beam_search(from_vector({0, 1}, {1, 2}), model, {.length = 0});
  ASSERT_EQ(none.size(), 1u);
  ASSERT_EQ(none[0].size(), 1u);
  EXPECT_THAT(none[0][0].tokens, IsEmpty());
  EXPECT_THAT(beam_search(zeros({0, 2}, {.dtype = i32}), model, {}), IsEmpty());
}

TEST(BeamSearch, RefusesWhatItCannotSearch) {
  const Tensor prompt = from_vector({0, 1}, {1, 2});
  const nn::BeamStep model = model_of(table_of(1));
  EXPECT_ERROR(beam_search(prompt.squeeze(0), model),
               "beam_search: prompt [2] is not [batch, time] (beam_search_test.cpp:");
  EXPECT_ERROR(beam_search(prompt.to(f32), model), "beam_search: the prompt is f32, not i32");
  EXPECT_ERROR(beam_search(prompt, model, {.beams = 0}), "beam_search: 0 beams, length 100, end -1");
  EXPECT_ERROR(beam_search(prompt, model, {.end = 4}), "beam_search: end 4 is none of 4 tokens");
  EXPECT_ERROR(beam_search(prompt,
                           [](const Beams&) {
                             return zeros({2, 4});
                           }),
               "beam_search: logits [2, 4] of 1 rows are not [rows, vocabulary]");
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinite = std::numeric_limits<double>::infinity();
  for (const double bad : {nan, -infinite}) {
    EXPECT_ERROR(beam_search(prompt,
                             [=](const Beams&) {
                               return full({1, 4}, bad);
                             }),
                 "beam_search: token 0: a row of the logits has NaN or no finite number in it");
  }
  // Tokens of -inf are never taken.
  const auto found = beam_search(prompt,
                                 [=](const Beams& b) {
                                   return tensor({-infinite, 0, -infinite, 1}).expand({b.tokens.size(0), 4});
                                 },
                                 {.beams = 4, .length = 1});
  ASSERT_EQ(found[0].size(), 2u);
  EXPECT_THAT(found[0][0].tokens, ElementsAre(3));
}

}  // namespace
}  // namespace fovea::test

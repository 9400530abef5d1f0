#include <map>
#include <queue>

#include "fovea/data/bpe.h"
#include "fovea/data/utf8.h"

// Learning of byte-pair encoding, step by step as the `tokenizers` package does it, so that the tokens are the same.
namespace fovea::data {
namespace {

using Pair = BpeTokenizer::Pair;

struct Word {
  std::vector<int32_t> symbols;
  int64_t count = 0;
};

struct Change {
  Pair pair;
  int64_t by;
};

/// Replaces a pair in a word; tells which pairs of neighbours went and came.
void replace(std::vector<int32_t>& symbols, Pair pair, int32_t by, std::vector<Change>& changes) {
  size_t kept = 0;
  for (size_t i = 0; i < symbols.size(); ++i) {
    if (i + 1 == symbols.size() || symbols[i] != pair.first || symbols[i + 1] != pair.second) {
      symbols[kept++] = symbols[i];
      continue;
    }
    if (kept > 0) {
      changes.push_back({{symbols[kept - 1], pair.first}, -1});
      changes.push_back({{symbols[kept - 1], by}, 1});
    }
    if (i + 2 < symbols.size()) {
      changes.push_back({{pair.second, symbols[i + 2]}, -1});
      changes.push_back({{by, symbols[i + 2]}, 1});
    }
    symbols[kept++] = by;
    ++i;
  }
  symbols.resize(kept);
}

class Trainer {
 public:
  Trainer(std::span<const std::string> texts, const BpeTrainingOptions& options) : options_(options) {
    for (const std::string& token : options.special_tokens) id_of(token);
    read(texts);
  }

  void run() {
    struct Candidate {
      int64_t count;
      Pair pair;
      std::vector<size_t> words;
      bool operator<(const Candidate& o) const { return count != o.count ? count < o.count : pair > o.pair; }
    };
    std::priority_queue<Candidate> queue;
    std::map<Pair, std::vector<size_t>> where;
    for (size_t w = 0; w < words_.size(); ++w) {
      const std::vector<int32_t>& s = words_[w].symbols;
      for (size_t i = 1; i < s.size(); ++i) note({s[i - 1], s[i]}, words_[w].count, w, where);
    }
    const auto enqueue = [&] {
      for (auto& [pair, words] : where) {
        if (const int64_t count = counts_[pair]; count > 0) queue.push({count, pair, std::move(words)});
      }
      where.clear();
    };
    enqueue();
    std::vector<Change> changes;
    while (static_cast<int64_t>(tokens_.size()) < options_.vocabulary && !queue.empty()) {
      Candidate best = queue.top();
      queue.pop();
      if (best.count != counts_[best.pair]) {
        best.count = counts_[best.pair];
        queue.push(std::move(best));
        continue;
      }
      if (best.count < 1 || best.count < options_.min_count) break;
      const int32_t made =
          id_of(tokens_[static_cast<size_t>(best.pair.first)] + tokens_[static_cast<size_t>(best.pair.second)]);
      merges_.push_back(best.pair);
      for (const size_t w : best.words) {
        changes.clear();
        replace(words_[w].symbols, best.pair, made, changes);
        for (const Change& change : changes) {
          const int64_t by = change.by * words_[w].count;
          if (by > 0) {
            note(change.pair, by, w, where);
          } else {
            counts_[change.pair] += by;
          }
        }
      }
      enqueue();
    }
  }

  std::vector<std::string> tokens_;
  std::vector<Pair> merges_;

 private:
  int32_t id_of(const std::string& token) {
    const auto [found, added] = ids_.emplace(token, static_cast<int32_t>(tokens_.size()));
    if (added) tokens_.push_back(token);
    return found->second;
  }

  void note(Pair pair, int64_t count, size_t word, std::map<Pair, std::vector<size_t>>& where) {
    counts_[pair] += count;
    std::vector<size_t>& words = where[pair];
    if (words.empty() || words.back() != word) words.push_back(word);
  }

  /// Counts the words; their characters become the first tokens, in the order of their code points.
  void read(std::span<const std::string> texts) {
    std::map<std::u32string, int64_t> counted;
    std::map<char32_t, int32_t> alphabet;
    BpeWords words;
    for (const std::string& text : texts) {
      words.clear();
      split_for_bpe(text, {0, text.size()}, options_.words, words);
      for (size_t i = 0; i < words.size(); ++i) {
        const auto begin = words.characters.begin() + static_cast<std::ptrdiff_t>(words.begin_of(i));
        ++counted[std::u32string(begin, words.characters.begin() + static_cast<std::ptrdiff_t>(words.ends[i]))];
      }
    }
    for (const auto& [word, count] : counted) {
      for (const char32_t c : word) alphabet.emplace(c, 0);
    }
    for (auto& [c, id] : alphabet) {
      std::string token;
      append_utf8(c, token);
      id = id_of(token);
    }
    for (const auto& [word, count] : counted) {
      Word& added = words_.emplace_back();
      added.count = count;
      for (const char32_t c : word) added.symbols.push_back(alphabet.at(c));
    }
  }

  const BpeTrainingOptions& options_;
  std::unordered_map<std::string, int32_t> ids_;
  std::vector<Word> words_;
  std::map<Pair, int64_t> counts_;
};

}  // namespace

BpeTokenizer BpeTokenizer::train(std::span<const std::string> texts, const BpeTrainingOptions& options, Caller caller) {
  if (options.vocabulary < 1 || options.min_count < 0) {
    raise<ValueError>(caller, "BpeTokenizer: a vocabulary of {}, min_count {}", options.vocabulary, options.min_count);
  }
  Trainer trainer(texts, options);
  trainer.run();
  std::vector<AddedToken> added;
  for (size_t i = 0; i < options.special_tokens.size(); ++i) {
    added.push_back({options.special_tokens[i], static_cast<int32_t>(i), true});
  }
  return BpeTokenizer(std::move(trainer.tokens_), std::move(trainer.merges_), std::move(added),
                      {.words = options.words, .unknown = options.unknown}, caller);
}

}  // namespace fovea::data

#include "fovea/data/bpe.h"

#include <algorithm>
#include <queue>

#include "fovea/data/utf8.h"

namespace fovea::data {

BpeTokenizer::BpeTokenizer(std::vector<std::string> tokens, std::vector<Pair> merges, std::vector<AddedToken> added,
                           BpeOptions options, Caller caller)
    : tokens_(std::move(tokens)), merges_(std::move(merges)), added_(std::move(added)), options_(std::move(options)) {
  for (const AddedToken& each : added_) {
    if (each.normalized && options_.words.lower_case) {
      raise<ValueError>(caller, "BpeTokenizer: \"{}\" is normalized, but not made lower case", each.text);
    }
    if (each.id < 0 || each.text.empty()) raise<ValueError>(caller, "BpeTokenizer: an added token of id {}", each.id);
    if (static_cast<size_t>(each.id) >= tokens_.size()) tokens_.resize(static_cast<size_t>(each.id) + 1);
    std::string& place = tokens_[static_cast<size_t>(each.id)];
    if (!place.empty() && place != each.text) {
      raise<ValueError>(caller, "BpeTokenizer: \"{}\" and \"{}\" have one id, {}", place, each.text, each.id);
    }
    place = each.text;
  }
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& token = tokens_[i];
    if (token.empty()) continue;
    if (!ids_.emplace(token, static_cast<int32_t>(i)).second) {
      raise<ValueError>(caller, "BpeTokenizer: \"{}\" has two ids", token);
    }
    size_t end = 0;
    const char32_t c = decode_utf8(token, end);
    if (end == token.size()) characters_.emplace(c, static_cast<int32_t>(i));
  }
  std::string both;
  for (size_t rank = 0; rank < merges_.size(); ++rank) {
    const auto [left, right] = merges_[rank];
    both = token(left, caller) + token(right, caller);
    const auto found = ids_.find(both);
    if (found == ids_.end()) raise<ValueError>(caller, "BpeTokenizer: merge {} makes \"{}\", no token", rank, both);
    joined_[key(left, right)] = {static_cast<int32_t>(rank), found->second};
  }
  if (options_.unknown.empty()) return;
  unknown_ = id(options_.unknown);
  if (unknown_ == StringIndex::absent) {
    raise<ValueError>(caller, "BpeTokenizer: \"{}\" for what is unknown is no token", options_.unknown);
  }
}

const std::string& BpeTokenizer::token(int32_t id, Caller caller) const {
  if (id < 0 || id >= size()) raise<IndexError>(caller, "BpeTokenizer: id {} of {}", id, size());
  return tokens_[static_cast<size_t>(id)];
}

int32_t BpeTokenizer::id(std::string_view token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? StringIndex::absent : found->second;
}

const BpeTokenizer::Joined* BpeTokenizer::joined(int32_t left, int32_t right) const {
  const auto found = joined_.find(key(left, right));
  return found == joined_.end() ? nullptr : &found->second;
}

/// The longest added token of a kind that stands there.
const AddedToken* BpeTokenizer::added_at(std::string_view text, size_t position, bool normalized) const {
  const AddedToken* longest = nullptr;
  for (const AddedToken& each : added_) {
    if (each.normalized == normalized && text.substr(position).starts_with(each.text) &&
        (!longest || each.text.size() > longest->text.size())) {
      longest = &each;
    }
  }
  return longest;
}

/// Joins neighbours, the pair that was learned first before others, of equal ones the leftmost.
void BpeTokenizer::join(std::vector<Piece>& word) const {
  constexpr size_t none = SIZE_MAX;
  struct Candidate {
    int32_t rank;
    size_t left;
    int32_t id;
    bool operator>(const Candidate& o) const { return rank != o.rank ? rank > o.rank : left > o.left; }
  };
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  std::vector<size_t> next(word.size()), before(word.size());
  std::vector<bool> gone(word.size());
  const auto offer = [&](size_t left, size_t right) {
    if (const Joined* made = joined(word[left].id, word[right].id)) queue.push({made->rank, left, made->id});
  };
  for (size_t i = 0; i < word.size(); ++i) {
    before[i] = i == 0 ? none : i - 1;
    next[i] = i + 1 == word.size() ? none : i + 1;
    if (next[i] != none) offer(i, i + 1);
  }
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    const size_t left = best.left, right = gone[left] ? none : next[left];
    if (right == none) continue;
    const Joined* made = joined(word[left].id, word[right].id);
    if (!made || made->id != best.id) continue;  // its parts have changed since
    word[left].id = made->id;
    word[left].source.end = word[right].source.end;
    gone[right] = true;
    next[left] = next[right];
    if (next[left] != none) {
      before[next[left]] = left;
      offer(left, next[left]);
    }
    if (before[left] != none) offer(before[left], left);
  }
  size_t kept = 0;
  for (size_t i = 0; i < word.size(); ++i) {
    if (!gone[i]) word[kept++] = word[i];
  }
  word.resize(kept);
}

void BpeTokenizer::add_word(const BpeWords& words, size_t index, std::vector<Piece>& out) const {
  const size_t begin = words.begin_of(index), end = words.ends[index];
  if (options_.ignore_merges) {
    std::string whole;
    for (size_t i = begin; i < end; ++i) append_utf8(words.characters[i], whole);
    if (const int32_t found = id(whole); found != StringIndex::absent) {
      out.push_back({found, {words.sources[begin].begin, words.sources[end - 1].end}});
      return;
    }
  }
  std::vector<Piece> word;
  bool after_unknown = false;
  for (size_t i = begin; i < end; ++i) {
    const auto found = characters_.find(words.characters[i]);
    const bool known = found != characters_.end();
    if (known) {
      word.push_back({found->second, words.sources[i]});
    } else if (after_unknown && options_.fuse_unknown) {
      word.back().source.end = words.sources[i].end;
    } else if (unknown_ != StringIndex::absent) {
      word.push_back({unknown_, words.sources[i]});
    }
    after_unknown = !known && unknown_ != StringIndex::absent;
  }
  join(word);
  out.insert(out.end(), word.begin(), word.end());
}

std::vector<BpeTokenizer::Piece> BpeTokenizer::pieces(std::string_view text) const {
  std::vector<Piece> out;
  BpeWords words;
  const auto split = [&](size_t begin, size_t end) {
    words.clear();
    split_for_bpe(text, {begin, end}, options_.words, words);
    for (size_t i = 0; i < words.size(); ++i) add_word(words, i, out);
  };
  // Takes the added tokens of a kind out of a part of the text, and hands on what they leave.
  const auto take_added = [&](size_t begin, size_t end, bool normalized, const auto& rest) {
    for (size_t i = begin; !added_.empty() && i < end;) {
      const AddedToken* found = added_at(text.substr(0, end), i, normalized);
      if (!found) {
        ++i;
        continue;
      }
      rest(begin, i);
      out.push_back({found->id, {i, i + found->text.size()}});
      begin = i += found->text.size();
    }
    rest(begin, end);
  };
  take_added(0, text.size(), false, [&](size_t begin, size_t end) { take_added(begin, end, true, split); });
  return out;
}

void BpeTokenizer::tokenize(std::string_view text, Tokens& out) const {
  out.clear();
  for (auto [id, source] : pieces(text)) {
    // The space in front of a word belongs to its token, but is not what people would call its place.
    if (source.end - source.begin > 1 && text[source.begin] == ' ') ++source.begin;
    out.add(tokens_[static_cast<size_t>(id)], source);
  }
}

std::vector<int32_t> BpeTokenizer::encode(std::string_view text) const {
  std::vector<int32_t> ids;
  for (const Piece& piece : pieces(text)) ids.push_back(piece.id);
  return ids;
}

std::string BpeTokenizer::decode(std::span<const int32_t> ids, bool skip_special, Caller caller) const {
  const bool byte_level = options_.words.split == BpeSplit::byte_level;
  std::string out, bytes;
  for (const int32_t id : ids) {
    const std::string& text = token(id, caller);
    const auto added = std::find_if(added_.begin(), added_.end(), [&](const AddedToken& a) { return a.id == id; });
    if (text.empty() || (added != added_.end() && added->special && skip_special)) continue;
    if (!byte_level) {
      if (!out.empty()) out += ' ';
      out += text;
      continue;
    }
    bytes.clear();
    bool all_bytes = true;
    for (size_t i = 0; all_bytes && i < text.size();) {
      const int byte = byte_of_character(decode_utf8(text, i));
      all_bytes = byte >= 0;
      if (all_bytes) bytes += static_cast<char>(byte);
    }
    out += all_bytes ? bytes : text;
  }
  return replace_invalid_utf8(out);
}

}  // namespace fovea::data

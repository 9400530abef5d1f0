#include "fovea/data/string_index.h"

#include <bit>
#include <cstring>

namespace fovea::data {
namespace {

uint64_t load(const char* bytes, size_t count) {
  uint64_t word = 0;
  std::memcpy(&word, bytes, count);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

/// Both halves of a 128-bit product, folded: every bit of both factors reaches every bit of the result.
uint64_t fold(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

}  // namespace

uint64_t hash_bytes(std::string_view bytes) {
  constexpr uint64_t first = 0x9e3779b97f4a7c15u, second = 0xd6e8feb86659fd93u;  // odd, with about half their bits set
  uint64_t hash = first ^ bytes.size();
  const char* data = bytes.data();
  size_t left = bytes.size();
  for (; left > 8; left -= 8, data += 8) hash = fold(hash ^ load(data, 8), second);
  return fold(hash ^ load(data, left), first);
}

int32_t StringIndex::add(std::string_view text) {
  const uint64_t hash = hash_bytes(text);
  Slot* slot = &slots_[slot_of(text, hash)];
  if (slot->number != absent) return slot->number;
  if (2 * ends_.size() > slots_.size()) {
    grow();
    slot = &slots_[slot_of(text, hash)];
  }
  *slot = {static_cast<uint32_t>(hash >> 32), size()};
  characters_ += text;
  ends_.push_back(characters_.size());
  return slot->number;
}

int32_t StringIndex::find(std::string_view text) const { return slots_[slot_of(text, hash_bytes(text))].number; }

/// The slot that holds `text`, or the empty one where it would go.
size_t StringIndex::slot_of(std::string_view text, uint64_t hash) const {
  const size_t mask = slots_.size() - 1;
  const auto tag = static_cast<uint32_t>(hash >> 32);
  size_t i = hash & mask;
  while (slots_[i].number != absent && (slots_[i].tag != tag || (*this)[slots_[i].number] != text)) i = (i + 1) & mask;
  return i;
}

void StringIndex::grow() {
  slots_.assign(slots_.size() * 2, {});
  for (int32_t number = 0; number < size(); ++number) {
    const uint64_t hash = hash_bytes((*this)[number]);
    slots_[slot_of((*this)[number], hash)] = {static_cast<uint32_t>(hash >> 32), number};
  }
}

}  // namespace fovea::data

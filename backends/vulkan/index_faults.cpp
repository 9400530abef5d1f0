#include "fovea/backends/vulkan/index_faults.h"

#include <cstring>

namespace fovea::vulkan {
namespace {

// What kernels find, as in fault.glsl: a note, and behind it the numbers of places, each where that many words end.
struct Note {
  uint32_t place;  // 0 for nothing
  int32_t index;
  int32_t size;
  uint32_t unused;
};
constexpr uint32_t first_place = sizeof(Note) / sizeof(uint32_t), most_words = 4096;

}  // namespace

IndexFaults::IndexFaults(const LogicalDevice& device)
    : block_(MemoryBlock::make(device, MemoryUse::download, most_words * sizeof(uint32_t))) {
  if (!block_) throw OutOfMemoryError("vulkan: no memory to start with");
  std::vector<uint32_t> words(most_words, 0);
  for (uint32_t i = first_place; i < most_words; ++i) words[i] = i;
  std::memcpy(block_->host(), words.data(), words.size() * sizeof(uint32_t));
}

uint64_t IndexFaults::address(const char* kernel) {
  const Caller caller = ErrorScope::caller({"", 0});
  Place place{ErrorScope::path(), kernel, caller.file, caller.line};
  // A program with more places than that names kernels alone from then on.
  if (numbers_.size() > most_words / 2) place = {{}, kernel, "", 0};
  const auto next = static_cast<uint32_t>(first_place + places_.size());
  const auto [at, fresh] = numbers_.emplace(std::move(place), next);
  if (fresh) places_.push_back(&at->first);
  return block_->address() + at->second * sizeof(uint32_t);
}

void IndexFaults::check() {
  Note note;
  std::memcpy(&note, block_->host(), sizeof note);
  if (note.place == 0) return;
  std::memset(block_->host(), 0, sizeof note);
  const Place& place = *places_.at(note.place - first_place);
  std::string text =
      fmt::format("{}: index {} is outside [0, {}){}", place.kernel, note.index, note.size, place.module);
  if (place.line > 0) text += fmt::format(" ({})", to_string(Caller(place.file, place.line)));
  throw IndexError(text);
}

}  // namespace fovea::vulkan

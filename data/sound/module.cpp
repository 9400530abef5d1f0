// The one source that knows the sound library: see functions.h.
#include "functions.h"

#include <sndfile.h>

#include <algorithm>
#include <cstring>

namespace fovea::data {
namespace {

constexpr int most_channels = 64;
constexpr size_t most_samples = size_t{1} << 28;  // an hour and a half at 48 kHz; a small file may claim any length
constexpr sf_count_t block = 4096;                // frames

/// Bytes in memory as libsndfile reads a file.
struct Bytes {
  std::string_view all;
  sf_count_t position = 0;

  sf_count_t size() const { return static_cast<sf_count_t>(all.size()); }

  static sf_count_t length(void* user) { return static_cast<Bytes*>(user)->size(); }
  static sf_count_t tell(void* user) { return static_cast<Bytes*>(user)->position; }
  static sf_count_t seek(sf_count_t offset, int from, void* user) {
    auto& bytes = *static_cast<Bytes*>(user);
    const sf_count_t start = from == SEEK_SET ? 0 : from == SEEK_CUR ? bytes.position : bytes.size();
    bytes.position = std::clamp<sf_count_t>(start + offset, 0, bytes.size());
    return bytes.position;
  }
  static sf_count_t read(void* to, sf_count_t count, void* user) {
    auto& bytes = *static_cast<Bytes*>(user);
    const sf_count_t got = std::min(count, bytes.size() - bytes.position);
    std::memcpy(to, bytes.all.data() + bytes.position, static_cast<size_t>(got));
    bytes.position += got;
    return got;
  }
};

class SoundFile {
 public:
  explicit SoundFile(std::string_view bytes) : bytes_{bytes} {
    SF_VIRTUAL_IO functions{Bytes::length, Bytes::seek, Bytes::read, nullptr, Bytes::tell};
    file_ = sf_open_virtual(&functions, SFM_READ, &info_, &bytes_);
  }
  SoundFile(const SoundFile&) = delete;
  SoundFile& operator=(const SoundFile&) = delete;
  ~SoundFile() {
    if (file_) sf_close(file_);
  }

  /// Says what is wrong, if anything is.
  std::string read(int64_t& rate, std::vector<float>& samples) {
    if (!file_) return sf_strerror(nullptr);
    if (info_.channels < 1 || info_.channels > most_channels) return std::to_string(info_.channels) + " channels";
    rate = info_.samplerate;
    const auto channels = static_cast<size_t>(info_.channels);
    std::vector<float> frames(static_cast<size_t>(block) * channels);
    while (const auto count = static_cast<size_t>(sf_readf_float(file_, frames.data(), block))) {
      for (size_t i = 0; i < count; ++i) {
        float sum = 0;
        for (size_t c = 0; c < channels; ++c) sum += frames[i * channels + c];
        samples.push_back(sum / static_cast<float>(channels));
      }
      if (samples.size() > most_samples) return "longer than " + std::to_string(most_samples) + " samples";
    }
    if (sf_error(file_) != SF_ERR_NO_ERROR) return sf_strerror(file_);
    if (is_exact() && static_cast<sf_count_t>(samples.size()) < info_.frames) return "the file ends early";
    return {};
  }

 private:
  /// Whether the file tells how many frames it holds: in MP3 that is an estimate.
  bool is_exact() const { return (info_.format & SF_FORMAT_TYPEMASK) != SF_FORMAT_MPEG; }

  Bytes bytes_;
  SF_INFO info_{};
  SNDFILE* file_ = nullptr;
};

}  // namespace
}  // namespace fovea::data

extern "C" __attribute__((visibility("default"))) bool fovea_decode_sound(std::string_view bytes, int64_t& rate,
                                                                          std::vector<float>& samples,
                                                                          std::string& error) {
  error = fovea::data::SoundFile(bytes).read(rate, samples);
  return error.empty();
}

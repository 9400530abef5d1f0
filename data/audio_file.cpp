#include "fovea/data/audio_file.h"

#include "fovea/data/byte_reader.h"
#include "fovea/data/file_error.h"
#include "fovea/data/library_module.h"
#include "fovea/data/sound/functions.h"

namespace fovea::data {
namespace {

constexpr size_t most_file_bytes = size_t{1} << 30;
constexpr std::string_view recording_endings[] = {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif",
                                                  ".m4a", ".aac",  ".wma", ".amr", ".webm", ".sph", ".au"};

/// Whether the sound library is to be asked what it is.
bool may_be_sound(std::string_view bytes) {
  const bool mp3 = bytes.size() > 1 && bytes[0] == '\xff' && (bytes[1] & '\xe0') == '\xe0';
  return mp3 || bytes.starts_with("fLaC") || bytes.starts_with("OggS") || bytes.starts_with("ID3") ||
         bytes.starts_with("FORM");
}

Audio decode_sound(std::string_view bytes, const std::string& name) {
  static void* const module = load_library_module("libfovea_sound.so", decode_sound_name, ModuleScope::own);
  if (!module) {
    fail(name,
         "this build reads WAVE files alone: it was made without the library sndfile (libfovea_sound.so is not there): "
         "install libsndfile1-dev and build again");
  }
  Audio audio;
  std::string error;
  if (!reinterpret_cast<DecodeSound>(module)(bytes, audio.rate, audio.samples, error)) {
    fail(name, "the recording is broken: {}", error);
  }
  if (audio.samples.empty()) fail(name, "the recording is empty");
  return audio;
}

}  // namespace

constinit const FileKinds recording_files{recording_endings, 8};

Audio load_audio_file(const std::string& path) { return decode_audio_file(read_unpacked(path, most_file_bytes), path); }

Audio decode_audio_file(std::string_view bytes, const std::string& name) {
  return may_be_sound(bytes) ? decode_sound(bytes, name) : parse_wav(bytes, name);
}

}  // namespace fovea::data

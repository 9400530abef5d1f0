#pragma once

#include <string>
#include <string_view>

#include "fovea/data/example_source.h"
#include "fovea/data/wav.h"

namespace fovea::data {

/// The files of recordings by their endings.
extern const FileKinds recording_files;

/// Reads a recording of at most 2^30 bytes as one channel, the mean of its own: WAVE as parse_wav does; FLAC, Ogg (Vorbis,
/// Opus), MP3 and AIFF where the library was built beside libsndfile. Throws DataError.
Audio load_audio_file(const std::string& path);
/// The same of bytes in memory; `name` stands for the file in errors.
Audio decode_audio_file(std::string_view bytes, const std::string& name);

}  // namespace fovea::data

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/data/label_file.h"
#include "fovea/data/wav.h"

namespace fovea::data {

/// What tells a recording's class: the folder that it lies in, or its file's name up to the first of "_-." ("7" of
/// "7_jackson_12.wav").
enum class LabelPlace : uint8_t {
  any,  // the folder where there are several, else the name
  folder,
  name,
};
std::string_view name(LabelPlace place);

struct AudioForm {
  int64_t rate = 0;  // samples a second, to which recordings of another rate are converted; 0: as the first
  LabelPlace label = LabelPlace::any;
};

/// Recordings of one rate and the names of their classes.
struct AudioDataset {
  AudioForm form;         // as it was found
  int64_t converted = 0;  // recordings, which had another rate
  std::vector<std::vector<float>> recordings;
  std::vector<std::string> labels;  // empty where they are not known
  std::vector<std::string> names;   // "yes/1.wav", "digits.tar.gz/7_jackson_12.wav"
  LabelRows label_rows = {};

  int64_t size() const { return static_cast<int64_t>(names.size()); }
  std::string_view bytes(int64_t example) const;
};

/// Reads labelled recordings from `source` (see ExampleSource): a folder of recordings (see load_audio_file) or a tar
/// archive of them, also gzip. Where `labels` names a file, that one tells their classes. Throws DataError, also where
/// a recording may have several labels and no file tells them.
AudioDataset load_audio(const std::string& source, AudioForm form = {}, const LabelFile& labels = {});

/// Reads recordings without labels: each source is a file, a folder or an archive.
AudioDataset load_unlabelled_audio(std::span<const std::string> sources, AudioForm form = {});

/// Recordings of files' bytes.
AudioDataset decode_audio(std::span<const std::string> files, AudioForm form = {});

}  // namespace fovea::data

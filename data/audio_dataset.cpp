#include "fovea/data/audio_dataset.h"

#include <algorithm>
#include <filesystem>

#include "fovea/data/audio_file.h"
#include "fovea/data/example_source.h"
#include "fovea/data/file_error.h"
#include "fovea/data/tar.h"

namespace fovea::data {
namespace {

namespace fs = std::filesystem;

constexpr size_t most_archive_bytes = size_t{1} << 34;

bool is_archive(const std::string& path) {
  return ends_in(path, ".tar") || ends_in(path, ".tar.gz") || ends_in(path, ".tgz");
}

void add(AudioDataset& set, Audio audio, std::string name) {
  if (set.form.rate == 0) set.form.rate = audio.rate;
  if (audio.rate != set.form.rate) {
    fail(name, "{} samples a second, but {} are expected", audio.rate, set.form.rate);
  }
  set.recordings.push_back(std::move(audio.samples));
  set.names.push_back(std::move(name));
}

/// Adds the chosen recordings of a folder or an archive and returns their paths in there.
std::vector<std::string> add_all(AudioDataset& set, const ExampleSource& source) {
  std::vector<std::string> names, contents, chosen;
  const bool archive = !is_folder(source.path);
  if (archive) {
    TarReader reader(source.path);
    size_t size = 0;
    while (std::optional<TarEntry> entry = reader.next(recording_files.endings)) {
      if (is_hidden(entry->name)) continue;
      if (recording_files.can_read(entry->name)) {
        size += entry->content.size();
        if (size > most_archive_bytes) fail(source.path, "holds more than {} bytes", most_archive_bytes);
        contents.push_back(std::move(entry->content));
      }
      names.push_back(std::move(entry->name));
    }
  } else {
    names = files_below(source.path, recording_files.endings);
  }
  const std::vector<std::string> readable = readable_files(source, names, recording_files);
  for (const size_t i : source.of(readable)) {
    const std::string path = fs::path(source.path) / readable[i];
    add(set, archive ? decode_audio_file(contents[i], path) : load_audio_file(path), path);
    chosen.push_back(readable[i]);
  }
  return chosen;
}

std::string folder_of(const std::string& path) { return fs::path(path).parent_path().filename(); }

std::string label_of(const std::string& path, LabelPlace place) {
  if (place == LabelPlace::folder) return folder_of(path);
  const std::string file = fs::path(path).filename();
  return file.substr(0, file.find_first_of("_-."));
}

}  // namespace

std::string_view name(LabelPlace place) {
  return place == LabelPlace::any ? "any" : place == LabelPlace::folder ? "folder" : "name";
}

std::string_view AudioDataset::bytes(int64_t example) const {
  const std::vector<float>& recording = recordings[static_cast<size_t>(example)];
  return {reinterpret_cast<const char*>(recording.data()), recording.size() * sizeof(float)};
}

AudioDataset load_audio(const std::string& source, AudioForm form) {
  const ExampleSource parsed = ExampleSource::parse(source);
  AudioDataset set{.form = form, .recordings = {}, .labels = {}, .names = {}};
  const std::vector<std::string> paths = add_all(set, parsed);
  if (form.label == LabelPlace::any) {
    const bool several = std::any_of(paths.begin(), paths.end(),
                                     [&](const std::string& path) { return folder_of(path) != folder_of(paths[0]); });
    set.form.label = several ? LabelPlace::folder : LabelPlace::name;
  }
  for (size_t i = 0; i < paths.size(); ++i) {
    set.labels.push_back(label_of(paths[i], set.form.label));
    if (set.labels.back().empty()) fail(set.names[i], "its {} names no class", name(set.form.label));
  }
  return set;
}

AudioDataset load_unlabelled_audio(std::span<const std::string> sources, AudioForm form) {
  AudioDataset set{.form = form, .recordings = {}, .labels = {}, .names = {}};
  for (const std::string& source : sources) {
    const ExampleSource parsed = ExampleSource::parse(source);
    if (is_folder(parsed.path) || is_archive(parsed.path)) {
      add_all(set, parsed);
    } else {
      if (!parsed.selection.empty()) fail(source, "the file is one recording: there is nothing to choose");
      add(set, load_audio_file(parsed.path), parsed.path);
    }
  }
  return set;
}

AudioDataset decode_audio(std::span<const std::string> files, AudioForm form) {
  AudioDataset set{.form = form, .recordings = {}, .labels = {}, .names = {}};
  for (const std::string& bytes : files) add(set, decode_audio_file(bytes, "recording"), "recording");
  return set;
}

}  // namespace fovea::data

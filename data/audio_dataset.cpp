#include "fovea/data/audio_dataset.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "fovea/data/audio_file.h"
#include "fovea/data/example_source.h"
#include "fovea/data/file_error.h"
#include "fovea/data/resample.h"
#include "fovea/data/tar.h"

namespace fovea::data {
namespace {

namespace fs = std::filesystem;

constexpr size_t most_archive_bytes = size_t{1} << 34;
constexpr int64_t most_samples = int64_t{1} << 30;  // of a recording that is converted
constexpr size_t most_rates = 16;                   // for which filters are kept

bool is_archive(const std::string& path) {
  return ends_in(path, ".tar") || ends_in(path, ".tar.gz") || ends_in(path, ".tgz");
}

/// Makes a set of recordings, which it converts to one rate.
class Collector {
 public:
  explicit Collector(AudioForm form) { set_.form = form; }

  void add(Audio audio, std::string name) {
    if (set_.form.rate == 0) set_.form.rate = audio.rate;
    if (audio.rate != set_.form.rate) {
      audio.samples = converted(audio, name);
      ++set_.converted;
    }
    set_.recordings.push_back(std::move(audio.samples));
    set_.names.push_back(std::move(name));
  }
  AudioDataset& set() { return set_; }

 private:
  std::vector<float> converted(const Audio& audio, const std::string& name) {
    if (!Resampler::can_convert(audio.rate, set_.form.rate)) {
      fail(name, "{} samples a second cannot be converted to {}: they are more than {} times apart", audio.rate,
           set_.form.rate, Resampler::most_times);
    }
    if (resamplers_.size() == most_rates) resamplers_.clear();
    const Resampler& resampler = resamplers_.try_emplace(audio.rate, audio.rate, set_.form.rate).first->second;
    if (resampler.converted_size(static_cast<int64_t>(audio.samples.size())) > most_samples) {
      fail(name, "its {} samples would be more than {} at {} a second", audio.samples.size(), most_samples,
           set_.form.rate);
    }
    return resampler.convert(audio.samples);
  }

  AudioDataset set_;
  std::map<int64_t, Resampler> resamplers_;  // by the rate that they convert
};

/// Adds the chosen recordings of a folder or an archive and their labels, where a file tells them; returns their paths in
/// there.
std::vector<std::string> add_all(Collector& to, const ExampleSource& source, const LabelFile& labels = {}) {
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
  const std::vector<size_t> places = source.of(readable);
  for (const size_t i : places) chosen.push_back(readable[i]);
  AudioDataset& set = to.set();
  if (!labels.path.empty()) set.labels = load_file_labels(labels, source, names, chosen, set.label_rows);
  for (const size_t i : places) {
    const std::string path = fs::path(source.path) / readable[i];
    to.add(archive ? decode_audio_file(contents[i], path) : load_audio_file(path), path);
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

AudioDataset load_audio(const std::string& source, AudioForm form, const LabelFile& labels) {
  const ExampleSource parsed = ExampleSource::parse(source);
  refuse_lone_labels(labels, source);
  Collector collector(form);
  const std::vector<std::string> paths = add_all(collector, parsed, labels);
  AudioDataset& set = collector.set();
  if (!labels.path.empty()) return std::move(set);
  if (form.label == LabelPlace::any) {
    const bool several = std::any_of(paths.begin(), paths.end(),
                                     [&](const std::string& path) { return folder_of(path) != folder_of(paths[0]); });
    set.form.label = several ? LabelPlace::folder : LabelPlace::name;
  }
  for (size_t i = 0; i < paths.size(); ++i) {
    set.labels.push_back(label_of(paths[i], set.form.label));
    if (set.labels.back().empty()) fail(set.names[i], "its {} names no class", name(set.form.label));
  }
  return std::move(set);
}

AudioDataset load_unlabelled_audio(std::span<const std::string> sources, AudioForm form) {
  Collector collector(form);
  for (const std::string& source : sources) {
    const ExampleSource parsed = ExampleSource::parse(source);
    if (is_folder(parsed.path) || is_archive(parsed.path)) {
      add_all(collector, parsed);
    } else {
      if (!parsed.selection.empty()) fail(source, "the file is one recording: there is nothing to choose");
      collector.add(load_audio_file(parsed.path), parsed.path);
    }
  }
  return std::move(collector.set());
}

AudioDataset decode_audio(std::span<const std::string> files, AudioForm form) {
  Collector collector(form);
  for (const std::string& bytes : files) collector.add(decode_audio_file(bytes, "recording"), "recording");
  return std::move(collector.set());
}

}  // namespace fovea::data

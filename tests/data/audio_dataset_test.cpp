#include "fovea/data/audio_dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fovea/data/audio_file.h"
#include "fovea/data/resample.h"
#include "fovea/data/speech_batch.h"
#include "tar_writer.h"
#include "temp_folder.h"

namespace fovea::data {
namespace {

using data::testing::error_of;
using data::testing::tar_end;
using data::testing::tar_entry;
using data::testing::TempFolder;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::StartsWith;

std::string wav(size_t samples, int64_t rate = 8000) {
  Audio audio{rate, {}};
  for (size_t i = 0; i < samples; ++i) audio.samples.push_back(i % 2 == 0 ? 0.5f : -0.5f);
  return encode_wav(audio);
}

TEST(AudioDataset, ReadsAFolderOfClasses) {
  const TempFolder folder;
  for (const char* name : {"yes", "no"}) std::filesystem::create_directories(folder / name);
  folder.write("yes/1.wav", wav(10));
  folder.write("yes/2.WAV", wav(20));
  folder.write("no/1.wav", wav(30));
  folder.write("no/notes.txt", "");
  const AudioDataset set = load_audio(folder / "");
  EXPECT_THAT(set.labels, ElementsAre("no", "yes", "yes"));
  EXPECT_EQ(set.form.rate, 8000);
  EXPECT_EQ(set.form.label, LabelPlace::folder);
  EXPECT_EQ(set.recordings[2].size(), 20u);
  EXPECT_EQ(set.bytes(0).size(), 120u);
  EXPECT_THAT(load_audio(folder / "", {.label = LabelPlace::name}).labels, ElementsAre("1", "1", "2"));
}

TEST(AudioDataset, ReadsAnArchiveByNames) {
  const TempFolder folder;
  std::string archive = tar_entry("r/", "", '5');
  for (const char* name : {"r/7_ann_0.wav", "r/3_ann_0.wav", "r/7_bob_5.wav"}) archive += tar_entry(name, wav(10));
  archive += tar_entry("r/._7_ann_0.wav", "no sound, but what macOS keeps of a file");
  const std::string path = folder.write("r.tar.gz", data::testing::gzip(archive + tar_end()));
  const AudioDataset set = load_audio(path);
  EXPECT_THAT(set.labels, ElementsAre("7", "3", "7"));
  EXPECT_EQ(set.form.label, LabelPlace::name);
  EXPECT_EQ(set.names[0], path + "/r/7_ann_0.wav");
  EXPECT_THAT(load_audio(path + "[*_[0-4].wav]").labels, ElementsAre("7", "3"));
  EXPECT_THAT(load_audio(path + "[!*_[0-4].wav]").labels, ElementsAre("7"));
  EXPECT_THAT(load_audio(path + "[1:3]").labels, ElementsAre("3", "7"));
  const std::vector<std::string> sources{path, folder.write("x.wav", wav(5))};
  EXPECT_EQ(load_unlabelled_audio(sources).size(), 4);
}

TEST(AudioDataset, ConvertsRecordingsOfOtherRates) {
  const TempFolder folder;
  std::filesystem::create_directories(folder / "d/a");
  folder.write("d/a/1.wav", wav(100));
  folder.write("d/a/2.wav", wav(100, 16000));
  folder.write("d/a/3.wav", wav(100, 6000));
  const AudioDataset set = load_audio(folder / "d");
  EXPECT_EQ(set.form.rate, 8000);
  EXPECT_EQ(set.converted, 2);
  EXPECT_EQ(set.recordings[0], parse_wav(wav(100), "a").samples);
  EXPECT_EQ(set.recordings[1].size(), 50u);
  EXPECT_EQ(set.recordings[1], Resampler(16000, 8000).convert(parse_wav(wav(100), "a").samples));
  EXPECT_EQ(set.recordings[2].size(), 134u);
  EXPECT_EQ(load_audio(folder / "d", {.rate = 16000}).converted, 2);
  EXPECT_EQ(load_audio(folder / "d", {.rate = 12345}).converted, 3);

  const std::vector<std::string> sources{folder / "d/a/2.wav"}, contents{wav(100, 16000)};
  for (const AudioDataset& each :
       {load_unlabelled_audio(sources, {.rate = 8000}), decode_audio(contents, {.rate = 8000})}) {
    EXPECT_EQ(each.converted, 1);
    EXPECT_EQ(each.recordings[0], set.recordings[1]);
  }
}

TEST(AudioDataset, NamesWhatIsWrong) {
  const TempFolder folder;
  const auto error = [&](const std::string& name, AudioForm form = {}) {
    return error_of([&] { load_audio(folder / name, form); });
  };
  std::filesystem::create_directories(folder / "d/a");
  EXPECT_EQ(error("d"), "d: no " + recording_files.text() + " file stands in it");
  folder.write("d/a/1.wav", wav(10));
  folder.write("d/a/2.wav", wav(10, 16000));
  EXPECT_EQ(error("d", {.rate = 1000000}),
            "d/a/1.wav: 8000 samples a second cannot be converted to 1000000: they are more than 64 times apart");
  EXPECT_EQ(error("d", {.rate = 100}),
            "d/a/1.wav: 8000 samples a second cannot be converted to 100: they are more than 64 times apart");
  folder.write("d/a/2.wav", "no sound");
  EXPECT_EQ(
      error("d"),
      "d/a/2.wav: byte 0: not a WAVE file, which begins with \"RIFF....WAVE\": this one begins with \"no sound\"");
  EXPECT_EQ(error("d[a/1*]"), "");
  folder.write("d/a/2.wav", wav(10));
  folder.write("d/a/_.wav", wav(10));
  EXPECT_EQ(error("d"), "d/a/_.wav: its name names no class");
  folder.write("e.tar", tar_entry("1.wav", wav(10).substr(0, 50)) + tar_end());
  EXPECT_EQ(error("e.tar"), "e.tar/1.wav: byte 50: the file ends early, within its sound");
  folder.write("e.tar", tar_end());
  EXPECT_EQ(error("e.tar"), "e.tar: no " + recording_files.text() + " file stands in it");
  folder.write("e.tar", tar_entry("a.wav", wav(10)) + tar_entry("b.m4a", "") + tar_end());
  EXPECT_THAT(error("e.tar"), StartsWith("e.tar/b.m4a: only .wav, .flac, "));
  EXPECT_EQ(error("e.tar[!*.m4a]"), "");
  EXPECT_EQ(error("none"), "none: no such file");
  const std::string longest(300, 'x');
  EXPECT_THAT(error(longest), StartsWith(longest + ": cannot be read: "));
  const std::vector<std::string> sources{folder / longest};
  EXPECT_THAT(error_of([&] { load_unlabelled_audio(sources); }), StartsWith(longest + ": cannot be read: "));
}

TEST(SpeechBatch, IsPaddedAndMasked) {
  AudioDataset set{.form = {8000, LabelPlace::name}, .recordings = {}, .labels = {"a", "b"}, .names = {"1", "2"}};
  for (const size_t samples : {size_t{2000}, size_t{900}})
    set.recordings.push_back(parse_wav(wav(samples), "a").samples);
  const SpeechBatcher batcher({.mel = {.rate = 8000, .mels = 10, .coefficients = 4}});
  const std::vector<int32_t> labels{0, 1};
  const std::vector<int64_t> both{1, 0}, second{1};
  const SpeechBatch batch = batcher.make(set, labels, both);
  EXPECT_EQ(batch.features.shape(), (Shape{2, 24, 10}));
  EXPECT_THAT(batch.lengths.to_vector<int32_t>(), ElementsAre(10, 24));
  EXPECT_THAT(batch.labels.to_vector<int32_t>(), ElementsAre(1, 0));
  const Tensor padding = batch.features.slice(0, 0, 1).slice(1, 10);
  EXPECT_THAT(padding.to_vector<float>(), Each(0.0f));
  const auto mask = batch.mask.to_vector<int32_t>();
  EXPECT_EQ(std::count(mask.begin(), mask.end(), 1), 34);

  // A recording's features do not depend on its batch.
  const SpeechBatch alone = batcher.make(set, {}, second);
  EXPECT_EQ(alone.features.to_vector<float>(), batch.features.slice(0, 0, 1).slice(1, 0, 10).to_vector<float>());
  EXPECT_FALSE(alone.labels.defined());
  EXPECT_EQ(batcher.frames(2000), 24);
  EXPECT_THROW(batcher.make(set, {}, std::vector<int64_t>{2}), IndexError);

  const SpeechBatcher cut({.mel = {.rate = 8000, .mels = 10, .coefficients = 4}, .mfcc = true, .most_seconds = 0.1});
  EXPECT_EQ(cut.make(set, labels, both).features.shape(), (Shape{2, cut.frames(2000), 4}));
  EXPECT_EQ(cut.frames(2000), 9);
}

}  // namespace
}  // namespace fovea::data

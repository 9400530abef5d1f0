#include "fovea/data/audio_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "temp_folder.h"
#if FOVEA_READS_SOUND
#include <sndfile.h>
#endif

namespace fovea::data {
namespace {

using data::testing::error_of;
using data::testing::read_back;
using data::testing::TempFolder;
using ::testing::StartsWith;

TEST(AudioFile, ReadsWave) {
  const TempFolder folder;
  const Audio audio = load_audio_file(folder.write("a.wav", encode_wav({8000, {0.5f, -0.5f}})));
  EXPECT_EQ(audio.rate, 8000);
  EXPECT_EQ(audio.samples.size(), 2u);
  EXPECT_EQ(error_of([&] { load_audio_file(folder / "none.wav"); }), "none.wav: no such file");
  EXPECT_THAT(error_of([&] { decode_audio_file("no sound", "a.mp3"); }), StartsWith("a.mp3: byte 0: not a WAVE file"));
}

#if FOVEA_READS_SOUND

constexpr int rate = 16000, frames = 8000;

/// A tone, twice as loud on the second of two channels.
float tone(int i) { return 0.3f * std::sin(0.05f * static_cast<float>(i)); }

std::string encoded(const TempFolder& folder, int format) {
  SF_INFO info{};
  info.samplerate = rate;
  info.channels = 2;
  info.format = format;
  const std::string path = folder / "sound";
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  EXPECT_TRUE(file) << sf_strerror(nullptr);
  std::vector<float> both;
  for (int i = 0; i < frames; ++i) {
    both.push_back(tone(i));
    both.push_back(2 * tone(i));
  }
  EXPECT_EQ(sf_writef_float(file, both.data(), frames), frames);
  sf_close(file);
  return read_back(path);
}

TEST(AudioFile, ReadsWhatTheSoundLibraryDoes) {
  const TempFolder folder;
  struct Case {
    const char* name;
    int format;
    float error;  // root mean square
  };
  for (const auto& [name, format, error] :
       {Case{"flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 1e-4f}, Case{"aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_24, 1e-6f},
        Case{"ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 2e-2f}, Case{"opus", SF_FORMAT_OGG | SF_FORMAT_OPUS, 2e-2f}}) {
    SCOPED_TRACE(name);
    const Audio audio = load_audio_file(folder.write("a.bin", encoded(folder, format)));
    EXPECT_EQ(audio.rate, rate);
    ASSERT_NEAR(static_cast<double>(audio.samples.size()), frames, 10);
    double sum = 0;
    for (int i = 0; i < frames - 10; ++i) sum += std::pow(audio.samples[static_cast<size_t>(i)] - 1.5f * tone(i), 2);
    EXPECT_LT(std::sqrt(sum / frames), error);
  }
}

TEST(AudioFile, RefusesBrokenSound) {
  const TempFolder folder;
  const std::string flac = encoded(folder, SF_FORMAT_FLAC | SF_FORMAT_PCM_16);
  for (const std::string& bytes : {std::string("fLaC"), flac.substr(0, 100), flac.substr(0, flac.size() / 2)}) {
    EXPECT_THAT(error_of([&] { decode_audio_file(bytes, "a.flac"); }), StartsWith("a.flac: the recording is "));
  }
}

#else

TEST(AudioFile, SaysWhatTheBuildLacks) {
  EXPECT_THAT(error_of([&] { decode_audio_file("fLaC", "a.flac"); }),
              StartsWith("a.flac: this build reads WAVE files alone"));
}

#endif

}  // namespace
}  // namespace fovea::data

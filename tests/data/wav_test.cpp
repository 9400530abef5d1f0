#include "fovea/data/wav.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "temp_folder.h"

namespace fovea::data {
namespace {

using data::testing::error_of;
using ::testing::ElementsAre;
using ::testing::FloatEq;

std::string number(uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}
std::string chunk(const std::string& kind, const std::string& content) {
  return kind + number(content.size(), 4) + content + (content.size() % 2 == 1 ? std::string(1, '\0') : "");
}
std::string format(int encoding, int channels, int bits, int rate = 8000) {
  const int block = channels * bits / 8;
  return chunk("fmt ", number(static_cast<uint64_t>(encoding), 2) + number(static_cast<uint64_t>(channels), 2) +
                           number(static_cast<uint64_t>(rate), 4) + number(static_cast<uint64_t>(rate * block), 4) +
                           number(static_cast<uint64_t>(block), 2) + number(static_cast<uint64_t>(bits), 2));
}
std::string riff(const std::string& chunks) { return "RIFF" + number(4 + chunks.size(), 4) + "WAVE" + chunks; }
template <class T>
std::string raw(std::initializer_list<T> values) {
  return {reinterpret_cast<const char*>(values.begin()), sizeof(T) * values.size()};
}
std::vector<float> samples(const std::string& bytes) { return parse_wav(bytes, "a.wav").samples; }

TEST(Wav, ReadsEveryKindOfSample) {
  EXPECT_THAT(samples(riff(format(1, 1, 8) + chunk("data", raw<uint8_t>({0, 128, 192})))), ElementsAre(-1, 0, 0.5f));
  EXPECT_THAT(samples(riff(format(1, 1, 16) + chunk("data", raw<int16_t>({-32768, 16384})))), ElementsAre(-1, 0.5f));
  EXPECT_THAT(samples(riff(format(1, 1, 24) + chunk("data", raw<uint8_t>({0, 0, 0x80, 0, 0, 0x40, 1, 0, 0})))),
              ElementsAre(-1, 0.5f, FloatEq(0x1p-23f)));
  EXPECT_THAT(samples(riff(format(1, 1, 32) + chunk("data", raw<int32_t>({INT32_MIN, 1 << 30})))),
              ElementsAre(-1, 0.5f));
  EXPECT_THAT(samples(riff(format(3, 1, 32) + chunk("data", raw<float>({-0.25f, 0.5f})))), ElementsAre(-0.25f, 0.5f));
  EXPECT_THAT(samples(riff(format(3, 1, 64) + chunk("data", raw<double>({-0.25, 0.5})))), ElementsAre(-0.25f, 0.5f));
}

TEST(Wav, AveragesChannelsAndPassesOverOtherChunks) {
  const std::string bytes = riff(chunk("LIST", "odd") + format(1, 2, 16, 44100) +
                                 chunk("data", raw<int16_t>({0, 16384, -32768, 0})) + chunk("junk", "behind"));
  EXPECT_THAT(samples(bytes), ElementsAre(0.25f, -0.5f));
  EXPECT_EQ(parse_wav(bytes, "a").rate, 44100);
}

TEST(Wav, ReadsExtensibleFormatsAndWhatAPipeWrote) {
  std::string extensible = format(0xfffe, 1, 16).substr(8) + number(22, 2) + number(16, 2) + number(4, 4) +
                           number(1, 2) + std::string("\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71", 14);
  EXPECT_THAT(samples(riff(chunk("fmt ", extensible) + chunk("data", raw<int16_t>({16384})))), ElementsAre(0.5f));
  const std::string streamed = riff(format(1, 1, 16) + "data" + number(0xffffffff, 4) + raw<int16_t>({16384}));
  EXPECT_THAT(samples(streamed), ElementsAre(0.5f));
}

TEST(Wav, ComesBackAsItWasWritten) {
  Audio audio{16000, {}};
  for (int i = 0; i < 500; ++i) audio.samples.push_back(static_cast<float>(std::sin(0.1 * i)));
  const Audio back = parse_wav(encode_wav(audio), "a.wav");
  EXPECT_EQ(back.rate, 16000);
  ASSERT_EQ(back.samples.size(), 500u);
  for (size_t i = 0; i < 500; ++i) EXPECT_NEAR(back.samples[i], audio.samples[i], 1e-4);
}

TEST(Wav, NamesFileAndByteOfWhatIsWrong) {
  const std::string sound = chunk("data", raw<int16_t>({1, 2}));
  const struct {
    std::string content;
    const char* error;
  } cases[] = {
      {"", "a.wav: byte 0: not a WAVE file, which begins with \"RIFF....WAVE\": this one is empty"},
      {"RIFF\1\1\1\1AVI LIST",
       "a.wav: byte 0: not a WAVE file, which begins with \"RIFF....WAVE\": this one begins with "
       "\"RIFF\\x01\\x01\\x01\\x01AVI \""},
      {riff(""), "a.wav: byte 12: the file has no format chunk"},
      {riff(format(1, 1, 16)), "a.wav: byte 36: the file has no data chunk"},
      {riff(sound), "a.wav: byte 12: the sound stands before its format"},
      {riff(chunk("fmt ", "short")), "a.wav: byte 16: a format chunk has at least 16 bytes; this one has 5"},
      {riff(format(1, 1, 16)).substr(0, 30), "a.wav: byte 30: the file ends early, within its format"},
      {riff(format(1, 1, 16) + format(1, 1, 16)), "a.wav: byte 36: a second format chunk"},
      {riff(format(1, 0, 16) + sound), "a.wav: byte 22: 0 channels; 1 to 64 can be read"},
      {riff(format(1, 999, 16) + sound), "a.wav: byte 22: 999 channels; 1 to 64 can be read"},
      {riff(format(1, 1, 16, 0) + sound), "a.wav: byte 24: 0 samples a second"},
      {riff(format(1, 1, 12) + sound),
       "a.wav: byte 20: encoding 1 of 12 bits; PCM of 8, 16, 24 or 32 bits can be read, and floating point"},
      {riff(format(7, 1, 8) + sound),
       "a.wav: byte 20: encoding 7 of 8 bits; PCM of 8, 16, 24 or 32 bits can be read, and floating point"},
      {riff(format(1, 2, 16).replace(20, 2, number(2, 2)) + sound),
       "a.wav: byte 20: a frame of 2 bytes for 2 channels of 16 bits"},
      {riff(format(0xfffe, 1, 16) + sound),
       "a.wav: byte 36: an extensible format chunk has at least 40 bytes; this one has 16"},
      {riff(format(1, 1, 16) + chunk("data", "abc")),
       "a.wav: byte 40: 3 bytes of sound are no whole number of frames of 2 bytes"},
      {riff(format(1, 1, 16) + sound).substr(0, 46), "a.wav: byte 46: the file ends early, within its sound"},
      {riff(format(1, 1, 16) + "data" + number(0x7ffffffe, 4)),
       "a.wav: byte 44: the file ends early, within its sound"},
      {riff(format(1, 1, 16) + "da"), "a.wav: byte 38: the file ends early, within its chunk's header"},
      {riff(format(1, 1, 16) + chunk("data", "")), "a.wav: byte 40: the recording is empty"},
      {riff(format(3, 1, 32) + chunk("data", raw<float>({0, NAN}))), "a.wav: byte 48: a sample that is no number"},
      {riff(format(3, 1, 32) + chunk("data", raw<float>({0, -1e38f}))),
       "a.wav: byte 48: a sample of -1e+38; 1 is the loudest"},
      {riff(chunk("LIST", "abcd")).substr(0, 22), "a.wav: byte 22: the file ends early, within its chunk"},
  };
  for (const auto& each : cases) EXPECT_EQ(error_of([&] { parse_wav(each.content, "a.wav"); }), each.error);
}

}  // namespace
}  // namespace fovea::data

#include "fovea/data/wav.h"

#include <algorithm>
#include <cmath>

#include "fovea/data/byte_cursor.h"

namespace fovea::data {
namespace {

constexpr auto little = std::endian::little;
constexpr int64_t most_channels = 64, most_rate = 1'000'000;
constexpr float loudest = 1e4f;  // full scale is 1; far beyond, what is computed of it is no number
constexpr uint32_t unknown_length = 0xffffffff;

enum Encoding : uint16_t { pcm = 1, floating = 3, extensible = 0xfffe };

struct Format {
  uint16_t encoding = 0;
  int64_t channels = 0;
  int64_t rate = 0;
  int64_t bytes = 0;  // of a sample

  int64_t frame() const { return channels * bytes; }
};

Format read_format(ByteCursor& cursor, int64_t length) {
  if (length < 16) cursor.refuse(4, "a format chunk has at least 16 bytes; this one has {}", length);
  Format format;
  format.encoding = cursor.number<uint16_t>(little, "format");
  format.channels = cursor.number<uint16_t>(little, "format");
  if (format.channels < 1 || format.channels > most_channels) {
    cursor.refuse(2, "{} channels; 1 to {} can be read", format.channels, most_channels);
  }
  format.rate = cursor.number<uint32_t>(little, "format");
  if (format.rate < 1 || format.rate > most_rate) cursor.refuse(4, "{} samples a second", format.rate);
  cursor.take(4, "format");  // bytes a second: follows from the others
  const auto block = cursor.number<uint16_t>(little, "format");
  const auto bits = cursor.number<uint16_t>(little, "format");
  int64_t left = length - 16;
  if (format.encoding == extensible) {
    if (left < 24) cursor.refuse(0, "an extensible format chunk has at least 40 bytes; this one has {}", length);
    cursor.take(8, "format");
    format.encoding = cursor.number<uint16_t>(little, "format");
    left -= 10;
  }
  const bool known = format.encoding == pcm ? bits == 8 || bits == 16 || bits == 24 || bits == 32
                                            : format.encoding == floating && (bits == 32 || bits == 64);
  if (!known) {
    cursor.refuse(length - left, "encoding {} of {} bits; PCM of 8, 16, 24 or 32 bits can be read, and floating point",
                  format.encoding, bits);
  }
  format.bytes = bits / 8;
  if (block != format.frame()) {
    cursor.refuse(length - left, "a frame of {} bytes for {} channels of {} bits", block, format.channels, bits);
  }
  cursor.take(left, "format");
  return format;
}

float sample(const char* bytes, const Format& format) {
  const auto* byte = reinterpret_cast<const unsigned char*>(bytes);
  const auto read = [&]<class T>(T value) {
    std::memcpy(&value, bytes, sizeof(T));
    return from_order(value, little);
  };
  if (format.encoding == floating) return format.bytes == 4 ? read(0.0f) : static_cast<float>(read(0.0));
  switch (format.bytes) {
    case 1:
      return (static_cast<float>(byte[0]) - 128) / 128;
    case 2:
      return static_cast<float>(read(int16_t{0})) / 0x1p15f;
    case 3: {
      const uint32_t bits = uint32_t{byte[0]} << 8 | uint32_t{byte[1]} << 16 | uint32_t{byte[2]} << 24;
      return static_cast<float>(static_cast<int32_t>(bits)) / 0x1p31f;
    }
    default:
      return static_cast<float>(read(int32_t{0})) / 0x1p31f;
  }
}

std::vector<float> read_samples(ByteCursor& cursor, int64_t length, const Format& format) {
  if (length % format.frame() != 0) {
    cursor.refuse(4, "{} bytes of sound are no whole number of frames of {} bytes", length, format.frame());
  }
  const int64_t start = cursor.position();
  const std::string_view bytes = cursor.take(length, "sound");
  std::vector<float> samples(static_cast<size_t>(length / format.frame()));
  for (size_t i = 0; i < samples.size(); ++i) {
    const char* frame = bytes.data() + i * static_cast<size_t>(format.frame());
    float sum = 0;
    for (int64_t channel = 0; channel < format.channels; ++channel)
      sum += sample(frame + channel * format.bytes, format);
    if (!std::isfinite(sum)) {
      cursor.refuse(cursor.position() - start - static_cast<int64_t>(i) * format.frame(), "a sample that is no number");
    }
    samples[i] = sum / static_cast<float>(format.channels);
    if (std::abs(samples[i]) > loudest) {
      cursor.refuse(cursor.position() - start - static_cast<int64_t>(i) * format.frame(),
                    "a sample of {}; 1 is the loudest", samples[i]);
    }
  }
  return samples;
}

}  // namespace

Audio parse_wav(std::string_view bytes, std::string_view name) {
  ByteCursor cursor(bytes, name);
  if (bytes.size() < 12 || bytes.substr(0, 4) != "RIFF" || bytes.substr(8, 4) != "WAVE") {
    fail_beginning(name, "a WAVE file", "RIFF....WAVE", bytes);
  }
  cursor.take(12, "header");
  Format format;
  while (cursor.left() > 0) {
    const std::string_view kind = cursor.take(4, "chunk's header");
    const auto claimed = cursor.number<uint32_t>(little, "chunk's header");
    int64_t length = claimed;
    if (kind == "fmt ") {
      if (format.channels > 0) cursor.refuse(8, "a second format chunk");
      format = read_format(cursor, length);
    } else if (kind == "data") {
      if (format.channels == 0) cursor.refuse(8, "the sound stands before its format");
      if (claimed == unknown_length) length = cursor.left() / format.frame() * format.frame();
      Audio audio{format.rate, read_samples(cursor, length, format)};
      if (audio.samples.empty()) cursor.refuse(length + 4, "the recording is empty");
      return audio;
    } else {
      cursor.take(length, "chunk");
    }
    if (length % 2 == 1 && cursor.left() > 0) cursor.take(1, "padding");
  }
  cursor.refuse(0, "the file has no {} chunk", format.channels == 0 ? "format" : "data");
}

std::string encode_wav(const Audio& audio) {
  std::string out;
  const auto put = [&](uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  };
  const auto length = 2 * audio.samples.size();
  out += "RIFF";
  put(36 + length, 4);
  out += "WAVEfmt ";
  put(16, 4);
  put(pcm, 2);
  put(1, 2);
  put(static_cast<uint64_t>(audio.rate), 4);
  put(static_cast<uint64_t>(2 * audio.rate), 4);
  put(2, 2);
  put(16, 2);
  out += "data";
  put(length, 4);
  for (const float value : audio.samples) {
    put(static_cast<uint16_t>(std::lround(std::clamp(value, -1.0f, 1.0f) * 32767.0f)), 2);
  }
  return out;
}

}  // namespace fovea::data

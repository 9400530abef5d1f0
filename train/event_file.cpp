#include "fovea/train/event_file.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <filesystem>

#include "fovea/data/file_error.h"
#include "fovea/data/protobuf.h"

namespace fovea::train {
namespace {

using data::protobuf::little_endian;
using data::protobuf::put;

// Numbers of the fields in TensorFlow's event.proto, summary.proto and tensor.proto.
namespace event_field {
constexpr int wall_time = 1, step = 2, file_version = 3, summary = 5, session_log = 7;
}
namespace value_field {
constexpr int tag = 1, simple_value = 2, image = 4, histo = 5, tensor = 8, metadata = 9;
}

constexpr std::array<uint32_t, 256> crc_table = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
    table[i] = crc;
  }
  return table;
}();

std::string record(std::string_view bytes) {
  std::string out, length;
  little_endian(length, static_cast<uint64_t>(bytes.size()));
  out += length;
  little_endian(out, masked_crc32c(length));
  out += bytes;
  little_endian(out, masked_crc32c(bytes));
  return out;
}

std::string new_path(const std::string& folder, double seconds) {
  std::error_code ignored;
  for (int i = 0;; ++i) {
    const std::string name = fmt::format("events.out.tfevents.{:010.0f}.{:03}.fovea", std::floor(seconds), i);
    const std::filesystem::path path = std::filesystem::path(folder) / name;
    if (!std::filesystem::exists(path, ignored)) return path;
  }
}

data::FileDescriptor create(const std::string& path) {
  data::FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (file.get() < 0) data::fail_system(path, "cannot be written", errno);
  return file;
}

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = ~0u;
  for (const char c : bytes) crc = crc_table[(crc ^ static_cast<unsigned char>(c)) & 0xff] ^ crc >> 8;
  return ~crc;
}

uint32_t masked_crc32c(std::string_view bytes) { return std::rotr(crc32c(bytes), 15) + 0xa282ead8u; }

EventFile::EventFile(const std::string& folder, Clock clock)
    : clock_(clock ? std::move(clock) : now),
      path_(new_path(folder, clock_())),
      file_(create(path_)),
      writer_(path_, file_.get()) {
  std::string version;
  put(version, event_field::file_version, std::string_view("brain.Event:2"));
  event(0, version);
}

void EventFile::event(int64_t step, std::string_view fields) {
  std::string bytes;
  put(bytes, event_field::wall_time, clock_());
  if (step != 0) put(bytes, event_field::step, step);
  bytes += fields;
  writer_.write(record(bytes));
  writer_.flush();
}

void EventFile::summary(int64_t step, std::string_view value) {
  std::string values, fields;
  put(values, 1, value);
  put(fields, event_field::summary, std::string_view(values));
  event(step, fields);
}

void EventFile::scalar(std::string_view tag, int64_t step, double value) {
  std::string bytes;
  put(bytes, value_field::tag, tag);
  put(bytes, value_field::simple_value, static_cast<float>(value));
  summary(step, bytes);
}

void EventFile::histogram(std::string_view tag, int64_t step, std::span<const float> values, int64_t bins) {
  double low = INFINITY, high = -INFINITY, count = 0, sum = 0, squares = 0;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
    sum += value;
    squares += value * value;
    ++count;
  }
  if (count == 0) low = high = 0;
  const double width = (high - low) / static_cast<double>(bins);
  std::vector<double> limits, buckets(static_cast<size_t>(width > 0 ? bins : 1));
  for (size_t i = 1; i < buckets.size(); ++i) limits.push_back(low + static_cast<double>(i) * width);
  limits.push_back(high);
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    const auto bin = width > 0 ? static_cast<size_t>((value - low) / width) : 0;
    ++buckets[std::min(bin, buckets.size() - 1)];
  }
  std::string histogram, bytes;
  put(histogram, 1, low);
  put(histogram, 2, high);
  put(histogram, 3, count);
  put(histogram, 4, sum);
  put(histogram, 5, squares);
  put(histogram, 6, limits);
  put(histogram, 7, buckets);
  put(bytes, value_field::tag, tag);
  put(bytes, value_field::histo, std::string_view(histogram));
  summary(step, bytes);
}

void EventFile::text(std::string_view tag, int64_t step, std::string_view text) {
  // A tensor of one string, and the name of the plugin that shows it.
  std::string size, shape, tensor, plugin, metadata, bytes;
  put(size, 1, int64_t{1});
  put(shape, 2, std::string_view(size));
  put(tensor, 1, int64_t{7});  // DT_STRING
  put(tensor, 2, std::string_view(shape));
  put(tensor, 8, text);
  put(plugin, 1, std::string_view("text"));
  put(metadata, 1, std::string_view(plugin));
  put(bytes, value_field::tag, tag);
  put(bytes, value_field::tensor, std::string_view(tensor));
  put(bytes, value_field::metadata, std::string_view(metadata));
  summary(step, bytes);
}

void EventFile::image(std::string_view tag, int64_t step, const EncodedImage& image) {
  std::string picture, bytes;
  put(picture, 1, image.height);
  put(picture, 2, image.width);
  put(picture, 3, image.channels);
  put(picture, 4, image.bytes);
  put(bytes, value_field::tag, tag);
  put(bytes, value_field::image, std::string_view(picture));
  summary(step, bytes);
}

void EventFile::restart(int64_t step) {
  std::string start, fields;
  put(start, 1, int64_t{1});  // SessionLog.START
  put(fields, event_field::session_log, std::string_view(start));
  event(step, fields);
}

}  // namespace fovea::train

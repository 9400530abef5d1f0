#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "fovea/data/files.h"

namespace fovea::train {

/// A picture as TensorBoard shows it.
struct EncodedImage {
  int64_t width = 0;
  int64_t height = 0;
  int64_t channels = 3;         // 1: grey, 3: RGB, 4: RGBA
  std::string_view bytes = {};  // a PNG or JPEG file
};

/// A TensorBoard event file: records of protocol buffers, each framed by its length and masked CRC-32Cs (TensorFlow's
/// record format). What was written is in the file when a call returns.
class EventFile {
 public:
  /// Seconds since 1970.
  using Clock = std::function<double()>;

  /// Makes a new file in `folder`, which must be there; named by the time, so that TensorBoard reads the files of a run
  /// in order. Throws DataError.
  explicit EventFile(const std::string& folder, Clock clock = {});

  const std::string& path() const { return path_; }

  void scalar(std::string_view tag, int64_t step, double value);
  /// Over `bins` intervals of equal width; numbers that are not finite do not count.
  void histogram(std::string_view tag, int64_t step, std::span<const float> values, int64_t bins = 30);
  /// Markdown.
  void text(std::string_view tag, int64_t step, std::string_view text);
  void image(std::string_view tag, int64_t step, const EncodedImage& image);
  /// What earlier files of the run say of this step and later ones does not count.
  void restart(int64_t step);

 private:
  void event(int64_t step, std::string_view fields);
  void summary(int64_t step, std::string_view value);

  Clock clock_;
  std::string path_;
  data::FileDescriptor file_;
  data::FileWriter writer_;
};

/// The CRC-32C (Castagnoli) of bytes, as records bear it: rotated and offset, so that a record may hold CRCs itself.
uint32_t masked_crc32c(std::string_view bytes);
uint32_t crc32c(std::string_view bytes);

}  // namespace fovea::train

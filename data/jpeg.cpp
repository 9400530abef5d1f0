#include <csetjmp>
#include <cstdio>  // jpeglib.h counts on it

#include <jerror.h>
#include <jpeglib.h>

#include "fovea/data/exif.h"
#include "fovea/data/file_error.h"
#include "fovea/data/image_file.h"
#include "fovea/data/interleaved.h"

namespace fovea::data {
namespace {

constexpr int exif_marker = JPEG_APP0 + 1;  // other kinds of notes stand in such markers, too
constexpr unsigned most_marker_bytes = 0xffff;
constexpr int most_scans = 100;  // of a progressive file, which has ten or so: each goes over the whole picture

/// What libjpeg reports errors to.
struct Reporter : jpeg_error_mgr {
  std::jmp_buf leave;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void give_up(j_common_ptr info) {
  auto* reporter = static_cast<Reporter*>(info->err);
  reporter->format_message(info, reporter->message);
  std::longjmp(reporter->leave, 1);
}

/// Warnings that every reader passes over: bytes that are left over, markers that contradict each other.
bool is_harmless(int code) {
  return code == JWRN_EXTRANEOUS_DATA || code == JWRN_TOO_MUCH_DATA || code == JWRN_ADOBE_XFORM ||
         code == JWRN_JFIF_MAJOR || code == JWRN_BOGUS_PROGRESSION;
}

/// libjpeg only warns of a picture that ends early, and makes up the rest.
void take_message(j_common_ptr info, int level) {
  if (level < 0 && !is_harmless(info->err->msg_code)) give_up(info);
}

void count_scans(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= most_scans) return;
  auto* reporter = static_cast<Reporter*>(info->err);
  std::snprintf(reporter->message, sizeof reporter->message, "more than %d scans", most_scans);
  std::longjmp(reporter->leave, 1);
}

/// libjpeg's decoder. A call that fails leaves by a jump, so that what is attempted may own nothing.
class Decoder {
 public:
  Decoder(std::string_view bytes, const std::string& name) : bytes_(bytes), name_(name) {
    info.err = jpeg_std_error(&reporter_);
    reporter_.error_exit = give_up;
    reporter_.emit_message = take_message;
    progress_.progress_monitor = count_scans;
  }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder() { jpeg_destroy_decompress(&info); }

  /// Reads the header.
  void open() {
    attempt([this] {
      jpeg_create_decompress(&info);
      info.progress = &progress_;
      jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size());
      jpeg_save_markers(&info, exif_marker, most_marker_bytes);
      jpeg_read_header(&info, TRUE);
    });
  }
  /// Throws DataError where `step` fails.
  template <class Step>
  void attempt(const Step& step) {
    if (setjmp(reporter_.leave) == 0) {
      step();
    } else {
      fail(name_, "the JPEG file is broken: {}", static_cast<const char*>(reporter_.message));
    }
  }

  jpeg_decompress_struct info{};

 private:
  std::string_view bytes_;
  const std::string& name_;
  Reporter reporter_{};
  jpeg_progress_mgr progress_{};
};

/// What the first of a file's markers that says so tells of how the camera was held.
int orientation_of(const jpeg_decompress_struct& info) {
  for (const jpeg_marker_struct* marker = info.marker_list; marker; marker = marker->next) {
    const int orientation = exif_orientation({reinterpret_cast<const char*>(marker->data), marker->data_length});
    if (orientation != 1) return orientation;
  }
  return 1;
}

/// Red, green and blue of what four inks leave of white. Adobe's programs store what each ink leaves, not how much there
/// is of it.
std::vector<uint8_t> without_inks(const std::vector<uint8_t>& inks, bool inverted) {
  std::vector<uint8_t> colours;
  colours.reserve(inks.size() / 4 * 3);
  const auto left = [&](uint8_t ink) { return inverted ? ink : 255 - ink; };
  for (size_t i = 0; i + 3 < inks.size(); i += 4) {
    for (size_t c = 0; c < 3; ++c) {
      colours.push_back(static_cast<uint8_t>((left(inks[i + c]) * left(inks[i + 3]) + 127) / 255));
    }
  }
  return colours;
}

}  // namespace

Image decode_jpeg(std::string_view bytes, const std::string& name) {
  Decoder decoder(bytes, name);
  jpeg_decompress_struct& info = decoder.info;
  decoder.open();
  check_image_size(name, info.image_width, info.image_height);
  const int orientation = orientation_of(info);  // libjpeg drops the markers at the end
  const bool grey = info.jpeg_color_space == JCS_GRAYSCALE;
  const bool inks = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
  info.out_color_space = grey ? JCS_GRAYSCALE : inks ? JCS_CMYK : JCS_RGB;
  const size_t row = (grey ? 1 : inks ? 4 : 3) * size_t{info.image_width};
  std::vector<uint8_t> pixels(row * info.image_height);
  decoder.attempt([&] {
    jpeg_start_decompress(&info);
    while (info.output_scanline < info.output_height) {
      JSAMPROW to = pixels.data() + info.output_scanline * row;
      jpeg_read_scanlines(&info, &to, 1);
    }
    jpeg_finish_decompress(&info);
  });
  if (inks) pixels = without_inks(pixels, info.saw_Adobe_marker != 0);
  const int64_t channels = grey ? 1 : 3;
  return upright({channels, info.image_height, info.image_width, to_planes(pixels, channels)}, orientation);
}

}  // namespace fovea::data

#include "fovea/data/npy.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "fovea/data/byte_cursor.h"
#include "fovea/data/byte_reader.h"
#include "fovea/data/files.h"
#include "fovea/tensor/creation.h"

namespace fovea::data {
namespace {

constexpr size_t most_npy_bytes = size_t{1} << 33;
constexpr std::string_view magic("\x93NUMPY", 6);

struct Header {
  std::string descr;  // "<f4"
  bool columns_first = false;
  std::vector<int64_t> shape;
};

/// Reads the header's Python dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class HeaderReader {
 public:
  HeaderReader(std::string_view text, std::string_view name, int64_t begin) : text_(text), name_(name), begin_(begin) {}

  Header read() {
    Header header;
    int found = 0;
    expect('{');
    while (!accept('}')) {
      const std::string key = string();
      expect(':');
      if (key == "descr") {
        header.descr = string();
      } else if (key == "fortran_order") {
        header.columns_first = boolean();
      } else if (key == "shape") {
        header.shape = shape();
      } else {
        refuse("a key that npy has not");
      }
      ++found;
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    if (found != 3) refuse("not the three keys descr, fortran_order and shape");
    return header;
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    fail_at_byte(name_, begin_ + static_cast<int64_t>(at_), "the header is broken: {}", what);
  }
  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(char c) {
    skip_spaces();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) refuse(fmt::format("{} is missing", c));
  }
  bool accept(std::string_view word) {
    skip_spaces();
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  std::string string() {
    skip_spaces();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    const size_t end = quote == '\'' || quote == '"' ? text_.find(quote, at_ + 1) : std::string_view::npos;
    if (end == std::string_view::npos) refuse("a string is missing");
    const std::string value(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return value;
  }
  bool boolean() {
    if (accept("True")) return true;
    if (accept("False")) return false;
    refuse("neither True nor False");
  }
  std::vector<int64_t> shape() {
    std::vector<int64_t> sizes;
    expect('(');
    while (!accept(')')) {
      skip_spaces();
      int64_t size = 0;
      const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), size);
      if (error != std::errc() || size < 0) refuse("a size is missing");
      at_ = static_cast<size_t>(end - text_.data());
      if (sizes.size() == 8) refuse("more than 8 axes");
      sizes.push_back(size);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return sizes;
  }

  std::string_view text_, name_;
  int64_t begin_;
  size_t at_ = 0;
};

template <class Stored, class T>
Tensor elements(std::string_view bytes, const Header& header, std::string_view name, int64_t begin) {
  const std::endian order = header.descr[0] == '>' ? std::endian::big : std::endian::little;
  std::vector<T> values(bytes.size() / sizeof(Stored));
  for (size_t i = 0; i < values.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, bytes.data() + i * sizeof(Stored), sizeof(Stored));
    stored = from_order(stored, order);
    if constexpr (std::is_integral_v<Stored>) {
      const bool fits = std::in_range<T>(stored);
      if (!fits) fail_at_byte(name, begin + static_cast<int64_t>(i * sizeof(Stored)), "{} does not fit i32", stored);
    }
    values[i] = static_cast<T>(stored);
  }
  if (!header.columns_first) return from_vector(values, Shape(std::span<const int64_t>(header.shape)));
  const std::vector<int64_t> reversed(header.shape.rbegin(), header.shape.rend());
  Shape axes = Shape(std::span<const int64_t>(header.shape));
  for (int i = 0; i < axes.rank(); ++i) axes[i] = axes.rank() - 1 - i;
  return from_vector(values, Shape(std::span<const int64_t>(reversed))).permute(axes).contiguous();
}

int64_t item_size(const std::string& descr) {
  if (descr.size() != 3 || std::string_view("<>|=").find(descr[0]) == std::string_view::npos) return 0;
  const int64_t size = descr[2] - '0';
  const bool whole = descr[1] == 'i' || descr[1] == 'u';
  const bool known = (whole && (size == 1 || size == 2 || size == 4 || size == 8)) ||
                     (descr[1] == 'f' && (size == 4 || size == 8)) || (descr[1] == 'b' && size == 1);
  return known ? size : 0;
}

Tensor convert(std::string_view bytes, const Header& header, std::string_view name, int64_t begin) {
  const char kind = header.descr[1], size = header.descr[2];
  const auto as = [&]<class Stored, class T>(Stored, T) { return elements<Stored, T>(bytes, header, name, begin); };
  if (kind == 'f') return size == '4' ? as(0.0f, 0.0f) : as(0.0, 0.0);
  if (kind == 'b') return as(uint8_t{}, int32_t{}).to(boolean);
  const bool sign = kind == 'i';
  switch (size) {
    case '1':
      return sign ? as(int8_t{}, int32_t{}) : as(uint8_t{}, int32_t{});
    case '2':
      return sign ? as(int16_t{}, int32_t{}) : as(uint16_t{}, int32_t{});
    case '4':
      return sign ? as(int32_t{}, int32_t{}) : as(uint32_t{}, int32_t{});
    default:
      return sign ? as(int64_t{}, int32_t{}) : as(uint64_t{}, int32_t{});
  }
}

template <class T>
void write_values(FileWriter& out, const Tensor& tensor) {
  const auto values = tensor.to_vector<T>();
  for (const T value : values) {
    const T stored = from_order(value, std::endian::little);
    out.write(&stored, sizeof(T));
  }
}

}  // namespace

Tensor parse_npy(std::string_view bytes, std::string_view name) {
  ByteCursor cursor(bytes, name);
  if (!bytes.starts_with(magic)) fail_beginning(name, "a npy file", "\\x93NUMPY", bytes);
  cursor.take(static_cast<int64_t>(magic.size()), "header");
  const auto version = cursor.number<uint8_t>(std::endian::little, "header");
  if (version < 1 || version > 3) cursor.refuse(1, "version {}; 1 to 3 can be read", version);
  cursor.take(1, "header");
  const int64_t length = version == 1 ? cursor.number<uint16_t>(std::endian::little, "header")
                                      : cursor.number<uint32_t>(std::endian::little, "header");
  const int64_t begin = cursor.position();
  const Header header = HeaderReader(cursor.take(length, "header"), name, begin).read();
  int64_t size = item_size(header.descr), extent = size;
  if (size == 0) {
    fail(name, "elements of the type {}; numbers and bool can be read", in_quotes(header.descr));
  }
  for (const int64_t axis : header.shape) {
    // A size of 0 must not hide that the others are too large for the strides of a tensor.
    const int64_t at_least_one = std::max(axis, int64_t{1});
    if (extent > static_cast<int64_t>(most_npy_bytes) / at_least_one) {
      fail(name, "the array would take more than {} bytes", most_npy_bytes);
    }
    extent *= at_least_one;
    size *= axis;
  }
  const std::string_view content = cursor.take(size, "elements");
  if (cursor.left() > 0) cursor.refuse(0, "{} bytes follow the last element", cursor.left());
  return convert(content, header, name, cursor.position() - size);
}

Tensor load_npy(const std::string& path) { return parse_npy(read_unpacked(path, most_npy_bytes), path); }

void save_npy(const std::string& path, const Tensor& tensor, Caller caller) {
  const DType dtype = tensor.dtype();
  const char* descr = dtype == f32 ? "<f4" : dtype == f64 ? "<f8" : dtype == i32 ? "<i4" : "|b1";
  if (dtype != f32 && dtype != f64 && dtype != i32 && dtype != boolean) {
    raise<DTypeError>(caller, "save_npy: {} has no place in a npy file; convert with .to(f32)", dtype);
  }
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': (", descr);
  for (const int64_t size : tensor.shape()) header += fmt::format("{}, ", size);
  header += "), }";
  constexpr size_t before = 10, alignment = 64;
  header.append(alignment - (before + header.size() + 1) % alignment, ' ');
  header += '\n';
  write_atomically(path, [&](FileWriter& out) {
    out.write(magic);
    const char rest[] = {1, 0, static_cast<char>(header.size()), static_cast<char>(header.size() >> 8)};
    out.write(rest, sizeof(rest));
    out.write(header);
    if (dtype == f32) {
      write_values<float>(out, tensor);
    } else if (dtype == f64) {
      write_values<double>(out, tensor);
    } else if (dtype == i32) {
      write_values<int32_t>(out, tensor);
    } else {
      for (const bool value : tensor.to_vector<bool>()) out.write(value ? "\1" : std::string_view("\0", 1));
    }
  });
}

}  // namespace fovea::data

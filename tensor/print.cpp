#include <cmath>
#include <iterator>
#include <ostream>

#include "fovea/backends/recording.h"
#include "fovea/tensor/raw.h"

namespace fovea {
namespace {

constexpr int64_t elision_threshold = 1000;  // elements above which an axis shows only its ends
constexpr int64_t edge = 3;

/// Which indices of an axis are shown; -1 stands for "...".
std::vector<int64_t> shown(int64_t size, bool elide) {
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < size; ++i) {
    if (elide && size > 2 * edge && i == edge) {
      indices.push_back(-1);
      i = size - edge;
    }
    indices.push_back(i);
  }
  return indices;
}

class Printer {
 public:
  explicit Printer(const Tensor& tensor)
      : shape_(tensor.shape()), dtype_(tensor.dtype()), elide_(tensor.numel() > elision_threshold) {
    refuse_while_recording("print", {"", 0});  // there is no line of the user's to tell
    if (elide_) {
      read_shown(tensor, 0);
    } else {
      values_ = tensor.to_vector<double>();
    }
    choose_format();
    for (double value : values_) width_ = std::max(width_, element(value).size());
  }

  std::string text() {
    write(0, 1);
    return std::move(out_);
  }

 private:
  /// Reads only what is shown: the corners of a large tensor.
  void read_shown(const Tensor& part, int axis) {
    if (axis == shape_.rank()) {
      values_.push_back(part.item<double>());
      return;
    }
    if (axis == shape_.rank() - 1 && part.numel() <= 2 * edge) {
      for (double value : part.to_vector<double>()) values_.push_back(value);
      return;
    }
    for (int64_t i : shown(shape_[axis], true)) {
      if (i < 0) continue;
      Shape shape = part.shape();
      Strides strides = part.strides();
      const int64_t offset = part.view().offset + i * strides[0];
      shape.erase(0);
      strides.erase(0);
      read_shown(raw::window(part, shape, strides, offset), axis + 1);
    }
  }

  void choose_format() {
    if (!is_floating(dtype_)) return;
    double greatest = 0;
    double least = INFINITY;
    for (double value : values_) {
      if (!std::isfinite(value) || value == 0) continue;
      greatest = std::max(greatest, std::fabs(value));
      least = std::min(least, std::fabs(value));
    }
    scientific_ = greatest >= 1e6 || (least < 1e-4 && greatest > 0);
  }

  std::string element(double value) const {
    if (dtype_ == boolean) return value != 0 ? "true" : "false";
    if (dtype_ == i32) return fmt::format("{}", static_cast<int64_t>(value));
    if (std::isnan(value)) return "nan";  // which may have a sign
    return scientific_ ? fmt::format("{:.4e}", value) : fmt::format("{:.4f}", value);
  }

  void write(int axis, int indent) {
    if (axis == shape_.rank()) {
      fmt::format_to(std::back_inserter(out_), "{:>{}}", element(values_[next_++]), width_);
      return;
    }
    const bool innermost = axis == shape_.rank() - 1;
    const std::string separator = innermost ? ", " : ",\n" + std::string(static_cast<size_t>(indent), ' ');
    out_ += '[';
    bool first = true;
    for (int64_t i : shown(shape_[axis], elide_)) {
      if (!first) out_ += separator;
      first = false;
      if (i < 0) {
        out_ += "...";
      } else {
        write(axis + 1, indent + 1);
      }
    }
    out_ += ']';
  }

  Shape shape_;
  DType dtype_;
  bool elide_;
  bool scientific_ = false;
  std::vector<double> values_;
  size_t width_ = 0;
  size_t next_ = 0;
  std::string out_;
};

}  // namespace

std::string to_string(const Tensor& tensor) {
  if (!tensor.defined()) return "undefined tensor";
  std::string text = Printer(tensor).text();
  fmt::format_to(std::back_inserter(text), "\n{} {}", name(tensor.dtype()), tensor.shape());
  if (tensor.device() != Device::cpu()) fmt::format_to(std::back_inserter(text), " on {}", tensor.device());
  return text;
}

std::ostream& operator<<(std::ostream& stream, const Tensor& tensor) { return stream << to_string(tensor); }

}  // namespace fovea

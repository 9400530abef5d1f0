#include "fovea/backends/buffer.h"

#include <charconv>
#include <ostream>

namespace fovea {

Device Device::parse(std::string_view text, Caller caller) {
  if (text == "cpu") return cpu();
  if (text == "vulkan") return vulkan();
  constexpr std::string_view prefix = "vulkan:";
  if (text.starts_with(prefix)) {
    int index = -1;
    const std::string_view digits = text.substr(prefix.size());
    const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    if (status == std::errc{} && end == digits.data() + digits.size() && index >= 0 && index < 256)
      return vulkan(index);
  }
  raise<DeviceError>(caller, "device: '{}' is none of cpu, vulkan, vulkan:N", text);
}

std::string to_string(Device device) {
  return device.kind == Device::Kind::cpu ? "cpu" : fmt::format("vulkan:{}", device.index);
}
std::ostream& operator<<(std::ostream& stream, Device device) { return stream << to_string(device); }

bool View::is_contiguous() const {
  int64_t expected = 1;
  for (int axis = rank() - 1; axis >= 0; --axis) {
    if (shape[axis] == 0) return true;
    if (shape[axis] != 1 && strides[axis] != expected) return false;
    expected *= shape[axis];
  }
  return true;
}

std::pair<int64_t, int64_t> View::reach() const {
  int64_t first = offset, last = offset;
  for (int axis = 0; axis < rank(); ++axis) (strides[axis] < 0 ? first : last) += strides[axis] * (shape[axis] - 1);
  return {first, last};
}

}  // namespace fovea

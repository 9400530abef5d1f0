#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <utility>

#include "fovea/backends/dtype.h"
#include "fovea/backends/error.h"
#include "fovea/backends/format.h"
#include "fovea/backends/reference_count.h"
#include "fovea/backends/shape.h"

// What kernels work on: devices' memory, and views of it.
namespace fovea {

class Backend;

/// Where tensors live: "cpu", "vulkan" (its first device) or "vulkan:1".
struct Device {
  enum class Kind : uint8_t { cpu, vulkan };
  Kind kind = Kind::cpu;
  uint8_t index = 0;

  static constexpr Device cpu() { return {}; }
  static constexpr Device vulkan(int index = 0) { return {Kind::vulkan, static_cast<uint8_t>(index)}; }
  /// Parses the names above. Throws DeviceError.
  static Device parse(std::string_view text, Caller caller = {});

  friend constexpr bool operator==(Device, Device) = default;
};

std::string to_string(Device device);
std::ostream& operator<<(std::ostream& stream, Device device);

/// A block of device memory, shared by reference counting; made by Backend::allocate.
class Buffer {
 public:
  Buffer(Backend& backend, std::byte* host, uint64_t address, size_t bytes)
      : backend_(&backend), host_(host), address_(address), bytes_(bytes) {}
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  Backend& backend() const { return *backend_; }
  /// The bytes where the host can touch them directly (the CPU backend), else null.
  std::byte* host() const { return host_; }
  /// The device's address of the bytes (Vulkan), else 0.
  uint64_t address() const { return address_; }
  size_t bytes() const { return bytes_; }

  /// Counts in-place changes; autograd compares it with what it was when a value was saved.
  uint32_t version = 0;

  /// Changes with what tensors in it are to the graph; captured steps compare it with what it was when they were recorded.
  std::atomic<uint32_t> mark{0};

  /// Whether one of its references is a recording's, which only watches when the others go.
  std::atomic<bool> watched{false};
  uint32_t references() const { return references_.value(); }

 private:
  friend class BufferRef;
  ReferenceCount references_;
  Backend* backend_;
  std::byte* host_;
  uint64_t address_;
  size_t bytes_;
};

class BufferRef {
 public:
  BufferRef() = default;
  explicit BufferRef(Buffer* buffer) : buffer_(buffer) { acquire(); }
  BufferRef(const BufferRef& other) : buffer_(other.buffer_) { acquire(); }
  BufferRef(BufferRef&& other) noexcept : buffer_(std::exchange(other.buffer_, nullptr)) {}
  BufferRef& operator=(BufferRef other) noexcept {
    std::swap(buffer_, other.buffer_);
    return *this;
  }
  ~BufferRef() { release(); }

  Buffer* get() const { return buffer_; }
  Buffer* operator->() const { return buffer_; }
  Buffer& operator*() const { return *buffer_; }
  explicit operator bool() const { return buffer_; }
  /// Whether nobody else can see the memory.
  bool unique() const {
    return buffer_ && buffer_->references() == 1u + buffer_->watched.load(std::memory_order_relaxed);
  }

 private:
  void acquire() {
    if (buffer_) buffer_->references_.add();
  }
  void release() {
    if (buffer_ && buffer_->references_.drop()) recycle(buffer_);
  }
  static void recycle(Buffer* buffer);

  Buffer* buffer_ = nullptr;
};

/// A strided window on a buffer; does not own it. Offsets and strides count elements.
struct View {
  Buffer* buffer = nullptr;
  int64_t offset = 0;
  DType dtype = DType::f32;
  Shape shape;
  Strides strides;

  int rank() const { return shape.rank(); }
  int64_t numel() const { return shape.numel(); }
  /// Row-major without gaps (axes of size 1 have any stride; an empty view is contiguous).
  bool is_contiguous() const;
  /// The first and the last element in memory, counted as the offset is, where there is any.
  std::pair<int64_t, int64_t> reach() const;
  /// The first element, where the host can touch it.
  template <class T>
  T* data() const {
    return reinterpret_cast<T*>(buffer->host()) + offset;
  }
};

}  // namespace fovea

template <>
struct fmt::formatter<fovea::Device> : fovea::TextFormatter {
  auto format(fovea::Device device, fmt::format_context& context) const {
    return write(fovea::to_string(device), context);
  }
};
template <>
struct fmt::formatter<fovea::DType> : fovea::TextFormatter {
  auto format(fovea::DType dtype, fmt::format_context& context) const { return write(fovea::name(dtype), context); }
};

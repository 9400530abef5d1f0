#pragma once

#include <fmt/core.h>

#include <new>
#include <stdexcept>
#include <string>

namespace fovea {

/// The place of a call in the user's source, taken by a defaulted argument: `Tensor exp(const Tensor&, Caller = {})`.
struct Caller {
  const char* file;
  unsigned line;

  constexpr Caller(const char* caller_file = __builtin_FILE(), unsigned caller_line = __builtin_LINE())
      : file(caller_file), line(caller_line) {}
};

/// "train.cpp:42".
std::string to_string(Caller caller);

/// What every error of the library derives from.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Sizes that do not fit an operation or each other.
struct ShapeError : Error {
  using Error::Error;
};
/// A dtype that an operation does not take, or two that differ.
struct DTypeError : Error {
  using Error::Error;
};
/// Tensors on different devices, or a device that is absent or lacks a kernel.
struct DeviceError : Error {
  using Error::Error;
};
/// An index outside its range.
struct IndexError : Error {
  using Error::Error;
};
/// An argument outside its domain.
struct ValueError : Error {
  using Error::Error;
};
/// A backward pass that cannot be run: no graph, a freed graph, a saved value changed in place, a NaN in anomaly mode.
struct AutogradError : Error {
  using Error::Error;
};
/// A device that has no memory left for a request.
struct OutOfMemoryError : Error {
  using Error::Error;
};
/// A file that cannot be read or written, or whose content is malformed; the message begins with file and line or byte.
struct DataError : Error {
  using Error::Error;
};

/// What the current thread is inside of (a module, say): a chain on the stack. The outermost frame's caller replaces
/// that of the operation inside, so that an error names the user's line and not the library's.
class ErrorScope {
 public:
  explicit ErrorScope(Caller caller) noexcept;
  virtual ~ErrorScope();
  ErrorScope(const ErrorScope&) = delete;
  ErrorScope& operator=(const ErrorScope&) = delete;

  /// The caller to report: the outermost scope's, or `inner` where there is none.
  static Caller caller(Caller inner) noexcept;

  /// "encoder.output": the name of the innermost scope that has one, or "".
  static std::string module();
  /// The same for the end of a message: " in encoder.output", or "".
  static std::string path();

 protected:
  enum class Begin { within, anew };
  /// One that begins anew replaces the callers of the scopes around it; a caller of line 0 then stands for none.
  ErrorScope(Caller caller, Begin begin) noexcept;

  virtual std::string name() const { return {}; }

 private:
  Caller caller_;
  ErrorScope* outer_;
};

/// While it lives, the library runs a function of the user's: errors name the lines of that, not the library's call.
class UserScope final : public ErrorScope {
 public:
  UserScope() noexcept : ErrorScope({"", 0}, Begin::anew) {}
};

namespace detail {
std::string error_text(Caller caller, std::string message);
/// The same where no caller is given: place and path if a scope knows them.
std::string error_text_here(std::string message);
}  // namespace detail

/// The error of a kernel's that is being handled, thrown on as that of the operation `name`: with its caller, where no scope
/// gave one. For operations so short that a scope of their own would be felt.
[[noreturn]] void raise_out_of_memory(const OutOfMemoryError& error, const char* name, Caller caller);

/// Throws E with "message (file:line)" and the path of modules that the thread is inside of:
/// `raise<ShapeError>(caller, "matmul: inner sizes differ: {} x {}", a, b)`.
template <class E, class... Args>
[[noreturn]] void raise(Caller caller, fmt::format_string<Args...> format, Args&&... args) {
  throw E(detail::error_text(caller, fmt::format(format, std::forward<Args>(args)...)));
}

/// The same of what is not told its caller, a kernel say: the place is that of the scope that the thread is inside of,
/// where it is inside of one.
template <class E, class... Args>
[[noreturn]] void raise_here(fmt::format_string<Args...> format, Args&&... args) {
  throw E(detail::error_text_here(fmt::format(format, std::forward<Args>(args)...)));
}

/// f(), which makes lists on the host whose length the user chose. Where there is no memory for them, OutOfMemoryError of the
/// operation `name` in place of the standard library's errors.
template <class F>
auto with_host_memory(const char* name, F f) {
  try {
    return f();
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {
  }
  raise_here<OutOfMemoryError>("{}: the host has no memory for so many elements", name);
}

}  // namespace fovea

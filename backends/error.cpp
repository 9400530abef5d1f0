#include "fovea/backends/error.h"

namespace fovea {
namespace {

thread_local ErrorScope* innermost = nullptr;

}  // namespace

std::string to_string(Caller caller) {
  std::string_view file = caller.file;
  return fmt::format("{}:{}", file.substr(file.find_last_of('/') + 1), caller.line);
}

ErrorScope::ErrorScope(Caller caller) noexcept : ErrorScope(caller, Begin::within) {}

ErrorScope::ErrorScope(Caller caller, Begin begin) noexcept
    : caller_(begin == Begin::within && innermost && innermost->caller_.line != 0 ? innermost->caller_ : caller),
      outer_(innermost) {
  innermost = this;
}

ErrorScope::~ErrorScope() { innermost = outer_; }

Caller ErrorScope::caller(Caller inner) noexcept {
  return innermost && innermost->caller_.line != 0 ? innermost->caller_ : inner;
}

std::string ErrorScope::module() {
  // The innermost named scope knows its whole path from the root module down.
  for (const ErrorScope* scope = innermost; scope; scope = scope->outer_) {
    if (std::string name = scope->name(); !name.empty()) return name;
  }
  return {};
}

std::string ErrorScope::path() {
  const std::string name = module();
  return name.empty() ? name : " in " + name;
}

std::string detail::error_text(Caller caller, std::string message) {
  const Caller place = ErrorScope::caller(caller);
  return message + ErrorScope::path() + (place.line != 0 ? fmt::format(" ({})", to_string(place)) : "");
}

std::string detail::error_text_here(std::string message) {
  return innermost ? error_text({}, std::move(message)) : message;
}

void raise_out_of_memory(const OutOfMemoryError& error, const char* name, Caller caller) {
  std::string text = fmt::format("{}: {}", name, error.what());
  const bool told = ErrorScope::caller({"", 0}).line != 0;
  if (!told && caller.line != 0) text += fmt::format(" ({})", to_string(caller));
  throw OutOfMemoryError(text);
}

}  // namespace fovea

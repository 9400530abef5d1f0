#include "fovea/data/library_module.h"

#include <dlfcn.h>

#include <filesystem>

#include "fovea/backends/error.h"

namespace fovea::data {

void* load_library_module(const std::string& file, const char* function, ModuleScope scope) {
  namespace fs = std::filesystem;
  Dl_info own{};
  dladdr(reinterpret_cast<const void*>(&load_library_module), &own);
  const fs::path beside = fs::path(own.dli_fname ? own.dli_fname : "").parent_path() / file;
  std::error_code ignored;
  const bool found = fs::exists(beside, ignored);
  void* module = dlopen(found ? beside.c_str() : file.c_str(),
                        RTLD_NOW | (scope == ModuleScope::everybodys ? RTLD_GLOBAL : RTLD_LOCAL));
  if (!module && !found) return nullptr;
  void* entry = module ? dlsym(module, function) : nullptr;
  if (!entry) throw DataError(dlerror());  // it names the file
  return entry;
}

}  // namespace fovea::data

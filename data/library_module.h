#pragma once

#include <string>

namespace fovea::data {

/// Whose symbols a module's libraries find.
enum class ModuleScope { own, everybodys };

/// Loads one of the library's modules, a file of its own that holds what few programs need and alone is linked to what
/// that needs, and returns its function of a name. The file lies beside the library, else wherever the system looks.
/// Null where there is none; throws DataError where there is one that cannot be loaded.
void* load_library_module(const std::string& file, const char* function, ModuleScope scope);

}  // namespace fovea::data

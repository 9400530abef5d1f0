#pragma once

#include <filesystem>
#include <string>

#include "data/temp_folder.h"
#include "program.h"

namespace fovea::test {

/// The library in a folder where none of its modules is, as one that was built without what they need.
struct LoneLibrary {
  LoneLibrary() {
    const std::filesystem::path library = FOVEA_LIBRARY;
    std::filesystem::copy_file(library, folder / library.filename().string());
  }
  /// Runs a program that is linked to it.
  Finished run(const std::string& program, const Words& arguments, const Words& variables = {}) const {
    return test::run("/usr/bin/env", variables + Words{"LD_LIBRARY_PATH=" + (folder / ""), program} + arguments);
  }

  data::testing::TempFolder folder;
};

}  // namespace fovea::test

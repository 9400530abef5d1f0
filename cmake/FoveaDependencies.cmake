# What the project builds on; every one of these is a Debian 12 package (see docs/architecture.md for why each is here).
find_package(fmt REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(OPENBLAS REQUIRED IMPORTED_TARGET openblas)  # its header: the library is loaded when it is needed
pkg_check_modules(HWY REQUIRED IMPORTED_TARGET libhwy)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(PNG REQUIRED)
find_package(JPEG REQUIRED)
pkg_check_modules(KISSFFT REQUIRED IMPORTED_TARGET kissfft-float)  # f32, the default of its headers
find_package(ICU REQUIRED COMPONENTS uc)
find_package(Threads REQUIRED)
pkg_check_modules(HTTPLIB IMPORTED_TARGET cpp-httplib)  # where it is absent, `serve` says so
pkg_check_modules(SNDFILE IMPORTED_TARGET sndfile)  # where it is absent, recordings other than WAVE files are refused
if(FOVEA_MPI)
  find_package(MPI QUIET COMPONENTS CXX)
endif()

# Compile options of our own code only: they do not reach a user of the installed package.
add_library(fovea_options INTERFACE)
target_compile_options(fovea_options INTERFACE -Wall -Wextra -Wpedantic -Wno-unknown-pragmas -fno-math-errno
                                               -ffp-contract=off -fno-semantic-interposition -fno-plt)
# GCC 12 sees overlapping or overrunning copies in std::string's operator+ that are not there (its bug 105329).
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  target_compile_options(fovea_options INTERFACE -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow)
endif()
# With sanitizers it sees uninitialised values in std::regex.
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND FOVEA_SANITIZE)
  target_compile_options(fovea_options INTERFACE -Wno-maybe-uninitialized)
endif()
if(FOVEA_WERROR)
  target_compile_options(fovea_options INTERFACE -Werror)
endif()
if(FOVEA_SANITIZE)
  # Watched code takes long to compile. A stack trace needs lines, no more, and what follows a null pointer or runs past an
  # object is seen without checks of their own.
  add_compile_options(-fsanitize=${FOVEA_SANITIZE} -fno-sanitize=null,vptr,object-size -fno-sanitize-recover=all
                      -fno-omit-frame-pointer -O1 -g1)
  add_link_options(-fsanitize=${FOVEA_SANITIZE})
  # The SIMD kernels for one instruction set: instrumented, each further one costs minutes to compile. Highway's SSE4 is
  # x86-64-v2 with AES and PCLMUL.
  add_compile_definitions(HWY_COMPILE_ONLY_STATIC)
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL x86_64)
    add_compile_options(-march=x86-64-v2 -maes -mpclmul)
  endif()
endif()

# The one library that users link: all layers together, and the package that find_package(fovea) finds.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

get_property(layers GLOBAL PROPERTY FOVEA_LAYERS)
add_library(fovea)
add_library(fovea::fovea ALIAS fovea)
set_target_properties(fovea PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR} LINKER_LANGUAGE CXX)
target_compile_features(fovea PUBLIC cxx_std_20)
foreach(layer ${layers})
  target_sources(fovea PRIVATE $<TARGET_OBJECTS:fovea_${layer}>)
  target_include_directories(fovea PUBLIC $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include/${layer}>)
endforeach()
target_include_directories(fovea PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                        $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
# Of Highway the headers are enough, unless a sanitizer turns on its assertions.
target_link_options(fovea PRIVATE LINKER:--as-needed)
target_link_libraries(fovea PUBLIC fmt::fmt PRIVATE PkgConfig::HWY ${CMAKE_DL_LIBS}
                                                 nlohmann_json::nlohmann_json CLI11::CLI11 ZLIB::ZLIB PNG::PNG JPEG::JPEG PkgConfig::KISSFFT ICU::uc Threads::Threads)

# fovea_module(LAYER NAME LIBRARY): what only some programs need, in a file of its own, which the library loads when it is
# asked for (see data/library_module.h). Neither needs anything of the other, so that only the module is linked to LIBRARY.
function(fovea_module layer name library)
  add_library(fovea_${name} MODULE ${layer}/${name}/module.cpp)
  fovea_optimize(fovea_${name} 1)
  target_include_directories(fovea_${name} PRIVATE ${PROJECT_BINARY_DIR}/include/${layer})
  target_link_libraries(fovea_${name} PRIVATE ${library} fovea_options)
  add_dependencies(fovea fovea_${name})
  if(FOVEA_INSTALL)
    install(TARGETS fovea_${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  endif()
endfunction()
if(SNDFILE_FOUND)
  fovea_module(data sound PkgConfig::SNDFILE)
endif()
if(HTTPLIB_FOUND)
  fovea_module(train http PkgConfig::HTTPLIB)
endif()
if(FOVEA_MPI AND MPI_CXX_FOUND)
  fovea_module(train mpi MPI::MPI_CXX)
endif()

# fovea_install_program(TARGET): it finds the library from where it lies, wherever both are put.
function(fovea_install_program target)
  if(NOT FOVEA_INSTALL)
    return()
  endif()
  file(RELATIVE_PATH libraries ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
  set_target_properties(${target} PROPERTIES INSTALL_RPATH "$ORIGIN/${libraries}")
  install(TARGETS ${target} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()

if(NOT FOVEA_INSTALL)
  return()
endif()
install(TARGETS fovea EXPORT fovea-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES include/fovea/fovea.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/fovea)
foreach(layer backends tensor autograd nn data onnx train)
  install(DIRECTORY ${layer}/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/fovea/${layer} FILES_MATCHING PATTERN "*.h"
          PATTERN cpu EXCLUDE PATTERN vulkan EXCLUDE PATTERN mpi EXCLUDE PATTERN http EXCLUDE
          PATTERN sound EXCLUDE)
endforeach()
install(EXPORT fovea-targets NAMESPACE fovea:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/fovea)
configure_package_config_file(cmake/fovea-config.cmake.in ${PROJECT_BINARY_DIR}/fovea-config.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/fovea)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/fovea-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/fovea-config.cmake ${PROJECT_BINARY_DIR}/fovea-config-version.cmake
        cmake/FoveaKernel.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/fovea)

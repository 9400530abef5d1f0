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
target_link_libraries(fovea PUBLIC fmt::fmt PRIVATE PkgConfig::OPENBLAS PkgConfig::HWY OpenMP::OpenMP_CXX
                                                 nlohmann_json::nlohmann_json CLI11::CLI11 ZLIB::ZLIB PNG::PNG PkgConfig::KISSFFT ICU::uc Threads::Threads)

if(HTTPLIB_FOUND)
  target_link_libraries(fovea PRIVATE PkgConfig::HTTPLIB)
endif()
# The one part that needs MPI: a module that the library loads under mpirun, and only there.
if(FOVEA_MPI AND MPI_CXX_FOUND)
  add_library(fovea_mpi MODULE train/mpi/module.cpp)
  target_link_libraries(fovea_mpi PRIVATE MPI::MPI_CXX fovea_options)
  add_dependencies(fovea fovea_mpi)
  install(TARGETS fovea_mpi LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()

install(TARGETS fovea EXPORT fovea-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES include/fovea/fovea.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/fovea)
foreach(layer backends tensor autograd nn data onnx train)
  install(DIRECTORY ${layer}/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/fovea/${layer} FILES_MATCHING PATTERN "*.h"
          PATTERN cpu EXCLUDE PATTERN vulkan EXCLUDE PATTERN mpi EXCLUDE)
endforeach()
install(EXPORT fovea-targets NAMESPACE fovea:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/fovea)
configure_package_config_file(cmake/fovea-config.cmake.in ${PROJECT_BINARY_DIR}/fovea-config.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/fovea)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/fovea-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/fovea-config.cmake ${PROJECT_BINARY_DIR}/fovea-config-version.cmake
        cmake/FoveaKernel.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/fovea)

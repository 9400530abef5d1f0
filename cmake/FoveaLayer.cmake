# Standard headers that nearly every source includes, compiled once a target: a third of a clean build's time.
set(FOVEA_COMMON_HEADERS <algorithm> <array> <atomic> <functional> <map> <memory> <mutex> <span> <string> <string_view>
                         <utility> <vector> <fmt/format.h>)

# fovea_layer(NAME [BELOW layer ...] [LINK target ...])
# One layer of the library: an object library of the folder's sources. Headers are included as "fovea/NAME/file.h" and
# a layer sees only its own headers and those of the layers BELOW it, so that an include that points up fails to build.
function(fovea_layer name)
  cmake_parse_arguments(LAYER "" "" "BELOW;LINK;SOURCES" ${ARGN})
  if(NOT LAYER_SOURCES)
    file(GLOB LAYER_SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  endif()
  if(NOT LAYER_SOURCES)
    return()
  endif()
  set(view ${PROJECT_BINARY_DIR}/include/${name})
  file(MAKE_DIRECTORY ${view}/fovea)
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${view}/fovea/${name} SYMBOLIC)

  add_library(fovea_${name} OBJECT ${LAYER_SOURCES})
  target_precompile_headers(fovea_${name} PRIVATE ${FOVEA_COMMON_HEADERS})
  target_include_directories(fovea_${name} PUBLIC ${view})
  target_link_libraries(fovea_${name} PRIVATE fovea_options)
  foreach(below ${LAYER_BELOW})
    target_link_libraries(fovea_${name} PUBLIC fovea_${below})
  endforeach()
  target_link_libraries(fovea_${name} PUBLIC ${LAYER_LINK})
  set_property(GLOBAL APPEND PROPERTY FOVEA_LAYERS ${name})
endfunction()

# What keeps a clean build short: headers that are parsed once and, with FOVEA_UNITY, several sources compiled as one and no
# more optimization than a program needs that leaves the computing to the library.
option(FOVEA_UNITY "Compile several sources at once: a shorter clean build, longer rebuilds" OFF)

# Standard headers that nearly every source of a layer includes. The lowest layer compiles them for all; they hold nothing
# of the project's own, so that a layer still sees only what it includes.
set(FOVEA_COMMON_HEADERS <algorithm> <array> <atomic> <functional> <map> <memory> <mutex> <span> <string> <string_view>
                         <utility> <vector> <fmt/format.h>)

# fovea_unity(TARGET)
# For targets whose sources repeat each other's template instantiations. Their names in anonymous namespaces must differ
# from one source to the next.
function(fovea_unity target)
  if(FOVEA_UNITY)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 16)
    # A class with a member of a type from an anonymous namespace: harmless in a source, which a batch's parts are.
    target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  endif()
endfunction()

# fovea_optimize(TARGET LEVEL)
# For programs and layers that compute little themselves: more than LEVEL would only cost time to compile, and anything at
# all where sanitizers watch them. (Clang reads precompiled headers only where its own code is optimized as theirs is.)
function(fovea_optimize target level)
  get_target_property(reuses ${target} PRECOMPILE_HEADERS_REUSE_FROM)
  if(FOVEA_SANITIZE AND reuses)
    return()
  elseif(FOVEA_SANITIZE)
    target_compile_options(${target} PRIVATE -O0)
  elseif(FOVEA_UNITY)
    target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O${level}>)
  endif()
endfunction()

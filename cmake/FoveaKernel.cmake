# fovea_kernel(TARGET FILE.comp)
# Compiles a compute shader for a fovea::CustomKernel: TARGET can include "FILE.h", which holds the SPIR-V as the
# array FILE. Without glslangValidator it holds nothing, and the kernel is absent on Vulkan.
function(fovea_kernel target source)
  get_filename_component(name ${source} NAME_WE)
  get_filename_component(source ${source} ABSOLUTE)
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/kernels)
  set(header ${folder}/${name}.h)
  file(MAKE_DIRECTORY ${folder})
  find_program(FOVEA_GLSLANG glslangValidator)
  if(FOVEA_GLSLANG)
    add_custom_command(
      OUTPUT ${header}
      COMMAND ${FOVEA_GLSLANG} --quiet --target-env vulkan1.2 --vn ${name} -o ${header} ${source}
      DEPENDS ${source} COMMENT "Compiling the kernel ${name}" VERBATIM)
  else()
    file(WRITE ${header} "#include <cstdint>\n#include <span>\nconst std::span<const uint32_t> ${name};\n")
  endif()
  target_sources(${target} PRIVATE ${header})
  target_include_directories(${target} PRIVATE ${folder})
endfunction()

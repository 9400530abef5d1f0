# fovea_shaders(TARGET FOLDER)
# Compiles every FOLDER/*.comp to SPIR-V with glslangValidator and embeds them all in TARGET, which finds them declared
# in "fovea/vulkan_shaders.h" as fovea::vulkan::shaders::NAME.
function(fovea_shaders target folder)
  find_program(FOVEA_GLSLANG glslangValidator)
  if(NOT FOVEA_GLSLANG)
    message(FATAL_ERROR "glslangValidator is missing: install glslang-tools, or build with -DFOVEA_VULKAN=OFF")
  endif()
  add_library(fovea_spirv_changes STATIC ${folder}/khr_matrices.cpp ${folder}/half_rounding.cpp)
  target_include_directories(fovea_spirv_changes PUBLIC ${folder})
  target_link_libraries(fovea_spirv_changes PRIVATE fovea_options)
  add_executable(fovea_embed_shaders ${folder}/embed.cpp)
  target_link_libraries(fovea_embed_shaders PRIVATE fovea_spirv_changes fovea_options)

  set(made ${PROJECT_BINARY_DIR}/shaders)
  set(header ${PROJECT_BINARY_DIR}/include/vulkan_shaders/fovea/vulkan_shaders.h)
  file(MAKE_DIRECTORY ${made} ${PROJECT_BINARY_DIR}/include/vulkan_shaders/fovea)
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.comp)
  set(binaries)
  foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    set(binary ${made}/${name}.spv)
    add_custom_command(
      OUTPUT ${binary}
      COMMAND ${FOVEA_GLSLANG} --quiet --target-env vulkan1.2 -I${folder} --depfile ${binary}.d -o ${binary} ${source}
      DEPENDS ${source} DEPFILE ${binary}.d COMMENT "Compiling the shader ${name}" VERBATIM)
    list(APPEND binaries ${binary})
  endforeach()
  add_custom_command(
    OUTPUT ${made}/shaders.cpp ${header}
    COMMAND fovea_embed_shaders ${made}/shaders.cpp ${header} ${binaries}
    DEPENDS fovea_embed_shaders ${binaries} COMMENT "Embedding the shaders" VERBATIM)
  target_sources(${target} PRIVATE ${made}/shaders.cpp ${header})
  target_include_directories(${target} PRIVATE ${PROJECT_BINARY_DIR}/include/vulkan_shaders)
endfunction()

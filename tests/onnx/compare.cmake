# onnx_test writes graphs, onnxruntime runs them:
# cmake -DPROGRAM=onnx_test -DSCRIPT=compare.py -DPYTHON=... -DFOLDER=... -P compare.cmake
# The environment variable FOVEA_PYTHON, where set, names the interpreter instead.
if(DEFINED ENV{FOVEA_PYTHON})
  set(PYTHON $ENV{FOVEA_PYTHON})
endif()
file(REMOVE_RECURSE ${FOLDER})
file(MAKE_DIRECTORY ${FOLDER})
execute_process(COMMAND ${CMAKE_COMMAND} -E env FOVEA_ONNX_CASES=${FOLDER} ${PROGRAM} --gtest_brief=1
                        --gtest_filter=OnnxCompare.* RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "the graphs could not be written")
endif()
execute_process(COMMAND ${PYTHON} ${SCRIPT} ${FOLDER} RESULT_VARIABLE result)
if(result EQUAL 77 OR NOT result MATCHES "^[0-9]+$")
  message("skipped: no Python with onnx and onnxruntime; FOVEA_PYTHON may name one")
elseif(NOT result EQUAL 0)
  message(FATAL_ERROR "onnxruntime refuses a graph, or computes something else")
endif()

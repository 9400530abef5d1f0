# PyTorch writes state dicts, pytorch_test reads them and writes its own, PyTorch reads those:
# cmake -DPROGRAM=pytorch_test -DSCRIPT=cases.py -DPYTHON=... -DFOLDER=... -P round_trip.cmake
# The environment variable FOVEA_PYTHON, where set, names the interpreter instead.
if(DEFINED ENV{FOVEA_PYTHON})
  set(PYTHON $ENV{FOVEA_PYTHON})
endif()
file(REMOVE_RECURSE ${FOLDER})
file(MAKE_DIRECTORY ${FOLDER}/ours)
execute_process(COMMAND ${PYTHON} ${SCRIPT} write ${FOLDER}/theirs RESULT_VARIABLE result)
if(result EQUAL 77 OR NOT result MATCHES "^[0-9]+$")
  message("skipped: no Python with torch and safetensors; FOVEA_PYTHON may name one")
  return()
elseif(NOT result EQUAL 0)
  message(FATAL_ERROR "writing with PyTorch failed")
endif()
execute_process(COMMAND ${CMAKE_COMMAND} -E env FOVEA_PYTORCH_CASES=${FOLDER}/theirs FOVEA_PYTORCH_SAVE=${FOLDER}/ours
                        ${PROGRAM} RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "what PyTorch wrote does not load, or computes something else")
endif()
execute_process(COMMAND ${PYTHON} ${SCRIPT} read ${FOLDER}/ours RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "PyTorch does not load what was written, or computes something else")
endif()

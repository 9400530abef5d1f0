# The `tokenizers` package writes tokenizer.json files and ids of real text, tokenizers_test reads them and writes its
# own, the package reads those: cmake -DPROGRAM=... -DSCRIPT=cases.py -DPYTHON=... -DFOLDER=... [-DDATA=...] -P compare.cmake
# The environment variable FOVEA_PYTHON, where set, names the interpreter instead.
if(DEFINED ENV{FOVEA_PYTHON})
  set(PYTHON $ENV{FOVEA_PYTHON})
endif()
file(REMOVE_RECURSE ${FOLDER})
file(MAKE_DIRECTORY ${FOLDER}/ours)
execute_process(COMMAND ${PYTHON} ${SCRIPT} write ${FOLDER}/theirs ${DATA} RESULT_VARIABLE result)
if(result EQUAL 77 OR NOT result MATCHES "^[0-9]+$")
  message("skipped: no Python with the package tokenizers; FOVEA_PYTHON may name one")
  return()
elseif(NOT result EQUAL 0)
  message(FATAL_ERROR "writing with tokenizers failed")
endif()
execute_process(COMMAND ${CMAKE_COMMAND} -E env FOVEA_TOKENIZERS_CASES=${FOLDER}/theirs
                        FOVEA_TOKENIZERS_SAVE=${FOLDER}/ours ${PROGRAM} RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "other ids, or other tokens after training")
endif()
execute_process(COMMAND ${PYTHON} ${SCRIPT} read ${FOLDER}/ours RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "the package does not load what was written, or gives other ids")
endif()

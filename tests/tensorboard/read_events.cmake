# cmake -DPROGRAM=write_events -DPYTHON=python3 -DSCRIPT=read_events.py -DFOLDER=... -P read_events.cmake
# The environment variable FOVEA_PYTHON, where set, names the interpreter instead.
if(DEFINED ENV{FOVEA_PYTHON})
  set(PYTHON $ENV{FOVEA_PYTHON})
endif()
file(REMOVE_RECURSE ${FOLDER})
file(MAKE_DIRECTORY ${FOLDER})
execute_process(COMMAND ${PROGRAM} ${FOLDER} COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${PYTHON} ${SCRIPT} written ${FOLDER} RESULT_VARIABLE result)
if(result MATCHES "[^0-9]")
  message("skipped: no Python to read event files with; FOVEA_PYTHON may name one")
elseif(NOT result EQUAL 0)
  message(FATAL_ERROR "TensorBoard does not read what was written")
endif()

# cmake -DBUILD=... -DPREFIX=... -DSOURCE=... -DPYTHON=... -P install_test.cmake
# Installs into an empty prefix; the installed command finds its data there and nowhere else.
file(REMOVE_RECURSE ${PREFIX})
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${PREFIX} OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)

# Every data file of the source tree lies below share/orrery.
foreach(folder models/zoo models/software topologies/zoo calibrations configs)
  file(GLOB_RECURSE files RELATIVE ${SOURCE} ${SOURCE}/${folder}/*)
  foreach(file ${files})
    if(NOT EXISTS ${PREFIX}/share/orrery/${file})
      message(FATAL_ERROR "not installed: ${file}")
    endif()
  endforeach()
endforeach()

# Runs the installed command with the installed data alone (ORRERY_DATA excludes the source tree).
function(orrery out)
  execute_process(COMMAND ${CMAKE_COMMAND} -E env ORRERY_DATA=${PREFIX}/share/orrery ${PREFIX}/bin/orrery ${ARGN}
                  WORKING_DIRECTORY ${PREFIX} OUTPUT_VARIABLE printed COMMAND_ERROR_IS_FATAL ANY)
  set(${out} "${printed}" PARENT_SCOPE)
endfunction()

foreach(kind models clusters calibrations)
  orrery(installed list ${kind} --json)
  execute_process(COMMAND ${CMAKE_COMMAND} -E env ORRERY_DATA=${SOURCE} ${BUILD}/orrery list ${kind} --json
                  OUTPUT_VARIABLE built COMMAND_ERROR_IS_FATAL ANY)
  if(NOT installed STREQUAL built)
    message(FATAL_ERROR "list ${kind}: installed and built differ\n${installed}\n${built}")
  endif()
endforeach()

# A prediction needs models, software profiles, clusters and calibrations.
orrery(validated validate --json --runs ${SOURCE}/tests/cli/data/recorded_runs.csv)
string(JSON compared GET "${validated}" runs_compared)
if(compared LESS 1)
  message(FATAL_ERROR "the installed command predicted nothing:\n${validated}")
endif()
if(EXISTS ${PREFIX}/share/orrery/configs/quickstart.yaml)
  orrery(result run share/orrery/configs/quickstart.yaml --json)
  string(JSON step GET "${result}" step_time_s)
endif()

# The installed Python module is found below the prefix, and finds the installed data and modules: a model that the
# source tree does not have, and SimGrid where the command has it.
if(PYTHON)
  file(GLOB package ${PREFIX}/lib/python3*/*-packages/orrery)
  if(NOT package)
    message(FATAL_ERROR "the Python package is not installed")
  endif()
  file(COPY_FILE ${PREFIX}/share/orrery/models/zoo/llama3-8b.yaml ${PREFIX}/share/orrery/models/zoo/only-here.yaml)
  cmake_path(GET package PARENT_PATH site)
  execute_process(COMMAND ${CMAKE_COMMAND} -E env PYTHONPATH=${site} PYTHONDONTWRITEBYTECODE=1
                          ${PYTHON} ${SOURCE}/tests/python/installed.py ${package} ${PREFIX}/bin/orrery
                  WORKING_DIRECTORY ${PREFIX} COMMAND_ERROR_IS_FATAL ANY)
endif()

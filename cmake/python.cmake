# import orrery, where a Python with headers, NumPy and pybind11 is found: the package python/orrery with a module of
# C++. Sets ORRERY_PYTHON_WHY, empty when the module is built, and then ORRERY_PYTHON_EXECUTABLE.
#
# Included before the rooms: a module is a shared library, so that all code in it has to be position independent.
option(ORRERY_PYTHON "Build the Python module where Python, NumPy and pybind11 are found" ON)

# Sets ORRERY_PYTHON_EXECUTABLE to the first Python that has its headers and NumPy; another one on the PATH (pyenv,
# conda) often lacks them.
function(orrery_find_python why)
  if(NOT ORRERY_PYTHON_EXECUTABLE)
    find_program(python_on_path python3 NO_CACHE)
    set(lacking "no Python with its headers and NumPy (python3-dev, python3-numpy)")
    foreach(candidate ${python_on_path} /usr/bin/python3)
      execute_process(COMMAND ${candidate} -c "import numpy, os, sysconfig
assert os.path.exists(os.path.join(sysconfig.get_path('include'), 'Python.h'))"
                      RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
      if(status EQUAL 0)
        set(ORRERY_PYTHON_EXECUTABLE ${candidate} CACHE FILEPATH "Python that the module is built for")
        set(lacking "")
        break()
      endif()
    endforeach()
    set(${why} "${lacking}" PARENT_SCOPE)
  endif()
endfunction()

set(ORRERY_PYTHON_WHY "")
if(NOT ORRERY_PYTHON)
  set(ORRERY_PYTHON_WHY "ORRERY_PYTHON is off")
elseif(ORRERY_SANITIZE OR ORRERY_FUZZ)
  set(ORRERY_PYTHON_WHY "not with sanitizers")
else()
  orrery_find_python(ORRERY_PYTHON_WHY)
endif()
if(NOT ORRERY_PYTHON_WHY)
  set(Python_EXECUTABLE ${ORRERY_PYTHON_EXECUTABLE})
  find_package(Python 3.9 QUIET COMPONENTS Interpreter Development.Module)
  set(PYBIND11_FINDPYTHON ON)
  find_package(pybind11 2.10 QUIET CONFIG)
  if(NOT Python_FOUND)
    set(ORRERY_PYTHON_WHY "${ORRERY_PYTHON_EXECUTABLE} is older than 3.9, or its headers are missing (python3-dev)")
  elseif(NOT pybind11_FOUND)
    set(ORRERY_PYTHON_WHY "pybind11-dev not found")
  endif()
endif()
if(ORRERY_PYTHON_WHY)
  message(STATUS "Orrery: Python module   OFF (${ORRERY_PYTHON_WHY})")
else()
  message(STATUS "Orrery: Python module   ON (${ORRERY_PYTHON_EXECUTABLE}, ${Python_VERSION})")
  # docs/python.md has what it costs the engines: nothing that can be measured. The modules that are loaded by
  # name ask for -fvisibility=default.
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
  string(APPEND CMAKE_CXX_FLAGS " -fno-semantic-interposition -fvisibility=hidden -fvisibility-inlines-hidden")
endif()

# The module and its package in <build>/python, from where tests import it; installed into the site directory of the
# prefix. Called after the rooms.
function(orrery_python_module)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/python/*.cpp)
  pybind11_add_module(orrery_python MODULE NO_EXTRAS ${sources})
  set(package ${CMAKE_BINARY_DIR}/python/orrery)
  set_target_properties(orrery_python PROPERTIES OUTPUT_NAME _orrery LIBRARY_OUTPUT_DIRECTORY ${package})
  target_link_libraries(orrery_python PRIVATE orrery_cli)
  target_compile_definitions(orrery_python PRIVATE ORRERY_VERSION="${PROJECT_VERSION}")
  # The rooms' symbols are nobody else's business: what another extension links stays apart.
  target_link_options(orrery_python PRIVATE -Wl,--exclude-libs,ALL)

  set(package_files __init__.py _orrery.pyi errors.py py.typed)
  foreach(file ${package_files})
    add_custom_command(OUTPUT ${package}/${file}
                       COMMAND ${CMAKE_COMMAND} -E copy ${CMAKE_SOURCE_DIR}/python/orrery/${file} ${package}/${file}
                       DEPENDS ${CMAKE_SOURCE_DIR}/python/orrery/${file} VERBATIM)
    list(APPEND copies ${package}/${file})
  endforeach()
  add_custom_target(orrery_python_package ALL DEPENDS ${copies})
  add_dependencies(orrery_python orrery_python_package)
  foreach(module orrery_simgrid orrery_mpi)
    if(TARGET ${module})
      add_dependencies(orrery_python ${module})
    endif()
  endforeach()

  # Where Python looks below a prefix; Debian's has other names below /usr and /usr/local.
  set(version python${Python_VERSION_MAJOR}.${Python_VERSION_MINOR})
  execute_process(COMMAND ${ORRERY_PYTHON_EXECUTABLE} -c "import sysconfig; print('deb_system' in sysconfig.get_scheme_names())"
                  OUTPUT_VARIABLE of_debian OUTPUT_STRIP_TRAILING_WHITESPACE)
  install(CODE "
    set(site lib/${version}/site-packages)
    if(\"${of_debian}\" STREQUAL True AND CMAKE_INSTALL_PREFIX STREQUAL /usr)
      set(site lib/python3/dist-packages)
    elseif(\"${of_debian}\" STREQUAL True AND CMAKE_INSTALL_PREFIX STREQUAL /usr/local)
      set(site lib/${version}/dist-packages)
    endif()
    file(INSTALL DESTINATION \"\${CMAKE_INSTALL_PREFIX}/\${site}/orrery\" TYPE FILE FILES \"$<TARGET_FILE:orrery_python>\"
         ${copies})")
endfunction()

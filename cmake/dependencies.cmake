# Every library Orrery uses. Required ones stop the configuration with a hint; optional ones are reported at its end.
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Eigen3 REQUIRED)
find_package(TBB REQUIRED)
find_package(ZLIB REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(Threads REQUIRED)

# COIN-OR's branch and cut, for the exact mode of zb-auto; Debian ships no CMake package for it. Loaded when it is asked
# for (schedules/cbc_library.hpp), by the name that the library gives itself.
find_path(CBC_INCLUDE_DIR coin/Cbc_C_Interface.h)
find_library(CBC_SOLVER_LIBRARY CbcSolver)
if(CBC_INCLUDE_DIR AND CBC_SOLVER_LIBRARY)
  set(ORRERY_CBC ON)
  get_filename_component(CBC_SONAME "${CBC_SOLVER_LIBRARY}" REALPATH)
  get_filename_component(CBC_SONAME "${CBC_SONAME}" NAME)
  string(REGEX REPLACE "(\\.so\\.[0-9]+).*" "\\1" CBC_SONAME "${CBC_SONAME}")
  set(ORRERY_CBC_WHY "${CBC_SOLVER_LIBRARY}")
else()
  set(ORRERY_CBC OFF)
  set(ORRERY_CBC_WHY "coinor-libcbc-dev not found: zb-auto's variant ilp exits 3, exact uses our own search alone")
endif()

message(STATUS "Orrery: integer programs  ${ORRERY_CBC} (${ORRERY_CBC_WHY})")

# cpp-httplib, for orrery serve; Debian 12 ships no CMake package for it, only the header and a library.
find_path(HTTPLIB_INCLUDE_DIR httplib.h)
find_library(HTTPLIB_LIBRARY cpp-httplib)
if(HTTPLIB_INCLUDE_DIR AND HTTPLIB_LIBRARY)
  set(ORRERY_HTTPLIB ON)
  set(ORRERY_HTTPLIB_WHY "${HTTPLIB_LIBRARY}")
else()
  set(ORRERY_HTTPLIB OFF)
  set(ORRERY_HTTPLIB_WHY "libcpp-httplib-dev not found: orrery serve exits 3")
endif()

message(STATUS "Orrery: live pages      ${ORRERY_HTTPLIB} (${ORRERY_HTTPLIB_WHY})")

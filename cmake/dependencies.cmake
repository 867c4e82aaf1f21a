# Every library Orrery uses. Required ones stop the configuration with a hint; optional ones are reported at its end.
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Eigen3 REQUIRED)
find_package(TBB REQUIRED)
find_package(ZLIB REQUIRED)
find_package(Threads REQUIRED)

# SimGrid ships no CMake package on Debian 12; find the header and the library.
find_path(SIMGRID_INCLUDE_DIR simgrid/s4u.hpp)
find_library(SIMGRID_LIBRARY simgrid)
if(SIMGRID_INCLUDE_DIR AND SIMGRID_LIBRARY)
  set(ORRERY_SIMGRID ON)
  set(ORRERY_SIMGRID_WHY "${SIMGRID_LIBRARY}")
else()
  set(ORRERY_SIMGRID OFF)
  set(ORRERY_SIMGRID_WHY "libsimgrid-dev not found: --engine simgrid exits 3")
endif()

message(STATUS "Orrery: engine simgrid  ${ORRERY_SIMGRID} (${ORRERY_SIMGRID_WHY})")

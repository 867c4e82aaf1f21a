# SimGrid, where it is installed: liborrery_simgrid.so, a module that is loaded for --engine simgrid. SimGrid ships no
# CMake package on Debian 12; find the header and the library.
find_path(SIMGRID_INCLUDE_DIR simgrid/s4u.hpp)
find_library(SIMGRID_LIBRARY simgrid)
if(NOT SIMGRID_INCLUDE_DIR OR NOT SIMGRID_LIBRARY)
  message(STATUS "Orrery: engine simgrid  OFF (libsimgrid-dev not found: --engine simgrid exits 3)")
  return()
endif()

add_library(orrery_simgrid MODULE ${CMAKE_SOURCE_DIR}/sim/engine/simgrid/actors.cpp)
target_include_directories(orrery_simgrid SYSTEM PRIVATE ${SIMGRID_INCLUDE_DIR})
target_compile_options(orrery_simgrid PRIVATE -fvisibility=default)
target_link_libraries(orrery_simgrid PRIVATE orrery_options ${SIMGRID_LIBRARY} fmt::fmt)
set_target_properties(orrery_simgrid PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
install(TARGETS orrery_simgrid LIBRARY DESTINATION lib/orrery)
message(STATUS "Orrery: engine simgrid  ON (${SIMGRID_LIBRARY})")

# Chakra traces, where Protocol Buffers are installed. Sets ORRERY_CHAKRA, and makes the target orrery_chakra_schema:
# the classes that protoc makes of sim/chakra/et_def.proto, included as "sim/chakra/et_def.pb.h".
find_package(Protobuf QUIET)
if(NOT Protobuf_FOUND OR NOT TARGET protobuf::libprotobuf-lite OR NOT TARGET protobuf::protoc)
  set(ORRERY_CHAKRA OFF)
  message(STATUS "Orrery: Chakra traces   OFF (libprotobuf-dev or protobuf-compiler not found: orrery export and orrery replay exit 3)")
  return()
endif()
set(ORRERY_CHAKRA ON)
message(STATUS "Orrery: Chakra traces   ON (Protocol Buffers ${Protobuf_VERSION})")

set(schema ${CMAKE_BINARY_DIR}/schema)
set(schema_sources ${schema}/sim/chakra/et_def.pb.cc ${schema}/sim/chakra/et_def.pb.h)
file(MAKE_DIRECTORY ${schema})
add_custom_command(OUTPUT ${schema_sources}
                   COMMAND protobuf::protoc --proto_path=${CMAKE_SOURCE_DIR} --cpp_out=${schema} sim/chakra/et_def.proto
                   DEPENDS ${CMAKE_SOURCE_DIR}/sim/chakra/et_def.proto WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
                   COMMENT "Compiling sim/chakra/et_def.proto" VERBATIM)
add_library(orrery_chakra_schema STATIC ${schema_sources})
target_include_directories(orrery_chakra_schema SYSTEM PUBLIC ${schema})
target_link_libraries(orrery_chakra_schema PUBLIC protobuf::libprotobuf-lite)

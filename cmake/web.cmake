# The script and style sheet of report/web as C++ (web_assets.cpp in the build directory). With Node and npm the
# pictures of report.html are interactive; without, the build goes on, says why, and pages hold plain SVG pictures.
#
# Sets ORRERY_WEB_ASSETS (the generated source).
option(ORRERY_WEB "Bundle report/web with Node (OFF: report pages hold plain SVG pictures)" ON)

# Installs the packages of the lock file into `web_dir`, once for each state of the lock file. Sets `why` when it
# does not work.
function(orrery_install_web_packages web_dir why)
  set(${why} "" PARENT_SCOPE)
  file(SHA256 ${CMAKE_SOURCE_DIR}/report/web/package-lock.json lock)
  set(stamp ${web_dir}/installed)
  if(EXISTS ${stamp})
    file(READ ${stamp} installed)
    if(installed STREQUAL lock)
      return()
    endif()
  endif()
  file(MAKE_DIRECTORY ${web_dir})
  file(COPY ${CMAKE_SOURCE_DIR}/report/web/package.json ${CMAKE_SOURCE_DIR}/report/web/package-lock.json DESTINATION ${web_dir})
  message(STATUS "Orrery: installing the npm packages of report/web")
  execute_process(COMMAND ${NPM} ci --no-audit --no-fund --ignore-scripts --loglevel=error WORKING_DIRECTORY ${web_dir}
                  RESULT_VARIABLE status OUTPUT_QUIET ERROR_VARIABLE error TIMEOUT 600)
  if(NOT status EQUAL 0)
    string(SUBSTRING "${error}" 0 200 error)  # a time-out says nothing at all
    string(REPLACE "\n" " " error "${error}")
    set(${why} "npm ci failed (${status}): ${error}" PARENT_SCOPE)
    return()
  endif()
  file(WRITE ${stamp} ${lock})
endfunction()

find_program(NODE NAMES node nodejs)
find_program(NPM npm)
set(web_dir ${CMAKE_BINARY_DIR}/web)
set(web_why "")
if(NOT ORRERY_WEB)
  set(web_why "ORRERY_WEB is OFF")
elseif(NOT NODE)
  set(web_why "Node is not installed")
elseif(EXISTS ${CMAKE_SOURCE_DIR}/report/web/node_modules/esbuild)
  set(web_dir ${CMAKE_SOURCE_DIR}/report/web)
elseif(NOT NPM)
  set(web_why "npm is not installed")
else()
  orrery_install_web_packages(${web_dir} web_why)
endif()

set(web_bundle ${CMAKE_BINARY_DIR}/generated/report/bundle.js)
file(GLOB web_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/report/web/src/*.js)
if(web_why)
  message(STATUS "Orrery: report pictures  plain SVG (${web_why})")
  set(web_bundle ${web_bundle}.none)
  if(NOT EXISTS ${web_bundle})
    file(WRITE ${web_bundle} "")
  endif()
else()
  message(STATUS "Orrery: report pictures  interactive (${NODE})")
  add_custom_command(
    OUTPUT ${web_bundle}
    COMMAND ${NODE} ${CMAKE_SOURCE_DIR}/report/web/build.mjs --modules ${web_dir}/node_modules --out ${web_bundle}
    DEPENDS ${web_sources} ${CMAKE_SOURCE_DIR}/report/web/build.mjs ${CMAKE_SOURCE_DIR}/report/web/package-lock.json
    COMMENT "Bundling report/web" VERBATIM)
endif()

set(ORRERY_WEB_ASSETS ${CMAKE_BINARY_DIR}/generated/report/web_assets.cpp)
add_custom_command(
  OUTPUT ${ORRERY_WEB_ASSETS}
  COMMAND ${CMAKE_COMMAND} -DSTYLE=${CMAKE_SOURCE_DIR}/report/web/style.css -DSCRIPT=${web_bundle} -DOUT=${ORRERY_WEB_ASSETS}
          -P ${CMAKE_SOURCE_DIR}/cmake/embed_web.cmake
  DEPENDS ${web_bundle} ${CMAKE_SOURCE_DIR}/report/web/style.css ${CMAKE_SOURCE_DIR}/cmake/embed_web.cmake
  COMMENT "Embedding report/web" VERBATIM)

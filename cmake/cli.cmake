# SPDX-License-Identifier: MIT
# The command line: cli/*.c but main.c as a library, which its tests link too, and the program `eyot`.

set(EYOT_HAVE_CLI OFF)
if(EYOT_CLI STREQUAL "OFF")
    return()
endif()

find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
    pkg_check_modules(yaml QUIET IMPORTED_TARGET yaml-0.1)
endif()
find_library(EYOT_JQ_LIBRARY jq) # Debian ships no jq.pc
find_path(EYOT_JQ_INCLUDE_DIR jq.h)
mark_as_advanced(EYOT_JQ_LIBRARY EYOT_JQ_INCLUDE_DIR)
if(NOT yaml_FOUND OR NOT EYOT_JQ_LIBRARY OR NOT EYOT_JQ_INCLUDE_DIR)
    if(EYOT_CLI STREQUAL "ON")
        message(FATAL_ERROR "EYOT_CLI is ON but libyaml (yaml-0.1.pc) or libjq (jq.h) was not found")
    endif()
    return()
endif()

file(GLOB cli_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/cli/*.c)
list(FILTER cli_sources EXCLUDE REGEX "/main\\.c$")
if(NOT cli_sources)
    return()
endif()
set(EYOT_HAVE_CLI ON)

add_library(eyot_cli STATIC ${cli_sources})
eyot_c_flags(eyot_cli)
target_include_directories(eyot_cli SYSTEM PRIVATE ${EYOT_JQ_INCLUDE_DIR})
target_link_libraries(eyot_cli PUBLIC eyot PRIVATE PkgConfig::yaml ${EYOT_JQ_LIBRARY} ${CMAKE_DL_LIBS} Threads::Threads m)
if(EYOT_FUZZ)
    target_compile_options(eyot_cli PRIVATE -fsanitize=fuzzer-no-link)
endif()

if(EXISTS ${PROJECT_SOURCE_DIR}/cli/main.c)
    add_executable(eyot_program ${PROJECT_SOURCE_DIR}/cli/main.c)
    eyot_c_flags(eyot_program)
    target_link_libraries(eyot_program PRIVATE eyot_cli)
    # Modules of nodes may leave the library's symbols undefined: it is loaded with the program, whatever main.c uses.
    target_link_options(eyot_program PRIVATE -Wl,--no-as-needed)
    set_target_properties(eyot_program PROPERTIES
        OUTPUT_NAME eyot INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
    if(EYOT_INSTALL)
        install(TARGETS eyot_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
    endif()
endif()

# SPDX-License-Identifier: MIT
# What can be chosen, and the flags that follow from it. As a subproject eyot builds its library and nothing else.

set(EYOT_SQLITE AUTO CACHE STRING "The SQLite store: AUTO (if SQLite is found), ON or OFF")
set_property(CACHE EYOT_SQLITE PROPERTY STRINGS AUTO ON OFF)
set(EYOT_MYSQL AUTO CACHE STRING "The MySQL store, a module: AUTO (if libmariadb or libmysqlclient is found), ON or OFF")
set(EYOT_REDIS AUTO CACHE STRING "The Redis store, a module: AUTO (if hiredis is found), ON or OFF")
set_property(CACHE EYOT_MYSQL EYOT_REDIS PROPERTY STRINGS AUTO ON OFF)
if(PROJECT_IS_TOP_LEVEL)
    set(cli_default AUTO)
else()
    set(cli_default OFF)
endif()
set(EYOT_CLI ${cli_default} CACHE STRING "The program eyot: AUTO (if libyaml and libjq are found), ON or OFF")
set_property(CACHE EYOT_CLI PROPERTY STRINGS AUTO ON OFF)
option(EYOT_EXAMPLES "Build examples/" ${PROJECT_IS_TOP_LEVEL})
option(EYOT_TESTS "Build test/" ${PROJECT_IS_TOP_LEVEL})
option(EYOT_BENCH "Build bench/" OFF)
option(EYOT_FUZZ "Link test/fuzz/ with libFuzzer (clang only)" OFF)
option(EYOT_STRICT "All warnings, as errors" OFF)
option(EYOT_INSTALL "Make install rules" ${PROJECT_IS_TOP_LEVEL})
set(EYOT_SANITIZE "" CACHE STRING "Sanitizers for everything that is built here: \"address,undefined\", \"thread\"")

if(PROJECT_IS_TOP_LEVEL)
    if(NOT CMAKE_BUILD_TYPE)
        set(CMAKE_BUILD_TYPE RelWithDebInfo)
    endif()
    set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
    set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
    find_program(CCACHE ccache)
    mark_as_advanced(CCACHE)
    if(CCACHE)
        set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
        set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
    endif()
endif()

# Flags of one of our C targets.
function(eyot_c_flags target)
    set_target_properties(${target} PROPERTIES
        C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF
        CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF)
    target_compile_definitions(${target} PRIVATE _POSIX_C_SOURCE=200809L)
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
    if(EYOT_STRICT)
        target_compile_options(${target} PRIVATE
            -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes>)
    endif()
    if(EYOT_SANITIZE)
        target_compile_options(${target} PRIVATE
            -fsanitize=${EYOT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
        target_link_options(${target} PRIVATE -fsanitize=${EYOT_SANITIZE})
    endif()
endfunction()

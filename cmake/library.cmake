# SPDX-License-Identifier: MIT
# libeyot.so and libeyot.a of the same objects.

find_package(Threads REQUIRED)
set(EYOT_HAVE_SQLITE OFF)
if(NOT EYOT_SQLITE STREQUAL "OFF")
    find_package(SQLite3 3.37 QUIET) # STRICT tables
    if(SQLite3_FOUND)
        set(EYOT_HAVE_SQLITE ON)
    elseif(EYOT_SQLITE STREQUAL "ON")
        message(FATAL_ERROR "EYOT_SQLITE is ON but SQLite 3.37 or newer was not found")
    endif()
endif()

file(GLOB eyot_sources CONFIGURE_DEPENDS
    ${PROJECT_SOURCE_DIR}/core/*.c ${PROJECT_SOURCE_DIR}/stores/*.c ${PROJECT_SOURCE_DIR}/copiers/*.c)
list(FILTER eyot_sources EXCLUDE REGEX "/stores/(mysql|redis)[^/]*\\.c$") # modules.cmake
if(NOT EYOT_HAVE_SQLITE)
    list(FILTER eyot_sources EXCLUDE REGEX "/stores/sqlite[^/]*\\.c$")
endif()

add_library(eyot_objects OBJECT ${eyot_sources})
eyot_c_flags(eyot_objects)
set_target_properties(eyot_objects PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
# Our own functions are ours: the compiler may inline them although they are exported.
target_compile_options(eyot_objects PRIVATE -fno-semantic-interposition)
set_source_files_properties(${PROJECT_SOURCE_DIR}/stores/module.c PROPERTIES
    COMPILE_DEFINITIONS EYOT_MODULE_DIR="${CMAKE_INSTALL_FULL_LIBDIR}/eyot")
if(EYOT_FUZZ)
    target_compile_options(eyot_objects PRIVATE -fsanitize=fuzzer-no-link)
endif()
if(EYOT_HAVE_SQLITE)
    target_compile_definitions(eyot_objects PRIVATE EYOT_HAVE_SQLITE=1)
    target_include_directories(eyot_objects SYSTEM PRIVATE ${SQLite3_INCLUDE_DIRS})
endif()

add_library(eyot SHARED $<TARGET_OBJECTS:eyot_objects>)
add_library(eyot_static STATIC $<TARGET_OBJECTS:eyot_objects>)
add_library(eyot::eyot ALIAS eyot)
add_library(eyot::eyot_static ALIAS eyot_static)
set_target_properties(eyot PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0)
set_target_properties(eyot_static PROPERTIES OUTPUT_NAME eyot)
set(version_script ${PROJECT_SOURCE_DIR}/cmake/eyot.map)
target_link_options(eyot PRIVATE -Wl,--version-script=${version_script} -Wl,-Bsymbolic-functions)
set_target_properties(eyot PROPERTIES LINK_DEPENDS ${version_script})

foreach(target eyot eyot_static)
    set_target_properties(${target} PROPERTIES LINKER_LANGUAGE C)
    target_include_directories(${target} INTERFACE
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_link_libraries(${target} PRIVATE Threads::Threads ${CMAKE_DL_LIBS})
    if(EYOT_HAVE_SQLITE)
        target_link_libraries(${target} PRIVATE SQLite::SQLite3)
    endif()
endforeach()
if(EYOT_SANITIZE)
    target_link_options(eyot PRIVATE -fsanitize=${EYOT_SANITIZE})
else()
    target_link_options(eyot PRIVATE -Wl,-z,defs) # a symbol that nobody defines fails here, not at the user's
endif()

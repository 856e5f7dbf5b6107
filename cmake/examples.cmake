# SPDX-License-Identifier: MIT
# examples/x.c becomes the program example_x, linked as a user would link it; one with nodes for graph files, the module x.so.
function(eyot_nodes_module name source)
    add_library(nodes_${name} MODULE ${source})
    eyot_c_flags(nodes_${name})
    target_include_directories(nodes_${name} PRIVATE ${PROJECT_SOURCE_DIR}/include)
    set_target_properties(nodes_${name} PROPERTIES
        PREFIX "" OUTPUT_NAME ${name} LIBRARY_OUTPUT_DIRECTORY ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
endfunction()

file(GLOB example_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/examples/*.c)
set(eyot_examples "")
foreach(source ${example_sources})
    get_filename_component(name ${source} NAME_WE)
    file(STRINGS ${source} is_module REGEX "eyot_nodes_table" LIMIT_COUNT 1)
    if(is_module)
        eyot_nodes_module(${name} ${source})
        continue()
    endif()
    add_executable(example_${name} ${source})
    eyot_c_flags(example_${name})
    target_link_libraries(example_${name} PRIVATE eyot Threads::Threads)
    list(APPEND eyot_examples ${name})
endforeach()

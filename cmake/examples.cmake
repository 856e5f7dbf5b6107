# SPDX-License-Identifier: MIT
# examples/x.c becomes the program example_x, linked as a user would link it.
file(GLOB example_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/examples/*.c)
set(eyot_examples "")
foreach(source ${example_sources})
    get_filename_component(name ${source} NAME_WE)
    add_executable(example_${name} ${source})
    eyot_c_flags(example_${name})
    target_link_libraries(example_${name} PRIVATE eyot Threads::Threads)
    list(APPEND eyot_examples ${name})
endforeach()

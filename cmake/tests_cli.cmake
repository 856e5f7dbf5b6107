# SPDX-License-Identifier: MIT
# test/cli/x_test.c: linked with the command line's library, which is linked with libeyot.so, as it is for users.

# A program linked with the command line's insides.
function(eyot_cli_program name)
    add_executable(${name} ${ARGN})
    eyot_c_flags(${name})
    target_compile_definitions(${name} PRIVATE
        EYOT_TEST_DATA="${PROJECT_SOURCE_DIR}/test" EYOT_TEST_EXAMPLES="${PROJECT_SOURCE_DIR}/examples"
        EYOT_TEST_PROGRAMS="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
    target_link_libraries(${name} PRIVATE eyot_cli Threads::Threads m)
endfunction()

# The jq helper of tests, without sanitizers, whose shadows would break its limit of memory.
function(eyot_jq_helper_for_tests)
    set(EYOT_SANITIZE "")
    add_executable(jq_helper_for_tests ${PROJECT_SOURCE_DIR}/test/cli/helper_main.c ${PROJECT_SOURCE_DIR}/cli/jq_helper.c)
    eyot_c_flags(jq_helper_for_tests)
    target_include_directories(jq_helper_for_tests SYSTEM PRIVATE ${EYOT_JQ_INCLUDE_DIR})
    target_link_libraries(jq_helper_for_tests PRIVATE ${EYOT_JQ_LIBRARY})
endfunction()
eyot_jq_helper_for_tests()

file(GLOB cli_test_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/test/cli/*_test.c)
foreach(source ${cli_test_sources})
    get_filename_component(name ${source} NAME_WE)
    eyot_cli_program(${name} ${source} $<TARGET_OBJECTS:test_main>)
    add_dependencies(${name} jq_helper_for_tests)
    if(TARGET eyot_program)
        add_dependencies(${name} eyot_program)
    endif()
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 900)
endforeach()

# The program itself, as people use it: test/cli/x.sh EYOT. cli/lib.sh is what they share.
if(TARGET eyot_program AND Python3_FOUND)
    foreach(name usage config looking signals commands expressions examples files events transfer retention workers codec secrets backends
            changes diff replay fork)
        add_test(NAME cli_${name}
            COMMAND ${PROJECT_SOURCE_DIR}/test/cli/${name}.sh $<TARGET_FILE:eyot_program>)
        set_tests_properties(cli_${name} PROPERTIES LABELS unit TIMEOUT 300)
    endforeach()
endif()

# Functions that graph files call: test/cli/nodes/x.c is the module x.so, beside that of the example.
if(TARGET eyot_program AND EYOT_EXAMPLES AND Python3_FOUND)
    file(GLOB nodes_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/test/cli/nodes/*.c)
    foreach(source ${nodes_sources})
        get_filename_component(name ${source} NAME_WE)
        eyot_nodes_module(${name} ${source})
        target_link_libraries(nodes_${name} PRIVATE Threads::Threads)
    endforeach()
    add_test(NAME cli_call
        COMMAND ${PROJECT_SOURCE_DIR}/test/cli/call.sh $<TARGET_FILE:eyot_program> $<TARGET_FILE:nodes_words>)
    set_tests_properties(cli_call PROPERTIES LABELS unit TIMEOUT 300)
endif()

foreach(source ${cli_fuzz_sources})
    eyot_fuzz_test(eyot_cli_program ${source})
endforeach()

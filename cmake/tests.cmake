# SPDX-License-Identifier: MIT
# One program and one ctest entry per test/**/x_test.c or x_suite.c. test/*_support.c is linked into those that use it.

add_library(test_main OBJECT test/main.c)
eyot_c_flags(test_main)
file(GLOB support_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/test/*_support.c)
if(support_sources)
    add_library(test_support STATIC ${support_sources})
    eyot_c_flags(test_support)
    target_link_libraries(test_support PUBLIC eyot_static)
    target_compile_definitions(test_support PRIVATE EYOT_TEST_DATA="${PROJECT_SOURCE_DIR}/test")
    if(EYOT_HAVE_SQLITE)
        target_compile_definitions(test_support PRIVATE EYOT_HAVE_SQLITE=1)
        target_link_libraries(test_support PUBLIC SQLite::SQLite3)
    endif()
endif()

# Programs with the library in them would look for modules where it is installed.
add_library(test_modules OBJECT test/modules/of_the_build.c)
eyot_c_flags(test_modules)
target_compile_definitions(test_modules PRIVATE EYOT_TEST_MODULES="${PROJECT_BINARY_DIR}/eyot")

add_library(another_version MODULE test/modules/another_version.c)
eyot_c_flags(another_version)
set_target_properties(another_version PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/other_modules)

# A program linked with the library's insides.
function(eyot_inside_program name)
    add_executable(${name} ${ARGN} $<TARGET_OBJECTS:test_modules>)
    foreach(module mysql redis)
        if(TARGET eyot_store_${module})
            add_dependencies(${name} eyot_store_${module})
        endif()
    endforeach()
    eyot_c_flags(${name})
    target_compile_definitions(${name} PRIVATE
        EYOT_TEST_DATA="${PROJECT_SOURCE_DIR}/test" EYOT_TEST_PROGRAMS="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
    if(EYOT_HAVE_SQLITE)
        target_compile_definitions(${name} PRIVATE EYOT_HAVE_SQLITE=1)
        target_link_libraries(${name} PRIVATE SQLite::SQLite3)
    endif()
    if(TARGET test_support)
        target_link_libraries(${name} PRIVATE test_support)
    endif()
    target_link_libraries(${name} PRIVATE eyot_static Threads::Threads m)
endfunction()

file(GLOB test_sources CONFIGURE_DEPENDS
    ${PROJECT_SOURCE_DIR}/test/*_test.c ${PROJECT_SOURCE_DIR}/test/*_suite.c
    ${PROJECT_SOURCE_DIR}/test/crash/*_test.c ${PROJECT_SOURCE_DIR}/test/fault/*_test.c)
if(NOT TARGET eyot_store_mysql) # they look behind the store's back with its client
    list(FILTER test_sources EXCLUDE REGEX "/mysql[^/]*\\.c$")
endif()
foreach(source ${test_sources})
    get_filename_component(name ${source} NAME_WE)
    eyot_inside_program(${name} ${source} $<TARGET_OBJECTS:test_main>)
    if(name MATCHES "^mysql")
        target_link_libraries(${name} PRIVATE ${mysql_client})
    endif()
    set(tests ${name})
    if(name MATCHES "^(fleet|boundary)") # a test for each backend: they wait for leases or commits most of the time
        set(tests)
        set(parts helper sqlite mysql redis)
        if(name STREQUAL boundary_test)
            list(APPEND parts redis_cluster)
        endif()
        foreach(part ${parts})
            add_test(NAME ${name}_${part} COMMAND ${name} _${part}__)
            list(APPEND tests ${name}_${part})
        endforeach()
    else()
        add_test(NAME ${name} COMMAND ${name})
    endif()
    set_tests_properties(${tests} PROPERTIES LABELS unit TIMEOUT 900)
endforeach()
target_compile_definitions(url_test PRIVATE EYOT_TEST_OTHER_MODULES="${PROJECT_BINARY_DIR}/other_modules")
add_dependencies(url_test another_version)

# The other reader and writer of msgpack, where it is installed.
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
    pkg_search_module(MSGPACK QUIET IMPORTED_TARGET msgpack msgpack-c)
    if(MSGPACK_FOUND AND TARGET msgpack_peer_test)
        target_compile_definitions(msgpack_peer_test PRIVATE HAVE_MSGPACK=1)
        target_link_libraries(msgpack_peer_test PRIVATE PkgConfig::MSGPACK)
    endif()
endif()

# Its allocations go through it first: the library's objects are linked into the program.
if(TARGET alloc_test)
    target_link_options(alloc_test PRIVATE
        LINKER:--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free,--wrap=realpath)
endif()

# The simulator is the system that the library's objects in it see. Its threads are no threads, which TSan would not understand.
if(NOT EYOT_SANITIZE MATCHES "thread")
    file(GLOB sim_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/test/sim/*.c)
    eyot_inside_program(sim_test ${sim_sources} $<TARGET_OBJECTS:test_main>)
    foreach(name malloc calloc realloc free strdup
            pthread_mutex_lock pthread_mutex_unlock pthread_cond_wait pthread_cond_timedwait pthread_cond_signal
            pthread_cond_broadcast pthread_create pthread_join pthread_self pthread_sigmask
            clock_gettime nanosleep getrandom getpid kill open read close readlink __assert_fail)
        target_link_options(sim_test PRIVATE LINKER:--wrap=${name})
    endforeach()
    foreach(half first second)
        add_test(NAME sim_test_${half} COMMAND sim_test sim_${half}__)
        set_tests_properties(sim_test_${half} PROPERTIES LABELS unit TIMEOUT 900)
    endforeach()
endif()

# The clock of a server; a program without sanitizers loads it.
if(TARGET redis_test)
    add_library(clock_offset MODULE test/fault/preload/clock_offset.c)
    target_compile_definitions(clock_offset PRIVATE _POSIX_C_SOURCE=200809L)
    target_link_libraries(clock_offset PRIVATE ${CMAKE_DL_LIBS})
    target_compile_definitions(redis_test PRIVATE EYOT_TEST_CLOCK="$<TARGET_FILE:clock_offset>")
    add_dependencies(redis_test clock_offset)
endif()

# The n-th allocation of whole programs; sanitizers keep malloc for themselves.
if(NOT EYOT_SANITIZE AND EYOT_EXAMPLES AND EYOT_HAVE_SQLITE)
    add_library(nth_allocation MODULE test/fault/preload/nth_allocation.c)
    eyot_c_flags(nth_allocation)
    target_link_libraries(nth_allocation PRIVATE ${CMAKE_DL_LIBS})
    add_test(NAME examples_without_memory COMMAND ${PROJECT_SOURCE_DIR}/test/fault/examples_without_memory.sh
        $<TARGET_FILE:nth_allocation> $<TARGET_FILE:example_hello> $<TARGET_FILE:example_digest>)
    set_tests_properties(examples_without_memory PROPERTIES LABELS unit TIMEOUT 900)
endif()

# JSON against Python's reader and writer, on generated texts.
find_package(Python3 COMPONENTS Interpreter QUIET)
if(Python3_FOUND AND NOT EYOT_SANITIZE) # a sanitized library cannot be loaded into an interpreter
    add_test(NAME json_peer COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/test/json_peer.py
        --lib $<TARGET_FILE:eyot> --count 100000)
    set_tests_properties(json_peer PROPERTIES LABELS unit TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()

# The harness itself.
add_executable(harness_sample test/harness/sample.c $<TARGET_OBJECTS:test_main>)
eyot_c_flags(harness_sample)
add_test(NAME harness COMMAND ${PROJECT_SOURCE_DIR}/test/harness/expect.sh $<TARGET_FILE:harness_sample>)
set_tests_properties(harness PROPERTIES LABELS unit TIMEOUT 60)
if(Python3_FOUND AND NOT EYOT_SANITIZE)
    add_test(NAME harness_services COMMAND ${PROJECT_SOURCE_DIR}/test/harness/services.sh ${PROJECT_SOURCE_DIR}/test/services.sh)
    set_tests_properties(harness_services PROPERTIES LABELS unit TIMEOUT 120 SKIP_RETURN_CODE 77)
endif()

# Examples run in a directory of their own; example_args_x is what example_x is called with.
set(example_args_digest digest.db demo)
foreach(name ${eyot_examples})
    add_test(NAME example_${name}
        COMMAND ${PROJECT_SOURCE_DIR}/test/in_temp_dir.sh $<TARGET_FILE:example_${name}> ${example_args_${name}})
    set_tests_properties(example_${name} PROPERTIES LABELS example TIMEOUT 300)
endforeach()

# Fuzz targets: with libFuzzer, or with a main that runs their corpus and mutations of it. With libFuzzer the library is built
# for it too (cmake/options.cmake), and what it finds is kept in the build directory.
file(GLOB fuzz_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/test/fuzz/*_fuzz.c)
set(cli_fuzz_sources ${fuzz_sources})
list(FILTER fuzz_sources EXCLUDE REGEX "/(graphfile|config)_fuzz\\.c$")
list(FILTER cli_fuzz_sources INCLUDE REGEX "/(graphfile|config)_fuzz\\.c$")
if(EYOT_SANITIZE)
    set(fuzz_mutations 4000)
else()
    set(fuzz_mutations 40000)
endif()
function(eyot_fuzz_test make_program source)
    get_filename_component(name ${source} NAME_WE)
    string(REGEX REPLACE "_fuzz$" "" subject ${name})
    set(corpus ${PROJECT_SOURCE_DIR}/test/fuzz/corpus/${subject})
    if(EYOT_FUZZ)
        cmake_language(CALL ${make_program} ${name} ${source} test/fuzz/fuzz.c)
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
        set(found ${PROJECT_BINARY_DIR}/fuzz/${subject})
        set(dictionary ${PROJECT_SOURCE_DIR}/test/fuzz/${subject}.dict)
        file(MAKE_DIRECTORY ${found})
        if(NOT EXISTS ${dictionary})
            set(dictionary /dev/null)
        endif()
        add_test(NAME ${name} COMMAND ${name} -max_total_time=10 -max_len=65536 -timeout=20 -rss_limit_mb=1024
            -verbosity=0 -print_final_stats=1 -artifact_prefix=${found}- -dict=${dictionary} ${found} ${corpus})
    else()
        cmake_language(CALL ${make_program} ${name} ${source} test/fuzz/fuzz.c test/fuzz/replay.c)
        set(mutations ${fuzz_mutations})
        if(subject MATCHES "^(transfer|log)$") # a store for each input
            math(EXPR mutations "${fuzz_mutations} / 4")
        endif()
        add_test(NAME ${name} COMMAND ${name} -m ${mutations} ${corpus})
    endif()
    set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT 300)
endfunction()
foreach(source ${fuzz_sources})
    eyot_fuzz_test(eyot_inside_program ${source})
endforeach()

if(EYOT_HAVE_CLI)
    include(cmake/tests_cli.cmake)
endif()
include(cmake/tests_outside.cmake)

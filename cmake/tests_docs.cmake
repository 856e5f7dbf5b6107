# SPDX-License-Identifier: MIT
# The pages: what they name is there, their C compiles, and README.md's example does what README.md shows.

set(docs ${PROJECT_SOURCE_DIR}/test/docs)
file(GLOB pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/*.md)
add_test(NAME docs_pages COMMAND ${docs}/pages.sh ${PROJECT_SOURCE_DIR})
add_test(NAME docs_compile
    COMMAND ${docs}/compile.sh ${PROJECT_SOURCE_DIR}/include ${PROJECT_BINARY_DIR}/docs/compile ${CMAKE_C_COMPILER} ${pages})
add_test(NAME docs_man COMMAND ${docs}/man.sh ${PROJECT_SOURCE_DIR})
set_tests_properties(docs_man PROPERTIES SKIP_RETURN_CODE 77)
set_tests_properties(docs_pages docs_compile docs_man PROPERTIES LABELS docs TIMEOUT 120)
if(EYOT_INSTALL AND EYOT_HAVE_SQLITE)
    add_test(NAME docs_readme
        COMMAND ${docs}/readme.sh ${stage} ${PROJECT_BINARY_DIR}/docs/readme ${CMAKE_C_COMPILER} ${PROJECT_SOURCE_DIR}/README.md)
    set_tests_properties(docs_readme PROPERTIES LABELS docs TIMEOUT 120 FIXTURES_REQUIRED stage)
endif()
# The command line: what the pages show, with the program, and what README.md says of building it. Their times are those of a
# program without sanitizers.
if(TARGET eyot_program AND EYOT_HAVE_SQLITE AND NOT EYOT_SANITIZE)
    foreach(page README docs/graphfiles docs/stores)
        get_filename_component(name ${page} NAME)
        add_test(NAME docs_console_${name}
            COMMAND ${docs}/console.sh $<TARGET_FILE_DIR:eyot_program> ${PROJECT_BINARY_DIR}/docs/console_${name}
                    ${PROJECT_SOURCE_DIR}/${page}.md)
        set_tests_properties(docs_console_${name} PROPERTIES LABELS docs TIMEOUT 120 RUN_SERIAL TRUE)
    endforeach()
    add_test(NAME docs_readme_build
        COMMAND ${docs}/readme_build.sh ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/docs/readme_build)
    set_tests_properties(docs_readme_build PROPERTIES LABELS docs TIMEOUT 600 RUN_SERIAL TRUE)
endif()

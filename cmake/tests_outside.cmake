# SPDX-License-Identifier: MIT
# What others see: the headers by themselves, the exported names, and programs outside that use an installed eyot.

file(GLOB public_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/eyot/*.h)
foreach(source ${public_headers} ${PROJECT_SOURCE_DIR}/test/headers/init_macros.c)
    get_filename_component(file ${source} NAME_WE)
    foreach(standard c11 c17 c++17)
        if(standard MATCHES "c\\+\\+")
            set(compiler ${CMAKE_CXX_COMPILER})
        else()
            set(compiler ${CMAKE_C_COMPILER})
        endif()
        add_test(NAME header_${file}_${standard}
            COMMAND ${PROJECT_SOURCE_DIR}/test/headers/compile.sh
                    ${compiler} ${standard} ${PROJECT_SOURCE_DIR}/include ${source})
        set_tests_properties(header_${file}_${standard} PROPERTIES LABELS header)
    endforeach()
endforeach()

if(EYOT_SANITIZE)
    return() # a consumer would need the same flags, and the sanitizers bring symbols of their own
endif()

set(embed ${PROJECT_SOURCE_DIR}/test/embed)
add_test(NAME embed_symbols COMMAND ${embed}/symbols.sh $<TARGET_FILE:eyot> ${PROJECT_SOURCE_DIR}/include)

set(compilers -DCMAKE_C_COMPILER=${CMAKE_C_COMPILER} -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER})
if(EYOT_INSTALL)
    set(stage ${PROJECT_BINARY_DIR}/embed/stage)
    add_test(NAME embed_install
        COMMAND ${CMAKE_COMMAND} --install ${PROJECT_BINARY_DIR} --prefix ${stage})
    set_tests_properties(embed_install PROPERTIES FIXTURES_SETUP stage)
    add_test(NAME embed_find_package
        COMMAND ${embed}/with_cmake.sh ${embed}/find_package ${PROJECT_BINARY_DIR}/embed/find_package
                ${compilers} -DCMAKE_PREFIX_PATH=${stage})
    add_test(NAME embed_pkg_config
        COMMAND ${embed}/with_pkg_config.sh ${stage} ${PROJECT_BINARY_DIR}/embed/pkg_config
                ${CMAKE_C_COMPILER} ${CMAKE_CXX_COMPILER})
    set_tests_properties(embed_find_package embed_pkg_config PROPERTIES FIXTURES_REQUIRED stage)
    set(embed_installed embed_install embed_find_package embed_pkg_config)
endif()
add_test(NAME embed_add_subdirectory
    COMMAND ${embed}/with_cmake.sh ${embed}/add_subdirectory ${PROJECT_BINARY_DIR}/embed/add_subdirectory
            ${compilers} -DEYOT_SOURCE=${PROJECT_SOURCE_DIR} -DCMAKE_C_COMPILER_LAUNCHER=${CMAKE_C_COMPILER_LAUNCHER})
add_test(NAME embed_without_clients
    COMMAND ${embed}/with_cmake.sh ${embed}/add_subdirectory ${PROJECT_BINARY_DIR}/embed/without_clients
            ${compilers} -DEYOT_SOURCE=${PROJECT_SOURCE_DIR} -DCMAKE_C_COMPILER_LAUNCHER=${CMAKE_C_COMPILER_LAUNCHER}
            -DEYOT_SQLITE=OFF -DEYOT_MYSQL=OFF -DEYOT_REDIS=OFF)
set_tests_properties(embed_symbols embed_add_subdirectory embed_without_clients ${embed_installed} PROPERTIES LABELS embed TIMEOUT 300)
include(cmake/tests_docs.cmake)

# SPDX-License-Identifier: MIT
# Headers, both libraries, eyot.pc and eyotConfig.cmake.
if(NOT EYOT_INSTALL)
    return()
endif()
include(CMakePackageConfigHelpers)

set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/eyot)
install(DIRECTORY include/eyot DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
# Two sets, because only the static library needs SQLite to be found by whoever links it.
install(TARGETS eyot EXPORT eyotTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS eyot_static EXPORT eyotStaticTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT eyotTargets NAMESPACE eyot:: DESTINATION ${config_dir})
install(EXPORT eyotStaticTargets NAMESPACE eyot:: DESTINATION ${config_dir})

configure_package_config_file(cmake/eyotConfig.cmake.in ${PROJECT_BINARY_DIR}/eyotConfig.cmake
    INSTALL_DESTINATION ${config_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/eyotConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/eyotConfig.cmake ${PROJECT_BINARY_DIR}/eyotConfigVersion.cmake
    DESTINATION ${config_dir})

# Not Requires.private: sqlite3 — that would demand sqlite3.pc, and what it asks for itself, of everybody.
set(pc_libs_private "-pthread")
if(EYOT_HAVE_SQLITE)
    set(pc_libs_private "-lsqlite3 -pthread")
endif()
# Relative to where the file is found, so that a moved tree still works; only where the layout allows it.
if(CMAKE_INSTALL_LIBDIR MATCHES "^lib(64|/[^/]+)?$" AND NOT IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
    string(REGEX REPLACE "[^/]+" ".." up "${CMAKE_INSTALL_LIBDIR}")
    set(pc_prefix "\${pcfiledir}/../${up}")
else()
    set(pc_prefix ${CMAKE_INSTALL_PREFIX})
endif()
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    set(pc_libdir ${CMAKE_INSTALL_LIBDIR})
else()
    set(pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
endif()
if(IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
    set(pc_includedir ${CMAKE_INSTALL_INCLUDEDIR})
else()
    set(pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file(cmake/eyot.pc.in ${PROJECT_BINARY_DIR}/eyot.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/eyot.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# `cmake --install`: the library, its public headers, the CMake package and the pkg-config file.
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/kvant")
install(TARGETS kvant EXPORT kvantTargets
        FILE_SET HEADERS
        FILE_SET dlpack DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/kvant/third_party")
if(TARGET kvant_torch)
  install(TARGETS kvant_torch EXPORT kvantTargets)
endif()
if(TARGET kvant_cuda)
  install(TARGETS kvant_cuda EXPORT kvantTargets FILE_SET HEADERS)
endif()
if(TARGET kvant_torch_cuda)
  install(TARGETS kvant_torch_cuda EXPORT kvantTargets)
endif()
if(SKBUILD)
  # A wheel carries Highway, under the name that the loader looks for.
  get_target_property(hwy_location hwy::hwy LOCATION)
  file(REAL_PATH "${hwy_location}" hwy_file)
  string(REGEX REPLACE "(\\.so\\.[0-9]+).*" "\\1" hwy_name "${hwy_file}")
  cmake_path(GET hwy_name FILENAME hwy_name)
  if(hwy_file MATCHES "\\.so")
    install(FILES "${hwy_file}" DESTINATION "${CMAKE_INSTALL_LIBDIR}" RENAME "${hwy_name}")
  endif()
endif()
if(TARGET kvant_cli)
  install(TARGETS kvant_cli)
endif()
install(EXPORT kvantTargets NAMESPACE kvant:: DESTINATION "${package_dir}")
configure_package_config_file(cmake/kvantConfig.cmake.in kvantConfig.cmake INSTALL_DESTINATION "${package_dir}")
# As the soname, kvant_library_version().
write_basic_package_version_file(kvantConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/kvantConfig.cmake" "${PROJECT_BINARY_DIR}/kvantConfigVersion.cmake"
        DESTINATION "${package_dir}")

# The .pc file finds its prefix from where it lies, so that an installed tree can be moved.
cmake_path(ABSOLUTE_PATH CMAKE_INSTALL_LIBDIR BASE_DIRECTORY "${CMAKE_INSTALL_PREFIX}" NORMALIZE OUTPUT_VARIABLE libdir)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY "${libdir}/pkgconfig" OUTPUT_VARIABLE pc_prefix)
cmake_path(RELATIVE_PATH libdir BASE_DIRECTORY "${CMAKE_INSTALL_PREFIX}" OUTPUT_VARIABLE pc_libdir)
# A static libkvant leaves its own libraries to whoever links it; the shared one needs nothing.
set(pc_private "")
if(NOT KVANT_SHARED)
  set(pc_private "Requires.private: libhwy\nLibs.private: -lstdc++ -lm")
  if(OpenMP_CXX_FOUND)
    string(APPEND pc_private " ${OpenMP_CXX_FLAGS}")
  endif()
endif()
configure_file(cmake/kvant.pc.in kvant.pc @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/kvant.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")

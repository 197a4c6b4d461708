# Folders become targets by the names of their files; docs/HACKING.md has the list.

# The version in a shared library's name. Before 1.0 a minor version may change the interface, so the soname has it; at 1.0
# it goes from here, and SameMinorVersion from KvantInstall.cmake. A Python wheel holds no links: one name, no version.
function(kvant_library_version target)
  if(NOT SKBUILD)
    set_target_properties(${target} PROPERTIES VERSION ${PROJECT_VERSION}
                                               SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  endif()
endfunction()

# Public headers are installed with the paths they are included by: <prefix>/include/kvant/...
function(kvant_public_headers)
  target_sources(kvant PUBLIC FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}" FILES ${ARGN})
endfunction()

# kvant_add_test(name SOURCES ... [LIBS ...]): a GoogleTest program whose cases CTest knows one by one. Tests find files of
# the repository under the string KVANT_SOURCE_DIR and may use the library's insides.
# Their label is "cpp", or "cuda" with CUDA.
function(kvant_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "CUDA" "" "SOURCES;LIBS")
  set(label cpp)
  if(arg_CUDA)
    set(label cuda)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE kvant ${arg_LIBS} hwy::hwy fmt::fmt-header-only GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE KVANT_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  # Threads that wait asleep: CTest runs several programs at once.
  set(properties ENVIRONMENT "OMP_WAIT_POLICY=passive" LABELS ${label} TIMEOUT 1200)
  if(CMAKE_CROSSCOMPILING)  # whole programs, under emulation
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES ${properties} TIMEOUT 7200)
  else()
    include(GoogleTest)
    string(REGEX REPLACE "_test$" "" prefix "${name}")
    gtest_discover_tests(${name} TEST_PREFIX "${prefix}." DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
                         PROPERTIES ${properties})
  endif()
endfunction()

function(kvant_add_folder folder)
  cmake_path(SET path NORMALIZE "${PROJECT_SOURCE_DIR}/kvant/${folder}")
  cmake_path(GET path FILENAME name)
  file(GLOB sources CONFIGURE_DEPENDS "${path}/*.cc")
  kvant_vector_source_flags(${sources})
  set(cuda_sources ${sources})
  list(FILTER cuda_sources INCLUDE REGEX "/cuda[a-z0-9_]*\\.cc$")
  list(FILTER sources EXCLUDE REGEX "/cuda[a-z0-9_]*\\.cc$")
  if(KVANT_CUDA)
    file(GLOB device_sources CONFIGURE_DEPENDS "${path}/*.cu")
    kvant_add_cuda(${name} ${cuda_sources} ${device_sources})
  endif()
  set(tests ${sources})
  set(benches ${sources})
  list(FILTER tests INCLUDE REGEX "[/_]test\\.cc$")
  list(FILTER benches INCLUDE REGEX "[/_]bench\\.cc$")
  list(FILTER sources EXCLUDE REGEX "[/_](test|bench)\\.cc$|/torch\\.cc$")
  target_sources(kvant PRIVATE ${sources})
  if(NOT KVANT_DEVELOPER_MODE)
    return()
  endif()
  if(NOT KVANT_EMULATION)
    list(FILTER tests EXCLUDE REGEX "/(emulation|fibers)_test\\.cc$")
  endif()
  if(tests MATCHES "/(emulation|fibers)_test\\.cc")
    # The row-wise CUDA kernels as the host runs them, compiled once.
    if(NOT TARGET kvant_host_queue)
      add_library(kvant_host_queue STATIC EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/kvant/testing/host_queue.cc"
                                                           "${PROJECT_SOURCE_DIR}/kvant/testing/host_rows.cc"
                                                           "${PROJECT_SOURCE_DIR}/kvant/testing/fiber_threads.cc")
      target_link_libraries(kvant_host_queue PRIVATE kvant fmt::fmt-header-only)
    endif()
    kvant_add_test(${name}_test SOURCES ${tests} LIBS kvant_host_queue)
  elseif(tests)
    kvant_add_test(${name}_test SOURCES ${tests})
  endif()
  if(benches AND benchmark_FOUND)
    if(NOT TARGET kvant_bench)
      add_executable(kvant_bench)
      # Nothing runs it with sanitizers, with which it takes minutes to build.
      set_target_properties(kvant_bench PROPERTIES EXCLUDE_FROM_ALL "${KVANT_SANITIZE}")
      target_link_libraries(kvant_bench PRIVATE kvant fmt::fmt-header-only benchmark::benchmark_main)
      target_compile_definitions(kvant_bench PRIVATE KVANT_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    endif()
    target_sources(kvant_bench PRIVATE ${benches})
  endif()
endfunction()

# kvant_add_layer(name [UNITY]): a folder of kvant/ that holds no operators. Which of its headers are public is said here.
# UNITY: its sources are compiled as one with KVANT_UNITY.
function(kvant_add_layer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "UNITY" "" "")
  set(public_core *.h)
  set(public_formats format*.h)
  set(public_rowwise quant_mode.h)
  set(public_graph attribute.h fuse.h graph.h run.h)
  foreach(pattern IN LISTS public_${name})
    file(GLOB headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/kvant/${name}/${pattern}")
    kvant_public_headers(${headers})
  endforeach()
  kvant_add_folder(${name})
  if(arg_UNITY)
    file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/kvant/${name}/*.cc")
    set_source_files_properties(${sources} PROPERTIES UNITY_GROUP ${name})
  endif()
endfunction()

# An operator: the folder kvant/ops/<name>, whose public headers are <name>.h and, with KVANT_CUDA, cuda.h.
function(kvant_add_op name)
  kvant_public_headers("${PROJECT_SOURCE_DIR}/kvant/ops/${name}/${name}.h")
  kvant_add_folder(ops/${name})
endfunction()

# kvant/ itself: the umbrella header, the list of operators, and the C API with the DLPack header that it includes as
# <dlpack/dlpack.h>.
function(kvant_add_api)
  foreach(header kvant.h c_api.h c_api_scatter.h c_api_swiglu.h c_api_types.h ops/ops.h)
    kvant_public_headers("${PROJECT_SOURCE_DIR}/kvant/${header}")
  endforeach()
  file(GLOB dlpack CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/third_party/dlpack/*.h")
  target_sources(kvant PUBLIC FILE_SET dlpack TYPE HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}/third_party" FILES ${dlpack})
  kvant_add_folder(../kvant)
endfunction()

# kvant_add_fuzzer(name SOURCES ... [LIBS ...] CORPUS folder [DICT file]): a libFuzzer program, built with KVANT_FUZZ only.
function(kvant_add_fuzzer name)
  if(NOT KVANT_FUZZ)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "CORPUS;DICT" "SOURCES;LIBS")
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE kvant ${arg_LIBS})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/fuzzers")
  if(NOT TARGET kvant_fuzzers)
    add_custom_target(kvant_fuzzers)
  endif()
  add_dependencies(kvant_fuzzers ${name})
  # What `./run fuzz` starts it with, an argument a line.
  cmake_path(ABSOLUTE_PATH arg_CORPUS BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  set(arguments "${arg_CORPUS}\n")
  if(arg_DICT)
    cmake_path(ABSOLUTE_PATH arg_DICT BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
    string(PREPEND arguments "-dict=${arg_DICT}\n")
  endif()
  file(WRITE "${PROJECT_BINARY_DIR}/fuzzers/${name}.args" "${arguments}")
endfunction()

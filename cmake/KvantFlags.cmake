# Compiler flags. kvant promises the same bits on every backend, so two flags are on every translation unit and fast-math
# is refused: without -ffp-contract=off a compiler may fuse a*b+c, which changes results on AVX2 and up.

if(NOT CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
  message(FATAL_ERROR "kvant needs GCC 12 or Clang 14 or newer; this is ${CMAKE_CXX_COMPILER_ID}.")
endif()

string(TOUPPER "${CMAKE_BUILD_TYPE}" kvant_config)
separate_arguments(kvant_user_flags UNIX_COMMAND "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${kvant_config}}")
file(STRINGS "${CMAKE_CURRENT_LIST_DIR}/forbidden_flags.txt" kvant_forbidden REGEX "^-")
list(JOIN kvant_forbidden "|" kvant_forbidden)
list(FILTER kvant_user_flags INCLUDE REGEX "^(${kvant_forbidden})$")
if(kvant_user_flags)
  message(FATAL_ERROR "kvant's results must not depend on the compiler: remove ${kvant_user_flags} from CMAKE_CXX_FLAGS.")
endif()
# Flags of g++ and clang; nvcc passes them on to the host's compiler.
function(kvant_compile_options)
  foreach(option IN LISTS ARGN)
    add_compile_options("$<$<COMPILE_LANGUAGE:C,CXX>:${option}>" "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=${option}>")
  endforeach()
endfunction()
kvant_compile_options(-ffp-contract=off -fno-fast-math)

# GCC's notes on how vector arguments were passed before GCC 4.6: they never cross the library's edge.
kvant_compile_options(-Wno-psabi)

if(KVANT_DEVELOPER_MODE)
  kvant_compile_options(-Wall -Wextra)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    kvant_compile_options(-Wno-restrict) # GCC 12 warns wrongly of std::string's operator+ (GCC bug 105651)
  endif()
  if(PROJECT_IS_TOP_LEVEL AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
    find_program(KVANT_CCACHE ccache)
    if(KVANT_CCACHE)
      set(CMAKE_C_COMPILER_LAUNCHER "${KVANT_CCACHE}")
      set(CMAKE_CXX_COMPILER_LAUNCHER "${KVANT_CCACHE}")
    endif()
  endif()
endif()
if(KVANT_WERROR)
  kvant_compile_options(-Werror)
endif()

if(KVANT_SANITIZE)
  set(kvant_sanitizers -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all)
  kvant_compile_options(${kvant_sanitizers} -fno-omit-frame-pointer)
  add_link_options(${kvant_sanitizers})
endif()
if(KVANT_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "KVANT_FUZZ needs clang (libFuzzer): use the preset 'fuzz'.")
  endif()
  kvant_compile_options(-fsanitize=fuzzer-no-link)
  # What is fuzzed reads files: no vectors, whose kernels clang compiles very slowly with sanitizers.
  add_compile_definitions(HWY_COMPILE_ONLY_STATIC)
endif()

# Flags of the library itself. Its own calls may be inlined and bound at link time, as in a static library: nobody
# replaces kvant's functions one by one.
function(kvant_library_flags target)
  target_compile_options(${target} PRIVATE -fno-semantic-interposition -fvisibility-inlines-hidden)
  if(NOT KVANT_SANITIZE)
    set(exports "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/exports.map")
    target_link_options(${target} PRIVATE -Wl,--no-undefined "-Wl,--version-script=${exports}")
    set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS "${exports}")
  endif()
  target_link_options(${target} PRIVATE -Wl,-Bsymbolic-functions)
endfunction()

# Sources that Highway compiles once per SIMD target hold thousands of short-lived vectors: AddressSanitizer's tracking of
# scopes takes g++ five times as long there (over 230 s for rowwise/cpu_float16.cc, 50 s without), and they hand out no
# address of a local.
function(kvant_vector_source_flags)
  if(KVANT_SANITIZE)
    foreach(source IN LISTS ARGN)
      file(STRINGS "${source}" vector REGEX "include \"hwy/foreach_target.h\"")
      if(vector)
        set_property(SOURCE "${source}" APPEND PROPERTY COMPILE_OPTIONS -fno-sanitize-address-use-after-scope)
      endif()
    endforeach()
  endif()
endfunction()

# libkvant_torch: the operators as torch.ops.kvant.*, on libtorch's stable ABI, so that one file serves every torch from
# 2.11 on and every Python. Built with KVANT_TORCH.

set(KVANT_TORCH_ROOT "" CACHE PATH "The folder of the Python package torch; empty: that of the Python that is found")
if(NOT KVANT_TORCH_ROOT)
  find_package(Python COMPONENTS Interpreter REQUIRED)
  # The package is located, not imported: that would take seconds.
  execute_process(COMMAND "${Python_EXECUTABLE}" -c
                          "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
                  OUTPUT_VARIABLE kvant_torch_root OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "KVANT_TORCH needs PyTorch 2.11 or newer, and ${Python_EXECUTABLE} has none.")
  endif()
else()
  set(kvant_torch_root "${KVANT_TORCH_ROOT}")
endif()
# torch's own CMake package is not used: with a CUDA build of torch it looks for CUDA and changes flags.
find_path(kvant_torch_include torch/csrc/stable/library.h PATHS "${kvant_torch_root}/include" NO_DEFAULT_PATH NO_CACHE)
find_library(kvant_torch_cpu torch_cpu PATHS "${kvant_torch_root}/lib" NO_DEFAULT_PATH NO_CACHE)
if(NOT kvant_torch_include OR NOT kvant_torch_cpu)
  message(FATAL_ERROR "KVANT_TORCH needs PyTorch 2.11 or newer; ${kvant_torch_root} has no stable ABI.")
endif()

file(GLOB kvant_torch_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/kvant/torch/*.cc"
     "${PROJECT_SOURCE_DIR}/kvant/ops/*/torch.cc")
add_library(kvant_torch SHARED ${kvant_torch_sources})
add_library(kvant::torch ALIAS kvant_torch)
set_target_properties(kvant_torch PROPERTIES EXPORT_NAME torch)
target_compile_definitions(kvant_torch PRIVATE TORCH_TARGET_VERSION=0x020b000000000000) # 2.11
target_include_directories(kvant_torch SYSTEM PRIVATE "${kvant_torch_include}")
target_link_libraries(kvant_torch PRIVATE kvant "${kvant_torch_cpu}")
target_link_options(kvant_torch PRIVATE -Wl,--no-undefined)
# torch's libraries are found where Python has loaded them from, or by the program that links this one.
set_target_properties(kvant_torch PROPERTIES CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)

# libkvant_torch_cuda: the same operators for CUDA tensors, whose schemas libkvant_torch has defined. A library of its own,
# because it asks for symbols that only a PyTorch with CUDA has.
if(KVANT_CUDA)
  # It is linked with a stand-in of that PyTorch's libtorch_cuda, of the same name, so that any PyTorch will do to build it.
  set(kvant_torch_cuda_stub "")
  foreach(name IN ITEMS create_cuda_guard delete_cuda_guard get_current_cuda_stream)
    string(APPEND kvant_torch_cuda_stub "int aoti_torch_${name}(void);\nint aoti_torch_${name}(void) { return 1; }\n")
  endforeach()
  file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/torch_cuda_stub.c" CONTENT "${kvant_torch_cuda_stub}" @ONLY)
  add_library(kvant_torch_cuda_stub SHARED "${PROJECT_BINARY_DIR}/torch_cuda_stub.c")
  set_target_properties(kvant_torch_cuda_stub PROPERTIES OUTPUT_NAME torch_cuda LIBRARY_OUTPUT_DIRECTORY
                                                                                "${PROJECT_BINARY_DIR}/stub")
  set(kvant_torch_cuda_sources ${kvant_torch_sources})
  list(FILTER kvant_torch_cuda_sources EXCLUDE REGEX "/group_counts/torch\\.cc$") # for the host
  add_library(kvant_torch_cuda SHARED ${kvant_torch_cuda_sources})
  add_library(kvant::torch_cuda ALIAS kvant_torch_cuda)
  set_target_properties(kvant_torch_cuda PROPERTIES EXPORT_NAME torch_cuda CXX_VISIBILITY_PRESET hidden
                                                    VISIBILITY_INLINES_HIDDEN ON)
  target_compile_definitions(kvant_torch_cuda PRIVATE TORCH_TARGET_VERSION=0x020b000000000000 KVANT_TORCH_CUDA)
  target_include_directories(kvant_torch_cuda SYSTEM PRIVATE "${kvant_torch_include}")
  target_link_libraries(kvant_torch_cuda PRIVATE kvant kvant_cuda "${kvant_torch_cpu}"
                                                 "$<TARGET_LINKER_FILE:kvant_torch_cuda_stub>")
  add_dependencies(kvant_torch_cuda kvant_torch_cuda_stub)
  target_link_options(kvant_torch_cuda PRIVATE -Wl,--no-undefined)
endif()

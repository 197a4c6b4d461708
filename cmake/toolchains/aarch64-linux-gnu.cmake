# Cross compilation for 64-bit Arm with Debian's compiler; tests run under qemu-user. Libraries for the target lie in
# KVANT_AARCH64_SYSROOT, which `./run test --aarch64` fills. QEMU_CPU chooses the processor that a test sees.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc-12)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++-12)

set(KVANT_AARCH64_SYSROOT "${CMAKE_CURRENT_LIST_DIR}/../../build/aarch64-sysroot" CACHE PATH
    "Folder with the arm64 packages that kvant needs")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES KVANT_AARCH64_SYSROOT)
set(CMAKE_FIND_ROOT_PATH "${KVANT_AARCH64_SYSROOT}" /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

set(CMAKE_CROSSCOMPILING_EMULATOR "qemu-aarch64;-L;/usr/aarch64-linux-gnu")

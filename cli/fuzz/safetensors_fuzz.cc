#include <cstddef>
#include <cstdint>

#include "cli/fuzz/fuzzer.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

// Almost every mutation makes the header length wrong, and readers look no further. Most of the time it is set right
// again: to where the last brace closes.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, max_size);
  if (size < 8 || seed % 8 == 0) return size;
  size_t end = size;
  while (end > 8 && data[end - 1] != '}') --end;
  kvant::cli::StoreLength(data, 8, end - 8);
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return kvant::cli::FuzzOne("x.safetensors", data, size);
}

#include <cstddef>
#include <cstdint>

#include "cli/fuzz/fuzzer.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

// Most of the time sets the header length right again, to where the last brace closes.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, max_size);
  const size_t start = size > 6 && data[6] == 1 ? 10 : 12;
  if (size < start || seed % 8 == 0) return size;
  size_t end = size;
  while (end > start && data[end - 1] != '}') --end;
  kvant::cli::StoreLength(data + 8, static_cast<int>(start - 8), end - start);
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return kvant::cli::FuzzOne("x.npy", data, size);
}

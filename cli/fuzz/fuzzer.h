// The body that the libFuzzer programs share.
#ifndef CLI_FUZZ_FUZZER_H_
#define CLI_FUZZ_FUZZER_H_

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "cli/fuzz/verdict.h"

namespace kvant::cli {

// Stops the program, as a crash that libFuzzer keeps the input of, if a reader breaks a promise.
inline int FuzzOne(const char* name, const uint8_t* data, size_t size) {
  const Verdict verdict = Examine(name, std::string(reinterpret_cast<const char*>(data), size));
  if (verdict.broken.empty()) return 0;
  std::fprintf(stderr, "%s\n%s\n", verdict.outcome.c_str(), verdict.broken.c_str());
  std::abort();
}

// Little-endian, into `bytes` bytes at `field`.
inline void StoreLength(uint8_t* field, int bytes, size_t length) {
  for (int i = 0; i < bytes; ++i) field[i] = static_cast<uint8_t>(length >> (8 * i));
}

}  // namespace kvant::cli

#endif  // CLI_FUZZ_FUZZER_H_

// Memory that is asked for before its turn comes.
#ifndef KVANT_CORE_PREFETCH_H_
#define KVANT_CORE_PREFETCH_H_

#include <cstddef>
#include <cstdint>

#include "kvant/core/macros.h"

namespace kvant {

enum class PrefetchFor : uint8_t { kRead, kReadFromL2, kWrite };

template <PrefetchFor kFor>
KVANT_INLINE void PrefetchLine(const void* at) {
  constexpr int kWrites = kFor == PrefetchFor::kWrite, kLocality = kFor == PrefetchFor::kReadFromL2 ? 2 : 3;
  __builtin_prefetch(at, kWrites, kLocality);
}

// The lines of `bytes` from `at` on.
template <PrefetchFor kFor = PrefetchFor::kRead>
KVANT_INLINE void PrefetchLines(const void* at, size_t bytes) {
  const auto ask = [at](size_t b) { PrefetchLine<kFor>(static_cast<const char*>(at) + b); };
  size_t b = 0;
  for (; b + 256 <= bytes; b += 256) {
    KVANT_UNROLL for (size_t i = 0; i < 256; i += 64) ask(b + i);
  }
  for (; b < bytes; b += 64) ask(b);
}

// A line of each of its pages: that begins to look up where the page is, which requests for L2 would wait for (rows in
// pages of 4 KB from DRAM: 5 to 15 % of the time).
KVANT_INLINE void PrefetchPages(const void* at, size_t bytes) {
  for (size_t b = 0; b < bytes; b += 4096) __builtin_prefetch(static_cast<const char*>(at) + b);
}

}  // namespace kvant

#endif  // KVANT_CORE_PREFETCH_H_

// The speed limit of an operator that reads some bytes once and writes some others once: the same bytes moved by the
// widest vectors of the machine and next to no arithmetic, with normal or with streaming stores.
#ifndef KVANT_TESTING_COPY_ROOF_H_
#define KVANT_TESTING_COPY_ROOF_H_

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kvant/core/parallel.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define KVANT_COPY_ROOF_X86 1
#endif

namespace kvant::testing {

// kStreaming bypasses the cache where the machine can (x86); elsewhere it is a normal store.
enum class RoofStores : uint8_t { kNormal, kStreaming };

// Where what is read is: the best copy asks for it in another way. A number of its own, since tuning the library should
// not move the limit that it is measured against.
enum class RoofFrom : uint8_t { kCache, kMemory };
inline RoofFrom RoofFromOf(int64_t read_bytes) {
  return read_bytes < int64_t{4} * 1024 * 1024 ? RoofFrom::kCache : RoofFrom::kMemory;
}

namespace roof {

// A loop turns `units` times; each turn reads kRead vectors and writes kWrite. What is written depends on everything
// read, so that no load can be left out.
using Loop = void (*)(const char* from, char* to, int64_t units);

// How far ahead of the loads lines are asked for: into L1, or from memory into L2 and much further ahead, the first
// line of each page before the others, so that where the page is has been looked up. From DRAM that is 15 to 60 %
// faster, in L2 up to 20 % slower.
inline constexpr int64_t kAhead = 4096, kFarAhead = 16384;
inline constexpr int64_t kPage = 4096, kPagesAhead = 2;

#ifdef KVANT_COPY_ROOF_X86

inline void AskForPage(const char* from, int lines) {
  if (reinterpret_cast<uintptr_t>(from) % kPage < static_cast<uintptr_t>(lines) * 64) {
    _mm_prefetch(from + kFarAhead + kPagesAhead * kPage, _MM_HINT_T0);
  }
}

template <RoofFrom kFrom>
inline void AskForLine(const char* from) {
  if (kFrom == RoofFrom::kMemory) {
    _mm_prefetch(from + kFarAhead, _MM_HINT_T1);
  } else {
    _mm_prefetch(from + kAhead, _MM_HINT_T0);
  }
}

template <int kRead, int kWrite, bool kStream, RoofFrom kFrom>
__attribute__((target("avx512f"))) void LoopAvx512(const char* from, char* to, int64_t units) {
  __m512i all = _mm512_setzero_si512();
  for (int64_t u = 0; u < units; ++u, from += kRead * 64, to += kWrite * 64) {
    if (kFrom == RoofFrom::kMemory) AskForPage(from, kRead);
    for (int i = 0; i < kRead; ++i) {
      AskForLine<kFrom>(from + i * 64);
      all = _mm512_xor_si512(all, _mm512_loadu_si512(from + i * 64));
    }
    for (int i = 0; i < kWrite; ++i) {
      auto* const at = reinterpret_cast<__m512i*>(to + i * 64);
      kStream ? _mm512_stream_si512(at, all) : _mm512_storeu_si512(at, all);
    }
  }
  if (kWrite == 0) asm volatile("" ::"v"(all));
  if (kStream) _mm_sfence();
}

template <int kRead, int kWrite, bool kStream, RoofFrom kFrom>
__attribute__((target("avx2"))) void LoopAvx2(const char* from, char* to, int64_t units) {
  __m256i low = _mm256_setzero_si256(), high = low;
  for (int64_t u = 0; u < units; ++u, from += kRead * 64, to += kWrite * 64) {
    if (kFrom == RoofFrom::kMemory) AskForPage(from, kRead);
    for (int i = 0; i < kRead; ++i) {
      AskForLine<kFrom>(from + i * 64);
      const auto* const at = reinterpret_cast<const __m256i*>(from + i * 64);
      low = _mm256_xor_si256(low, _mm256_loadu_si256(at));
      high = _mm256_xor_si256(high, _mm256_loadu_si256(at + 1));
    }
    for (int i = 0; i < kWrite; ++i) {
      auto* const at = reinterpret_cast<__m256i*>(to + i * 64);
      kStream ? _mm256_stream_si256(at, low) : _mm256_storeu_si256(at, low);
      kStream ? _mm256_stream_si256(at + 1, high) : _mm256_storeu_si256(at + 1, high);
    }
  }
  if (kWrite == 0) asm volatile("" ::"x"(low), "x"(high));
  if (kStream) _mm_sfence();
}

#endif  // KVANT_COPY_ROOF_X86

// The baseline: SSE2 on x86 (with its streaming stores), NEON on AArch64.
template <int kRead, int kWrite, bool kStream>
void LoopBaseline(const char* from, char* to, int64_t units) {
  using Vector = uint64_t __attribute__((vector_size(16)));
  Vector all[4] = {};
  for (int64_t u = 0; u < units; ++u, from += kRead * 64, to += kWrite * 64) {
    for (int i = 0; i < kRead; ++i) {
      for (int v = 0; v < 4; ++v) {
        Vector in;
        std::memcpy(&in, from + i * 64 + v * 16, sizeof in);
        all[v] ^= in;
      }
    }
    for (int i = 0; i < kWrite; ++i) {
      for (int v = 0; v < 4; ++v) {
        char* const at = to + i * 64 + v * 16;
#ifdef KVANT_COPY_ROOF_X86
        if constexpr (kStream) {
          _mm_stream_si128(reinterpret_cast<__m128i*>(at), reinterpret_cast<const __m128i&>(all[v]));
          continue;
        }
#endif
        std::memcpy(at, &all[v], sizeof all[v]);
      }
    }
  }
  if (kWrite == 0) asm volatile("" ::"m"(all));
#ifdef KVANT_COPY_ROOF_X86
  if (kStream) _mm_sfence();
#endif
}

template <int kRead, int kWrite, bool kStream, RoofFrom kFrom>
Loop WidestLoop() {
#ifdef KVANT_COPY_ROOF_X86
  if (__builtin_cpu_supports("avx512f")) return LoopAvx512<kRead, kWrite, kStream, kFrom>;
  if (__builtin_cpu_supports("avx2")) return LoopAvx2<kRead, kWrite, kStream, kFrom>;
#endif
  return LoopBaseline<kRead, kWrite, kStream>;
}

struct Pattern {
  int read, write;   // lines of 64 bytes a turn
  Loop loops[2][2];  // by RoofStores and RoofFrom

  Loop For(RoofStores stores, RoofFrom from) const { return loops[static_cast<int>(stores)][static_cast<int>(from)]; }
};

template <int kRead, int kWrite>
Pattern MakePattern() {
  return {
      kRead,
      kWrite,
      {{WidestLoop<kRead, kWrite, false, RoofFrom::kCache>(), WidestLoop<kRead, kWrite, false, RoofFrom::kMemory>()},
       {WidestLoop<kRead, kWrite, true, RoofFrom::kCache>(), WidestLoop<kRead, kWrite, true, RoofFrom::kMemory>()}}};
}

// The loop that does the largest share of the work, and how often it turns; what the ratio leaves over comes after it.
// Lines are 64 bytes.
inline const Pattern& PatternFor(int64_t read_lines, int64_t write_lines, int64_t* units) {
  static const Pattern kPatterns[] = {MakePattern<1, 0>(), MakePattern<8, 1>(), MakePattern<4, 1>(),
                                      MakePattern<2, 1>(), MakePattern<1, 1>(), MakePattern<1, 2>(),
                                      MakePattern<1, 4>(), MakePattern<1, 8>(), MakePattern<0, 1>()};
  const Pattern* best = kPatterns;
  int64_t most = 0;
  *units = 0;
  for (const Pattern& p : kPatterns) {
    const int64_t turns =
        std::min(p.read != 0 ? read_lines / p.read : INT64_MAX, p.write != 0 ? write_lines / p.write : INT64_MAX);
    if (turns * (p.read + p.write) <= most) continue;
    most = turns * (p.read + p.write);
    best = &p;
    *units = turns;
  }
  return *best;
}

}  // namespace roof

// Reads `read_bytes` and writes `write_bytes`, both streams advancing together, on the calling thread. `to` is aligned
// to 64 bytes. Less than 64 bytes at the end of either may be left out.
inline void MoveBytes(const char* from, int64_t read_bytes, char* to, int64_t write_bytes, RoofStores stores,
                      RoofFrom where) {
  for (int64_t reads = read_bytes / 64, writes = write_bytes / 64; reads > 0 || writes > 0;) {
    int64_t units = 0;
    const roof::Pattern& p = roof::PatternFor(reads, writes, &units);
    p.For(stores, where)(from, to, units);
    from += units * p.read * 64;
    to += units * p.write * 64;
    reads -= units * p.read;
    writes -= units * p.write;
  }
}

inline void MoveBytes(const char* from, int64_t read_bytes, char* to, int64_t write_bytes, RoofStores stores) {
  MoveBytes(from, read_bytes, to, write_bytes, stores, RoofFromOf(read_bytes));
}

// The same, split over the threads of `parallel`.
inline void MoveBytes(const ParallelFor& parallel, const char* from, int64_t read_bytes, char* to, int64_t write_bytes,
                      RoofStores stores) {
  struct Job {
    const char* from;
    int64_t read_bytes;
    char* to;
    int64_t write_bytes;
    RoofStores stores;
    RoofFrom where;
    int tasks;
  };
  Job job = {from, read_bytes, to, write_bytes, stores, RoofFromOf(read_bytes), parallel.num_threads};
  if (job.tasks <= 1) return MoveBytes(from, read_bytes, to, write_bytes, stores, job.where);
  parallel.run(
      parallel.pool, job.tasks,
      [](void* arg, int t) {
        const Job& j = *static_cast<const Job*>(arg);
        const auto cut = [&](int64_t bytes, int task) {
          return task == j.tasks ? bytes : bytes / 64 * task / j.tasks * 64;
        };
        const int64_t in = cut(j.read_bytes, t), out = cut(j.write_bytes, t);
        MoveBytes(j.from + in, cut(j.read_bytes, t + 1) - in, j.to + out, cut(j.write_bytes, t + 1) - out, j.stores,
                  j.where);
      },
      &job);
}

}  // namespace kvant::testing

#endif  // KVANT_TESTING_COPY_ROOF_H_

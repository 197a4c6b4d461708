// The floating-point control word of a thread, set by other means than the library's own, and the states a caller may
// have left it in.
#ifndef KVANT_TESTING_FP_STATE_H_
#define KVANT_TESTING_FP_STATE_H_

#include <cstdint>
#include <vector>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace kvant::testing {

#if defined(__x86_64__) || defined(__i386__)
using FpWord = uint32_t;
inline FpWord GetFpWord() { return _mm_getcsr() & ~FpWord{0x3F}; }  // without the sticky exception flags
inline void SetFpWord(FpWord word) { _mm_setcsr(word); }
inline constexpr FpWord kDefaultFpWord = 0x1F80;
inline constexpr FpWord kFlushBits = 0x8040;  // FTZ and DAZ
inline constexpr FpWord kDownBits = 0x2000, kUpBits = 0x4000, kTowardZeroBits = 0x6000;
#elif defined(__aarch64__)
using FpWord = uint64_t;
inline FpWord GetFpWord() {
  FpWord word;
  __asm__ volatile("mrs %0, fpcr" : "=r"(word));
  return word;
}
inline void SetFpWord(FpWord word) { __asm__ volatile("msr fpcr, %0" : : "r"(word)); }
inline constexpr FpWord kDefaultFpWord = 0;
inline constexpr FpWord kFlushBits = 1 << 24;
inline constexpr FpWord kUpBits = 1 << 22, kDownBits = 2 << 22, kTowardZeroBits = 3 << 22;
#else
#error "say how this machine's floating-point state is read and set"
#endif

inline std::vector<FpWord> OddFpWords() {
  return {kDefaultFpWord | kFlushBits, kDefaultFpWord | kUpBits, kDefaultFpWord | kDownBits,
          kDefaultFpWord | kTowardZeroBits | kFlushBits, kDefaultFpWord | kUpBits | kFlushBits};
}

// A state for a scope; Unchanged() says whether it still is the one that was set.
class ScopedFpWord {
 public:
  explicit ScopedFpWord(FpWord word) : word_(word), saved_(GetFpWord()) { SetFpWord(word); }
  ~ScopedFpWord() { SetFpWord(saved_); }
  ScopedFpWord(const ScopedFpWord&) = delete;
  ScopedFpWord& operator=(const ScopedFpWord&) = delete;
  bool Unchanged() const { return GetFpWord() == word_; }

 private:
  const FpWord word_, saved_;
};

}  // namespace kvant::testing

#endif  // KVANT_TESTING_FP_STATE_H_

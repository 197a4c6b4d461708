// The floating-point state of a kernel: nearest even with subnormals, whatever the caller had, restored on the way out.
#ifndef KVANT_NUMERICS_FP_ENV_H_
#define KVANT_NUMERICS_FP_ENV_H_

#include <cstdint>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace kvant {

// Sets the default state, or one that flushes subnormals, for a scope. Flushing exists for speed on x86 alone, where
// an operation on a subnormal costs over a hundred cycles; elsewhere every mode is kDefault.
class FpEnv {
 public:
  enum Mode {
    kDefault,
    kFlush,         // results and operands
    kFlushResults,  // a subnormal operand counts; Flushed() says whether a result was made zero
  };

  // Whether a result has been flushed, or has underflowed, since the last call or a new state; on the calling thread.
  // False where nothing is ever flushed.
  static bool Flushed() {
#if defined(__x86_64__) || defined(__i386__)
    constexpr Word kUnderflow = 0x10;
    const Word word = Get();
    if ((word & kUnderflow) == 0) return false;
    Set(word & ~kUnderflow);
    return true;
#else
    return false;
#endif
  }

  // The register is read once, because that is slow; a scope inside this one restores what it found.
  explicit FpEnv(Mode mode) : saved_(Get()), changed_(((saved_ ^ Bits(mode)) & ~kIgnored) != 0) {
    if (changed_) Set(Bits(mode));
  }
  ~FpEnv() {
    if (changed_) Set(saved_);
  }
  FpEnv(const FpEnv&) = delete;
  FpEnv& operator=(const FpEnv&) = delete;

 private:
#if defined(__x86_64__) || defined(__i386__)
  using Word = uint32_t;
  static Word Get() { return _mm_getcsr(); }
  static void Set(Word w) { _mm_setcsr(w); }
  // Exceptions masked, nearest even, no flag raised; flush-to-zero and denormals-are-zero are bits 15 and 6.
  static Word Bits(Mode mode) { return mode == kFlush ? 0x9FC0 : mode == kFlushResults ? 0x9F80 : 0x1F80; }
  // Sticky exception flags are the caller's business but not worth a write of the register.
  static constexpr Word kIgnored = 0x3F;
#elif defined(__aarch64__)
  using Word = uint64_t;
  static Word Get() {
    Word w;
    __asm__ volatile("mrs %0, fpcr" : "=r"(w));
    return w;
  }
  static void Set(Word w) { __asm__ volatile("msr fpcr, %0" : : "r"(w)); }
  static Word Bits(Mode) { return 0; }
  static constexpr Word kIgnored = 0;
#else
  using Word = uint32_t;
  static Word Get() { return 0; }
  static void Set(Word) {}
  static Word Bits(Mode) { return 0; }
  static constexpr Word kIgnored = 0;
#endif
  const Word saved_;
  const bool changed_;
};

}  // namespace kvant

#endif  // KVANT_NUMERICS_FP_ENV_H_

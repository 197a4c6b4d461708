// Division by a number that is known long before, for where division is slow.
#ifndef KVANT_CORE_DIVISOR_H_
#define KVANT_CORE_DIVISOR_H_

#include <algorithm>
#include <cstdint>

#include "kvant/core/macros.h"

namespace kvant {

// Of numbers below 2^31 by one up to 2^31; 0 counts as 1. They are multiplied by 2^(32 + shift) / divisor, rounded up:
// with shift the least for which 2^(shift + 1) reaches the divisor, what that is too much stays below 1 / divisor.
class Divisor {
 public:
  Divisor() = default;
  explicit Divisor(uint32_t divisor) : divisor_(std::max(divisor, 1u)) {
    while (uint64_t{2} << shift_ < divisor_) ++shift_;
    factor_ = static_cast<uint32_t>(((uint64_t{1} << 32 << shift_) + divisor_ - 1) / divisor_);
  }

  KVANT_HOST_DEVICE uint32_t Quotient(uint32_t n) const {
    return divisor_ == 1 ? n : static_cast<uint32_t>(static_cast<uint64_t>(n) * factor_ >> 32) >> shift_;
  }
  KVANT_HOST_DEVICE uint32_t divisor() const { return divisor_; }

 private:
  uint32_t divisor_ = 1, factor_ = 0;
  int shift_ = 0;
};

}  // namespace kvant

#endif  // KVANT_CORE_DIVISOR_H_

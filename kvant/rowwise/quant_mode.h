// Which elements share one scale.
#ifndef KVANT_ROWWISE_QUANT_MODE_H_
#define KVANT_ROWWISE_QUANT_MODE_H_

#include <cstdint>
#include <string_view>

namespace kvant {

enum class QuantMode : uint8_t {
  kPerToken,    // the last dimension of one row (or group_size consecutive elements of it)
  kPerTensor,   // the whole tensor
  kPerChannel,  // dimension -2, for each leading index and each column
};

constexpr QuantMode LastOf(QuantMode) { return QuantMode::kPerChannel; }

constexpr std::string_view Name(QuantMode m) {
  return m == QuantMode::kPerToken ? "pertoken" : m == QuantMode::kPerTensor ? "pertensor" : "perchannel";
}

constexpr bool ParseQuantMode(std::string_view name, QuantMode* m) {
  for (QuantMode candidate : {QuantMode::kPerToken, QuantMode::kPerTensor, QuantMode::kPerChannel}) {
    if (name == Name(candidate)) {
      *m = candidate;
      return true;
    }
  }
  return false;
}

}  // namespace kvant

#endif  // KVANT_ROWWISE_QUANT_MODE_H_

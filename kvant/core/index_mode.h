// How indices say where updates go, and what an index that points outside means.
#ifndef KVANT_CORE_INDEX_MODE_H_
#define KVANT_CORE_INDEX_MODE_H_

#include <cstdint>
#include <string_view>

namespace kvant {

// For n updates along axis a of a destination `self`, each of them U positions long; 0 <= t < U:
//   kBatch  indices [n]     self[i, .., indices[i] + t, ..] = updates[i, .., t, ..]; n is at most self.shape[0]
//   kPair   indices [n, 2]  self[indices[i, 0], .., indices[i, 1] + t, ..] = updates[i, .., t, ..]
//   kSlot   indices [n]     self[s / P, .., s % P, ..] = updates[i, ..] with s = indices[i] and P = self.shape[a]:
//                           caches of pages of P positions; updates lack dimension a
// -1 in either element of a pair, or as a slot, marks padding: that update is skipped.
enum class IndexMode : uint8_t { kBatch, kPair, kSlot };

// kError  any other index that points outside is an error, and nothing is written.
// kSkip   such an update is skipped as a whole; the others are written.
enum class IndexPolicy : uint8_t { kError, kSkip };

constexpr IndexMode LastOf(IndexMode) { return IndexMode::kSlot; }
constexpr IndexPolicy LastOf(IndexPolicy) { return IndexPolicy::kSkip; }

constexpr std::string_view Name(IndexMode m) {
  return m == IndexMode::kBatch ? "batch" : m == IndexMode::kPair ? "pair" : "slot";
}
constexpr std::string_view Name(IndexPolicy p) { return p == IndexPolicy::kError ? "error" : "skip"; }

}  // namespace kvant

#endif  // KVANT_CORE_INDEX_MODE_H_

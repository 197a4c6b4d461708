// Whether tensors share memory, judged by their elements: interleaved parts of one buffer, such as buf[:, :h] and
// buf[:, h:], do not.
#ifndef KVANT_CORE_OVERLAP_H_
#define KVANT_CORE_OVERLAP_H_

#include <cstdint>

#include "kvant/core/tensor.h"

namespace kvant {

// The addresses between a tensor's ends; none of a tensor without elements or an absent one, all of them where
// Overlaps() has no answer.
struct ByteSpan {
  uint64_t begin = 0;
  uint64_t end = 0;
  bool repeats = false;        // elements, by a stride of 0
  bool steps_outward = false;  // each dimension steps over everything inside it, so that no two elements can meet
  bool unknown = false;

  bool empty() const { return begin == end; }
  bool Meets(const ByteSpan& o) const { return begin < o.end && o.begin < end; }
};
ByteSpan BytesOf(const ConstTensorView& t);

// Both functions are exact and allocate nothing. Tensors without elements, absent ones included, overlap nothing.
// "Overlap" is also the answer where there is none to be had: for ranks above kMaxRank, for views that span more than
// 2^58 elements or reach past an end of the address space, and for layouts so irregular that about a million steps of
// search do not settle them. Views whose strides are multiples of one another, as in all cuts of one buffer, take a
// handful.

// Two different indices of t name the same byte.
bool OverlapsItself(const ConstTensorView& t);

// An element of a and an element of b share a byte.
bool Overlaps(const ConstTensorView& a, const ConstTensorView& b);

}  // namespace kvant

#endif  // KVANT_CORE_OVERLAP_H_

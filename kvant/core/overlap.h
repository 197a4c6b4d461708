// Whether tensors share memory, judged by their elements: interleaved parts of one buffer, such as buf[:, :h] and
// buf[:, h:], do not.
#ifndef KVANT_CORE_OVERLAP_H_
#define KVANT_CORE_OVERLAP_H_

#include "kvant/core/tensor.h"

namespace kvant {

// Both functions are exact and allocate nothing. Tensors without elements, absent ones included, overlap nothing.
// "Overlap" is also the answer where there is none to be had: for ranks above kMaxRank, for views that span more than
// 2^59 elements or reach past an end of the address space, and for layouts so irregular that about a million steps of
// search do not settle them. Views whose strides are multiples of one another, as in all cuts of one buffer, take a
// handful.

// Two different indices of t name the same byte.
bool OverlapsItself(const ConstTensorView& t);

// An element of a and an element of b share a byte.
bool Overlaps(const ConstTensorView& a, const ConstTensorView& b);

}  // namespace kvant

#endif  // KVANT_CORE_OVERLAP_H_

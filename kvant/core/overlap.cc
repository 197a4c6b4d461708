#include "kvant/core/overlap.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>

namespace kvant {
namespace {

// From a view's first to its last element. In bytes that is at most 2^62, and two such spans, or one doubled, fit 64
// bits.
constexpr uint64_t kMaxSpan = uint64_t{1} << 58;
// About 20 ms of search.
constexpr int kMaxSearchSteps = 1 << 20;

// The multiples step * x with 0 <= x <= count. Both are positive.
struct Term {
  uint64_t step;
  uint64_t count;
};

uint64_t Magnitude(int64_t stride) {
  return stride < 0 ? -static_cast<uint64_t>(stride) : static_cast<uint64_t>(stride);
}

// The dimensions of a view whose span is known, in bytes, turned so that all strides are positive: elements start at
// ByteSpan::begin plus one multiple of each term. Innermost first.
int Terms(const ConstTensorView& t, Term (&terms)[kMaxRank]) {
  int size = 0;
  for (int d = t.rank() - 1; d >= 0; --d) {
    if (t.shape(d) == 1 || t.stride(d) == 0) continue;
    const uint64_t step = Magnitude(t.stride(d)) * static_cast<uint64_t>(ByteSize(t.dtype()));
    terms[size++] = {step, static_cast<uint64_t>(t.shape(d) - 1)};
  }
  return size;
}

void SortBySteps(Term* terms, int size) {
  // By insertion: there are few, and views give them nearly in order.
  for (int i = 1; i < size; ++i) {
    const Term term = terms[i];
    int j = i;
    for (; j > 0 && terms[j - 1].step > term.step; --j) terms[j] = terms[j - 1];
    terms[j] = term;
  }
}

// The inverse of a modulo m, for a and m without a common factor.
uint64_t InverseModulo(uint64_t a, uint64_t m) {
  int64_t r0 = static_cast<int64_t>(m), r1 = static_cast<int64_t>(a % m);
  int64_t t0 = 0, t1 = 1;
  while (r1 != 0) {
    const int64_t quotient = r0 / r1;
    r0 = std::exchange(r1, r0 - quotient * r1);
    t0 = std::exchange(t1, t0 - quotient * t1);
  }
  return static_cast<uint64_t>(t0 < 0 ? t0 + static_cast<int64_t>(m) : t0);
}

// Which numbers are a sum of one multiple of each of some terms.
class Sums {
 public:
  void Add(uint64_t step, uint64_t count) {
    if (count != 0) levels_[size_++].term = {step, count};
  }

  // `target` is at most the sum of all terms' largest multiples. Also true when the search was given up.
  bool Reach(uint64_t target) {
    Join();
    Prepare();
    if (size_ == 0) return target == 0;
    const uint64_t all = std::gcd(levels_[size_ - 1].gcd_below, levels_[size_ - 1].term.step);
    return target % all == 0 && Search(size_ - 1, target);
  }

 private:
  struct Level {
    Term term;
    uint64_t sum_below;  // the largest sum of the terms below this one
    uint64_t gcd_below;  // and the greatest common divisor of their steps
    uint64_t modulus;    // x is known modulo this number:
    uint64_t divisor;    // target / divisor * inverse
    uint64_t inverse;
  };

  // Sorts, and joins terms that make one gapless progression: with a step that is a multiple of a smaller one, and not
  // beyond the place where that one's multiples end. What contiguous and regularly cut tensors have leaves one to
  // three.
  void Join() {
    Term terms[kMaxTerms];
    for (int i = 0; i < size_; ++i) terms[i] = levels_[i].term;
    SortBySteps(terms, size_);
    int kept = 0;
    for (int i = 0; i < size_; ++i) {
      int host = 0;
      while (host < kept && !Joins(terms[i], &levels_[host].term)) ++host;
      if (host == kept) levels_[kept++].term = terms[i];
    }
    size_ = kept;
  }

  static bool Joins(const Term& larger, Term* smaller) {
    const uint64_t ratio = larger.step / smaller->step;
    if (ratio - 1 > smaller->count || larger.step % smaller->step != 0) return false;
    smaller->count += larger.count * ratio;
    return true;
  }

  void Prepare() {
    uint64_t sum = 0, gcd = 0;
    for (int i = 0; i < size_; ++i) {
      Level& level = levels_[i];
      level.sum_below = sum;
      level.gcd_below = gcd;
      sum += level.term.step * level.term.count;
      gcd = std::gcd(gcd, level.term.step);
      level.divisor = gcd;
      level.modulus = i == 0 ? 1 : level.gcd_below / gcd;
      level.inverse = level.modulus == 1 ? 0 : InverseModulo(level.term.step / gcd, level.modulus);
    }
  }

  // Whether terms 0..top sum to target, which is at most their largest sum and a multiple of their common divisor.
  bool Search(int top, uint64_t target) {
    if (top == 0) return true;
    const Level& level = levels_[top];
    const uint64_t step = level.term.step;
    // What remains for the smaller terms has to be within their reach ...
    const uint64_t least = target > level.sum_below ? (target - level.sum_below - 1) / step + 1 : 0;
    const uint64_t most = std::min(level.term.count, target / step);
    // ... and a multiple of their common divisor.
    uint64_t x = least;
    if (level.modulus != 1) {
      const uint64_t residue =
          static_cast<uint64_t>(static_cast<unsigned __int128>(target / level.divisor) * level.inverse % level.modulus);
      const uint64_t from = least % level.modulus;
      x += residue >= from ? residue - from : residue + level.modulus - from;
    }
    for (; x <= most; x += level.modulus) {
      if (top == 1 || ++steps_ > kMaxSearchSteps || Search(top - 1, target - step * x)) return true;
    }
    return false;
  }

  static constexpr int kMaxTerms = 2 * kMaxRank + 1;
  Level levels_[kMaxTerms];
  int size_ = 0;
  int steps_ = 0;
};

// Whether t repeats an element, for terms in ascending order. Where every step is greater than all that smaller ones
// add up to, it does not. Elsewhere suppose that two indices differ, in the largest step by d of term `top`, and name
// the same element: step_top * d is then the sum of step_j * e_j over the smaller terms, 1 <= d <= count_top, |e_j| <=
// count_j. Written with count_j - e_j and d - 1, which are not negative.
bool Repeats(const Term* terms, int size) {
  uint64_t sum_below = 0;
  for (int top = 0; top < size; ++top) {
    const Term& term = terms[top];
    if (term.step <= sum_below) {
      Sums sums;
      for (int j = 0; j < top; ++j) sums.Add(terms[j].step, 2 * terms[j].count);
      sums.Add(term.step, term.count - 1);
      if (sums.Reach(sum_below + term.step * term.count)) return true;
    }
    sum_below += term.step * term.count;
  }
  return false;
}

}  // namespace

ByteSpan BytesOf(const ConstTensorView& t) {
  const ByteSpan unknown{0, UINT64_MAX, false, false, true};
  const int rank = t.rank();
  if (rank < 0) return {};
  if (rank > kMaxRank) return unknown;
  const int64_t* const shape = t.shape().data();
  const int64_t* const strides = t.strides().data();
  ByteSpan span;
  span.steps_outward = true;
  uint64_t before = 0, after = 0;
  bool fits = true;
  for (int d = rank - 1; d >= 0; --d) {
    if (shape[d] <= 0) return {};
    if (shape[d] == 1) continue;
    span.repeats |= strides[d] == 0;
    span.steps_outward &= strides[d] > static_cast<int64_t>(after);
    uint64_t length;
    fits &= !__builtin_mul_overflow(Magnitude(strides[d]), static_cast<uint64_t>(shape[d] - 1), &length);
    fits &= length <= kMaxSpan - before - after;
    (strides[d] < 0 ? before : after) += fits ? length : 0;
  }
  const uint64_t element = static_cast<uint64_t>(ByteSize(t.dtype()));
  const uint64_t data = reinterpret_cast<uintptr_t>(t.data());
  before *= element;
  if (!fits || before > data || __builtin_add_overflow(data, (after + 1) * element, &span.end)) return unknown;
  span.begin = data - before;
  return span;
}

bool OverlapsItself(const ConstTensorView& t) {
  const ByteSpan span = BytesOf(t);
  if (span.empty()) return false;
  if (span.unknown || span.repeats) return true;
  if (span.steps_outward) return false;
  Term terms[kMaxRank];
  const int size = Terms(t, terms);
  SortBySteps(terms, size);
  return Repeats(terms, size);
}

bool Overlaps(const ConstTensorView& a, const ConstTensorView& b) {
  const ByteSpan span_a = BytesOf(a), span_b = BytesOf(b);
  if (!span_a.Meets(span_b)) return false;
  if (span_a.unknown || span_b.unknown) return true;
  // A byte of a is begin + multiples + p with p below the element's size; a byte of b the same, counted down from its
  // last one so that everything is added.
  Sums sums;
  sums.Add(1, static_cast<uint64_t>(ByteSize(a.dtype()) + ByteSize(b.dtype()) - 2));
  for (const ConstTensorView* t : {&a, &b}) {
    Term terms[kMaxRank];
    const int size = Terms(*t, terms);
    for (int i = 0; i < size; ++i) sums.Add(terms[i].step, terms[i].count);
  }
  return sums.Reach(span_b.end - 1 - span_a.begin);
}

}  // namespace kvant

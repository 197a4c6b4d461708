// Short rows that follow one another, as one row whose scale, offset and inverse change from vector to vector: no row
// has a beginning, and no store an end, of its own.
#if defined(KVANT_ROWWISE_CONTIGUOUS_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KVANT_ROWWISE_CONTIGUOUS_ROWS_INL_H_
#undef KVANT_ROWWISE_CONTIGUOUS_ROWS_INL_H_
#else
#define KVANT_ROWWISE_CONTIGUOUS_ROWS_INL_H_
#endif

#include "kvant/rowwise/batch-inl.h"

HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {

// Elements of a batch to codes where rows are whole vectors: each vector has the parameters of its row.
template <class In, Format kFormat, bool kAsymmetric>
struct ContiguousEncoder {
  static constexpr Format kTo = kFormat;
  static constexpr bool kFixed = false;

  const In* x;
  const float *scale, *inverse, *offset;
  size_t rows_per_vector;  // times 2^16, rounded up: j * this / 2^16 is the row of vector j

  template <class L>
  KVANT_INLINE typename L::I Encode(const In* at, const float*) const {
    return EncodeFast<kFormat, kAsymmetric, std::is_same_v<In, float>, L>(
        L::Load(at), 1.0f, Of<L>(scale, at), Of<L>(inverse, at), kAsymmetric ? Of<L>(offset, at) : L::Set(0.0f));
  }

  // What the rows have that the vectors at `at` are of.
  template <class L>
  KVANT_INLINE typename L::F Of(const float* values, const In* at) const {
    const size_t j = static_cast<size_t>(at - x) / VectorLanes::N();
    if constexpr (std::is_same_v<L, VectorLanes>) {
      return L::Set(One(values, j));
    } else if constexpr (sizeof(In) == 2) {  // rows are pairs of vectors
      const auto first = VectorLanes::Set(One(values, j)), second = VectorLanes::Set(One(values, j + 2));
      return {first, first, second, second};
    } else {
      return {VectorLanes::Set(One(values, j)), VectorLanes::Set(One(values, j + 1)),
              VectorLanes::Set(One(values, j + 2)), VectorLanes::Set(One(values, j + 3))};
    }
  }

 private:
  KVANT_INLINE float One(const float* values, size_t j) const { return values[j * rows_per_vector >> 16]; }
};

#if !HWY_HAVE_SCALABLE
// The same without quotients (numerics/quotient.inc).
template <class In, Format kFormat, bool kAsymmetric>
struct FixedContiguousEncoder {
  static constexpr Format kTo = kFormat;
  static constexpr bool kFixed = true;
  static constexpr int kBits = Info(kFormat).bits;
  static constexpr int32_t kNearTie = kNear<kAsymmetric>;
  static constexpr ElementOrder kOrder = std::is_same_v<In, BFloat16> ? ElementOrder::kPairs : ElementOrder::kVectors;
  using Other = ContiguousEncoder<In, kFormat, kAsymmetric>;

  Other rows;
  const float* start;  // FixedStart of each row, asymmetric only

  KVANT_INLINE Other ByQuotients() const { return rows; }
};

template <class In, Format kFormat, bool kAsymmetric>
struct EncoderConstants<FixedContiguousEncoder<In, kFormat, kAsymmetric>>
    : StoreConstants<FixedContiguousEncoder<In, kFormat, kAsymmetric>> {
  using Encoder = FixedContiguousEncoder<In, kFormat, kAsymmetric>;
  using L = QuadLanes;
  using V = VectorLanes;
  Encoder encode;
  V::F start = InRegister(V::Set(FixedStart<Encoder::kBits, kAsymmetric>(0.0f)));

  explicit KVANT_INLINE EncoderConstants(const Encoder& e) : encode(e) {}

  KVANT_INLINE L::I Encode(const In* at, const float*) const {
    const L::F inverse = encode.rows.template Of<L>(encode.rows.inverse, at);
    const L::F from = kAsymmetric ? encode.rows.template Of<L>(encode.start, at) : L::F{start, start, start, start};
    return FixedCodes<L>(this->Load(at), inverse, from);
  }
};

// FixedStart of each row; returns the rows whose offsets it is made for.
template <int kBits>
KVANT_INLINE RowMask FixedStarts(const float* offset, int rows, float* start) {
  constexpr FixedOffsets kOffsets(kBits);
  const F middle = VectorLanes::Set(FixedStart<kBits, true>(0.0f));
  RowMask taken = 0;
  for (size_t i = 0; i < static_cast<size_t>(rows); i += VectorLanes::N()) {
    const F o = VectorLanes::Load(offset + i);
    hn::StoreU(hn::Add(middle, o), VectorLanes::DF(), start + i);
    taken |= RowsOfMask(hn::And(hn::Ge(o, VectorLanes::Set(kOffsets.from)), hn::Le(o, VectorLanes::Set(kOffsets.to))))
             << i;
  }
  return taken;
}
#endif

// Whether rows are whole vectors of patterns and whole stores, they and their codes one after the other.
template <class In, Format kFormat>
KVANT_INLINE bool AreContiguous(const ShortRowsArgs& a) {
  const size_t n = static_cast<size_t>(a.n);
  return a.x_rows == nullptr && a.y_rows == nullptr && a.x_stride == a.n && n % Patterns<In, false>::N() == 0 &&
         a.y_stride == static_cast<int64_t>(CodeBytes<kFormat>(n)) &&
         n * static_cast<size_t>(a.rows) % BlockElements<kFormat>() == 0;
}

// Measures and encodes the regular rows; returns the others, whose codes are unspecified. Rows are contiguous, but
// where the last store is not whole there is room for it.
template <class In, Format kFormat, bool kAsymmetric>
HWY_NOINLINE RowMask ContiguousRows(const ShortRowsArgs& a) {
  const size_t n = static_cast<size_t>(a.n), block = BlockElements<kFormat>();
  const In* x = static_cast<const In*>(a.x);
  BatchRange<In> range;
  MeasureBatch<kAsymmetric>(a, range);
  HWY_ALIGN float inverse[kShortRowsRoom];
  const RowMask regular = BatchParams<kAsymmetric>(a, PathRule(kFormat, kAsymmetric), range, inverse);
  const size_t vectors = n / VectorLanes::N();
  const ContiguousEncoder<In, kFormat, kAsymmetric> encode{x, a.scale, inverse, a.offset,
                                                           (size_t{65536} + vectors - 1) / vectors};
  const size_t total = n * static_cast<size_t>(a.rows);
  const RowMask irregular = ~regular & AllRows(a.rows);
  const bool stream =
      (a.flags & kStreamStores) != 0 && reinterpret_cast<uintptr_t>(a.y) % CodeBytes<kFormat>(block) == 0;
  const auto ask = [&](size_t i) HWY_ATTR {
    Fetch(a.prefetch, i * sizeof(In), block * sizeof(In), a.flags);
    Fetch(a.prefetch_y, CodeBytes<kFormat>(i), CodeBytes<kFormat>(block), a.flags);
  };
#if !HWY_HAVE_SCALABLE
  if constexpr (IsInteger(kFormat)) {
    float start[kShortRowsRoom];
    if (!kAsymmetric || (regular & ~FixedStarts<Info(kFormat).bits>(a.offset, a.rows, start)) == 0) {
      const FixedContiguousEncoder<In, kFormat, kAsymmetric> fixed{encode, start};
      const BlockConstants<FixedContiguousEncoder<In, kFormat, kAsymmetric>> constants(fixed);
      const uint32_t flags = stream ? a.flags : a.flags & ~kStreamStores;
      constexpr size_t kChunk = 64;  // blocks
      for (size_t from = 0; from < total; from += kChunk * block) {
        const size_t until = HWY_MIN(total, from + kChunk * block);
        uint64_t again = 0;
        for (size_t i = from, b = 0; i < until; i += block, ++b) {
          ask(i);
          const bool near = EncodeFixed<false>(fixed, constants, x + i, nullptr, a.y + CodeBytes<kFormat>(i), flags);
          again |= uint64_t{near} << b;
        }
        if (again != 0) EncodeAgain<false>(encode, x + from, nullptr, a.y + CodeBytes<kFormat>(from), again, stream);
      }
      return irregular;
    }
  }
#endif
  for (size_t i = 0; i < total; i += block) {
    ask(i);
    EncodeQuotients<false>(encode, x + i, nullptr, a.y + CodeBytes<kFormat>(i), stream);
  }
  return irregular;
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard

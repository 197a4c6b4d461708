// The table of row kernels of one element type, for the target being compiled.
#if defined(KVANT_ROWWISE_CPU_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KVANT_ROWWISE_CPU_INL_H_
#undef KVANT_ROWWISE_CPU_INL_H_
#else
#define KVANT_ROWWISE_CPU_INL_H_
#endif

#include <algorithm>
#include <bit>
#include <type_traits>

#include "hwy/highway.h"
#include "kvant/rowwise/kernels.h"

#if HWY_TARGET != HWY_SCALAR
#include "kvant/rowwise/columns-inl.h"
#include "kvant/rowwise/encode-inl.h"
#include "kvant/rowwise/measure-inl.h"
#include "kvant/rowwise/short_rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {

template <class In, Format kFormat, bool kAsymmetric, bool kSmooth>
constexpr void FillPaths(EncodeFunction (&paths)[kNumPaths]) {
  paths[static_cast<int>(Path::kExact)] = Encode<In, kFormat, kAsymmetric, kSmooth, Path::kExact>;
  paths[static_cast<int>(Path::kFast)] = Encode<In, kFormat, kAsymmetric, kSmooth, Path::kFast>;
  paths[static_cast<int>(Path::kFastTiny)] = Encode<In, kFormat, kAsymmetric, kSmooth, Path::kFastTiny>;
}

template <class In, Format kFormat, bool kHybrid>
constexpr void FillColumns(EncodeColumnsFunction (&ops)[kNumColumnOps]) {
  ops[static_cast<int>(ColumnOp::kDivide)] = EncodeColumns<In, kFormat, kHybrid, ColumnOp::kDivide>;
  ops[static_cast<int>(ColumnOp::kDivideFast)] = EncodeColumns<In, kFormat, kHybrid, ColumnOp::kDivideFast>;
  ops[static_cast<int>(ColumnOp::kMultiply)] = EncodeColumns<In, kFormat, kHybrid, ColumnOp::kMultiply>;
}

template <class In, Format kFormat>
constexpr void FillFormat(RowKernels& k) {
  constexpr int f = static_cast<int>(kFormat);
  FillPaths<In, kFormat, false, false>(k.encode[f][0][0]);
  FillPaths<In, kFormat, false, true>(k.encode[f][0][1]);
  FillPaths<In, kFormat, true, false>(k.encode[f][1][0]);
  FillPaths<In, kFormat, true, true>(k.encode[f][1][1]);
  k.short_rows[f][0] = ShortRows<In, kFormat, false>;
  k.short_rows[f][1] = ShortRows<In, kFormat, true>;
  FillColumns<In, kFormat, false>(k.encode_columns[f]);
}

template <class In>
constexpr RowKernels MakeRowKernels(uint32_t flags) {
  RowKernels k{};
  k.flush_subnormals = true;
  k.flags = flags;
  k.min_max = MinMax<In>;
  k.amax = Amax<In>;
  k.min_max_columns = MinMaxColumns<In>;
  k.shared_room = 4 * hn::MaxLanes(VectorLanes::DF());  // what one store takes; INT4 reads it twice
#define KVANT_ROW(id, name, bits, d, npu, graph) FillFormat<In, Format::id>(k);
  KVANT_FORMAT_LIST(KVANT_ROW)
#undef KVANT_ROW
  FillColumns<In, Format::kHiFloat8, true>(k.encode_columns[kHybridColumns]);
  return k;
}

template <class In>
const RowKernels& RowKernelsOf(Target target) {
  static constexpr RowKernels kKernels = MakeRowKernels<In>(0), kPermuting = MakeRowKernels<In>(kPermuteBytes);
  return target == Target::kAVX3_DL ? kPermuting : kKernels;
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();
#endif  // HWY_TARGET != HWY_SCALAR

#endif  // per-target include guard

#include "kvant/ops/dynamic_quant_update_scatter/plain.h"

#include "kvant/rowwise/cpu_tuning.h"

namespace kvant {
namespace {

using Args = DynamicQuantUpdateScatterArgs;

bool IsAlong(const ConstTensorView& t, int d, int64_t extent, int64_t stride) {
  return t.shape(d) == extent && (extent == 1 || t.stride(d) == stride);
}

bool IndicesArePlain(const ConstTensorView& t, const ScatterGeometry& g, ByteRange* bytes) {
  const int64_t each = g.mode == IndexMode::kPair ? 2 : 1;
  if (!IsIndex(t.dtype()) || !IsHere(t, t.dtype(), static_cast<int>(each)) || !IsAlong(t, 0, g.updates, each)) {
    return false;
  }
  if (each == 2 && !IsAlong(t, 1, 2, 1)) return false;
  *bytes = {static_cast<const char*>(t.data()), g.updates * each * ByteSize(t.dtype())};
  return true;
}

// Whether scales or offsets fit to codes y: row-major, `groups` of them for each row.
bool TableIsPlain(const ConstTensorView& t, DType dtype, const ConstTensorView& y, bool grouped, int64_t groups) {
  const int last = y.rank() - 1;
  if (!IsHere(t, dtype, grouped ? last + 1 : last) || (grouped && !IsAlong(t, last, groups, 1))) return false;
  int64_t n = groups;
  for (int d = last - 1; d >= 0; --d) {
    if (!IsAlong(t, d, y.shape(d), n)) return false;
    n *= y.shape(d);
  }
  return true;
}

// Of one cache. Sets all of `rows` but the kernels, and bytes of updates, codes, scale and offset.
bool IsPlain(const Args& a, const CacheUpdate& c, ScatterGeometry* g, PlainRows* rows, ByteRange* bytes) {
  const int rank = c.var.rank(), last = rank - 1, dropped = g->mode == IndexMode::kSlot ? 1 : 0;
  const ConstTensorView &x = c.updates, &y = c.var, &scale = c.var_scale, &offset = c.var_offset;
  if (rank < 3 || rank > kMaxRank || (a.axis != 1 && a.axis != 1 - rank)) return false;
  if (!IsFloat(x.dtype()) || !IsHere(x, x.dtype(), rank - dropped)) return false;
  if (!IsHere(y, StorageType(a.dst_type), rank)) return false;
  const bool int4 = a.dst_type == Format::kInt4, grouped = a.group_size != 0;
  const int64_t columns = x.shape(-1), codes = int4 ? columns / 2 : columns;
  if (columns <= 0 || (int4 && columns % 2 != 0)) return false;
  const int64_t group = grouped ? a.group_size : columns;
  if (group < 1 || columns % group != 0 || (int4 && group % 2 != 0)) return false;
  const DType table = scale.dtype();
  if (!IsFloat(table) || (table == DType::kBFloat16 && !a.symmetric && !int4)) return false;
  if (!TableIsPlain(scale, table, y, grouped, columns / group)) return false;
  if (a.symmetric ? offset.present() : !TableIsPlain(offset, table, y, grouped, columns / group)) return false;
  if (!IsAlong(x, x.rank() - 1, columns, 1) || !IsAlong(y, last, codes, 1)) return false;
  int64_t n = 1;  // rows of one position, then of all tables
  int64_t of_x = 0;
  for (int d = last - 1; d >= 0; --d) {
    const int64_t extent = y.shape(d);
    if (extent <= 0 || !IsAlong(y, d, extent, n * codes)) return false;
    if (d > 1 && !IsAlong(x, d - dropped, extent, n * columns)) return false;
    if (d == 1) of_x = n;
    n *= extent;
  }
  g->firsts = y.shape(0);
  g->positions = y.shape(1);
  g->length = dropped == 1 ? 1 : x.shape(1);
  g->updates = x.shape(0);
  if (g->length < 1 || g->length > g->positions || g->updates < 1) return false;
  if (g->mode == IndexMode::kBatch && g->updates > g->firsts) return false;
  if (dropped == 0 && !IsAlong(x, 1, g->length, of_x * columns)) return false;
  of_x *= g->length;
  if (!IsAlong(x, 0, g->updates, of_x * columns)) return false;
  of_x *= g->updates;
  if (of_x * columns >= 2 * kElementsPerTask) return false;

  const auto data = [](const ConstTensorView& t) { return static_cast<char*>(const_cast<void*>(t.data())); };
  *rows = {nullptr, a.dst_type, x.dtype(), of_x * (columns / group), group, data(x), data(y), data(scale), nullptr};
  if (!a.symmetric) rows->offset = data(offset);
  const int64_t param_bytes = n * (columns / group) * ByteSize(table);
  bytes[0] = {rows->x, of_x * columns * ByteSize(x.dtype())};
  bytes[1] = {rows->y, n * codes};
  bytes[2] = {rows->scale, param_bytes};
  bytes[3] = {rows->offset, a.symmetric ? 0 : param_bytes};
  return true;
}

// What is written meets nothing else; of each four ranges the first is only read.
bool AllApart(const ByteRange* ranges, int count, const ByteRange& indices) {
  for (int i = 0; i < count; ++i) {
    if (i % 4 != 0 && ranges[i].Meets(indices)) return false;
    for (int j = 0; j < i; ++j) {
      if ((i % 4 != 0 || j % 4 != 0) && ranges[i].Meets(ranges[j])) return false;
    }
  }
  return true;
}

}  // namespace

bool FindPlainUpdate(const Args& args, PlainUpdate* update) {
  const CacheUpdate& second = args.second;
  if (!IsInteger(args.dst_type) || !args.index_mode.has_value() || args.smooth_scales.present() ||
      (args.symmetric && args.negate_offset)) {
    return false;
  }
  if (*args.index_mode > LastOf(*args.index_mode) || args.index_policy > LastOf(args.index_policy)) return false;
  update->caches = second.var.present() ? 2 : 1;
  if (update->caches == 1 && (second.updates.present() || second.var_scale.present() || second.var_offset.present())) {
    return false;
  }
  ByteRange ranges[8], indices;
  for (int i = 0; i < update->caches; ++i) {
    ScatterGeometry g;
    g.mode = *args.index_mode;
    const CacheUpdate& cache = i == 0 ? args : second;
    if (!IsPlain(args, cache, &g, &update->rows[i], ranges + 4 * i)) return false;
    update->table[i] = cache.var_scale.dtype();
    if (i == 0) {
      update->geometry = g;
    } else if (!(g == update->geometry)) {
      return false;
    }
  }
  if (!IndicesArePlain(args.indices, update->geometry, &indices)) return false;
  if (!AllApart(ranges, 4 * update->caches, indices)) return false;
  Target target{};
  if (!ActiveTarget(&target).ok()) return false;
  for (int i = 0; i < update->caches; ++i) {
    update->rows[i].kernels = &GetRowKernels(target, update->rows[i].x_dtype);
  }
  return true;
}

}  // namespace kvant

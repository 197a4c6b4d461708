// Walks the rows of a plan: SwiGLU values of a row, or of a part that stays in cache, then their codes.
#include <algorithm>
#include <cstring>

#include "kvant/ops/dequant_swiglu_quant/maker.h"
#include "kvant/ops/quantize/encoder.h"
#include "kvant/rowwise/row_task.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace kvant::swiglu {
namespace {

RowAddress AddressOf(const Plan& plan, int64_t row, const float* s) {
  const RowwisePlan& e = plan.encode;
  return {row, reinterpret_cast<const char*>(s), e.y.data + e.y.rows.At(row), e.scale.data + e.scale.rows.At(row),
          nullptr};
}

// Rows [begin, end) whose codes and scales are zeros: the static scale, or all of rows that have no group.
void ZeroScales(const Plan& plan, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    std::memset(plan.encode.scale.data + plan.encode.scale.rows.At(r), 0, sizeof(float));
  }
}
void ZeroCodes(const Plan& plan, int64_t begin, int64_t end) {
  const MatrixMap& y = plan.encode.y;
  const int64_t columns = plan.problem.columns;
  for (int64_t r = begin; r < end; ++r) {
    char* row = y.data + y.rows.At(r);
    if (y.step == 1) {
      std::memset(row, 0, static_cast<size_t>(columns));
    } else {
      for (int64_t c = 0; c < columns; ++c) row[c * y.step] = 0;
    }
  }
}

// Dynamic rows.

// The scale of a row from what is known of its values, whatever state is set.
struct RowScale {
  RowParams params;
  Path path;
};
RowScale ScaleOf(const RowTask<PieceIo>& task, const Made& made) {
  const MinMaxBits bits{0, made.largest.s};
  RowScale scale{task.Params(bits), Path::kExact};
  scale.path = task.PathOf(scale.params);
  if (scale.path == Path::kExact) {
    const FpEnv exact(FpEnv::kDefault);  // the division may have underflowed
    scale.params = task.Params(bits);
  }
  return scale;
}

void DriveDynamic(const Plan& plan, int64_t begin, int64_t end, char* memory) {
  float* s = reinterpret_cast<float*>(memory);
  RowTask<PieceIo> task(plan.encode);
  Maker maker(plan, memory + plan.values_bytes);
  const FpEnv env(StateOf(plan));
  const int64_t columns = plan.problem.columns;
  plan.groups.ForEach(begin, end, [&](int64_t parameter_row, int64_t first, int64_t last) {
    maker.Load(parameter_row);
    for (int64_t r = first; r < last; ++r) {
      const RowAddress at = AddressOf(plan, r, s);
      const int64_t next = r + 1 < end ? r + 1 : -1;
      Made made = maker.MakeFast(r, 0, columns, s, next);
      RowScale scale = ScaleOf(task, made);
      if (!maker.Harmless(made, scale.params.scale)) {
        const FpEnv exact(FpEnv::kDefault);
        made = maker.Make(r, 0, columns, s);
        scale = ScaleOf(task, made);
      }
      task.Store(at, scale.params);
      task.EncodeOwn(at, 0, columns, scale.params, scale.path,
                     {maker.Ahead(next), next >= 0 && task.asks_for_y() ? AddressOf(plan, next, s).y : nullptr});
    }
  });
}

// A part of a row: of phases and of static rows.
struct Unit {
  int64_t row, from, to;
};
Unit UnitOf(const Plan& plan, int64_t unit) {
  const int64_t from = unit % plan.segments * plan.segment_size;
  return {unit / plan.segments, from, std::min(from + plan.segment_size, plan.problem.columns)};
}
int64_t ParameterRowOf(const Plan& plan, int64_t row) {
  int64_t found = 0;
  plan.groups.ForEach(row, row + 1, [&](int64_t parameter_row, int64_t, int64_t) { found = parameter_row; });
  return found;
}

// Two phases share the values of all rows that have a group, and behind them what is known of each unit's.
float* SharedValues(const Plan& plan, char* shared, const Unit& u) {
  return reinterpret_cast<float*>(shared) + u.row * plan.problem.columns + u.from;
}
Made* SharedMade(const Plan& plan, char* shared) { return reinterpret_cast<Made*>(shared + plan.values_bytes); }

void MakeUnits(const Plan& plan, int64_t begin, int64_t end, char* memory, char* shared) {
  Maker maker(plan, memory);
  const FpEnv env(StateOf(plan));
  for (int64_t i = begin; i < end; ++i) {
    const Unit u = UnitOf(plan, i);
    maker.Load(ParameterRowOf(plan, u.row));
    SharedMade(plan, shared)[i] = maker.MakeFast(u.row, u.from, u.to, SharedValues(plan, shared, u));
  }
}

void EncodeUnits(const Plan& plan, int64_t begin, int64_t end, char* memory, char* shared) {
  RowTask<PieceIo> task(plan.encode);
  Maker maker(plan, memory);
  const FpEnv env(StateOf(plan));
  const Made* all = SharedMade(plan, shared);
  for (int64_t i = begin; i < end; ++i) {
    const Unit u = UnitOf(plan, i);
    float* s = SharedValues(plan, shared, u);
    maker.Load(ParameterRowOf(plan, u.row));
    Made made = all[u.row * plan.segments];
    for (int64_t k = 1; k < plan.segments; ++k) made.Merge(all[u.row * plan.segments + k]);
    RowScale scale = ScaleOf(task, made);
    if (!maker.Harmless(made, scale.params.scale)) {
      const FpEnv exact(FpEnv::kDefault);
      made = {};
      alignas(64) float values[kColumns];
      for (int64_t c = 0; c < plan.problem.columns; c += kColumns) {
        made.Merge(maker.Make(u.row, c, std::min(c + kColumns, plan.problem.columns), values));
      }
      scale = ScaleOf(task, made);
      maker.Make(u.row, u.from, u.to, s);
    }
    // The values of a row start where column 0 would be.
    const RowAddress at = AddressOf(plan, u.row, s - u.from);
    if (u.from == 0) task.Store(at, scale.params);
    task.EncodeOwn(at, u.from, u.to, scale.params, scale.path, {});
  }
}

// Static rows.

// What quantize would do with the values of a row and these parameters.
quantize::Plan StaticPlan(const Plan& plan, int64_t parameter_row, const float* one) {
  const auto view = [&](const Table& t) -> ConstTensorView {
    if (!t.present) return {};
    if (t.one_for_all_columns) return {t.Row(parameter_row), t.dtype, {1}};
    return {t.Row(parameter_row), t.dtype, {plan.problem.columns}, {t.step / ByteSize(t.dtype)}};
  };
  QuantizeArgs args;
  args.x = ConstTensorView(one, DType::kFloat32, {plan.problem.columns});
  args.quant_scales =
      plan.problem.quant_scale.present ? view(plan.problem.quant_scale) : ConstTensorView(one, DType::kFloat32, {1});
  args.quant_zero_points = view(plan.problem.quant_offset);
  args.dst_type = plan.encode.format;
  args.y = TensorView(plan.encode.y.data, StorageType(args.dst_type), {plan.problem.columns}, {plan.encode.y.step});
  quantize::Plan made = quantize::MakePlan(args, plan.target);
  made.streaming = plan.encode.streaming;
  return made;
}

// Columns [from, to) of rows [first, last), which share parameters: in panels, so that a panel's parameters are
// prepared once.
void DriveStatic(const Plan& plan, Maker& maker, int64_t parameter_row, int64_t first, int64_t last, int64_t from,
                 int64_t to) {
  static constexpr float kOne = 1;
  maker.Load(parameter_row);
  const quantize::Plan made = StaticPlan(plan, parameter_row, &kOne);
  quantize::Encoder encoder(made);
  alignas(64) float s[kColumns];
  const MatrixMap& y = plan.encode.y;
  for (int64_t c = from; c < to; c += kColumns) {
    const int64_t n = std::min(kColumns, to - c);
    encoder.Load(c, n, last - first);
    for (int64_t r = first; r < last; ++r) {
      Made values;
      {
        const FpEnv env(StateOf(plan));
        values = maker.MakeFast(r, c, c + n, s, r + 1 < last ? r + 1 : -1, /*panels=*/true);
        if (!maker.Harmless(values, 0)) {
          const FpEnv exact(FpEnv::kDefault);
          values = maker.Make(r, c, c + n, s);
        }
      }
      encoder.EncodeColumns(c, n, reinterpret_cast<const char*>(s), values.largest.s,
                            y.data + y.rows.At(r) + c * y.step);
    }
  }
}

}  // namespace

void RunShare(const Plan& plan, int task, int phase, char* memory, char* shared) {
  const auto share = [&](int64_t units, int which) { return units * which / plan.tasks; };
  const int64_t rows = plan.problem.rows, used = plan.groups.used();
  const int64_t begin = share(used * plan.segments, task), end = share(used * plan.segments, task + 1);
  if (plan.problem.columns > 0 && begin < end) {
    if (plan.dynamic && plan.segments == 1) {
      DriveDynamic(plan, begin, end, memory);
    } else if (plan.dynamic) {
      (phase == 0 ? MakeUnits : EncodeUnits)(plan, begin, end, memory, shared);
    } else {
      Maker maker(plan, memory);
      if (plan.segments == 1) {
        plan.groups.ForEach(begin, end, [&](int64_t parameter_row, int64_t first, int64_t last) {
          DriveStatic(plan, maker, parameter_row, first, last, 0, plan.problem.columns);
        });
      } else {
        for (int64_t i = begin; i < end; ++i) {
          const Unit u = UnitOf(plan, i);
          DriveStatic(plan, maker, ParameterRowOf(plan, u.row), u.row, u.row + 1, u.from, u.to);
        }
      }
    }
  }
  if (phase == 0) {
    // Scales of static rows and of rows without elements, and rows that have no group.
    const bool scales = !plan.dynamic || plan.problem.columns == 0;
    const int64_t from = scales ? share(rows, task) : used + share(rows - used, task);
    ZeroScales(plan, from, scales ? share(rows, task + 1) : used + share(rows - used, task + 1));
    ZeroCodes(plan, used + share(rows - used, task), used + share(rows - used, task + 1));
  }
#if defined(__x86_64__)
  if (plan.encode.streaming) _mm_sfence();
#endif
}

}  // namespace kvant::swiglu

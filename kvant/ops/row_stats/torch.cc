#include <tuple>

#include "kvant/ops/row_stats/row_stats.h"
#include "kvant/torch/binding.h"

namespace kvant::binding {
namespace {

RowStatsArgs Read(const Reader& read, const Tensor& x, const Maybe& smooth_scales, const Maybe& group_index,
                  int64_t quant_mode, int64_t group_size) {
  RowStatsArgs args;
  args.x = read.In("x", x);
  args.smooth_scales = read.In("smooth_scales", smooth_scales);
  args.group_index = read.In("group_index", group_index);
  args.quant_mode = read.Mode(quant_mode);
  args.group_size = group_size;
  return args;
}

constexpr Reader kMinMax("row_minmax");
constexpr Reader kAmax("row_amax");

void MinMaxInto(const Tensor& x, const Maybe& smooth_scales, const Maybe& group_index, const Tensor& min,
                const Tensor& max, int64_t quant_mode, int64_t group_size) {
  RowStatsArgs args = Read(kMinMax, x, smooth_scales, group_index, quant_mode, group_size);
  args.min = kMinMax.Out("min", min);
  args.max = kMinMax.Out("max", max);
  Check(RowMinMax(args, Exec(Workspace(args))));
}

std::tuple<Tensor, Tensor> MinMax(const Tensor& x, const Maybe& smooth_scales, const Maybe& group_index,
                                  int64_t quant_mode, int64_t group_size) {
  TensorSpec spec;
  Check(InferRowStats(Read(kMinMax, x, smooth_scales, group_index, quant_mode, group_size), &spec));
  Tensor min = Empty(spec);
  Tensor max = Empty(spec);
  MinMaxInto(x, smooth_scales, group_index, min, max, quant_mode, group_size);
  return {std::move(min), std::move(max)};
}

void AmaxInto(const Tensor& x, const Maybe& smooth_scales, const Maybe& group_index, const Tensor& amax,
              int64_t quant_mode, int64_t group_size) {
  RowStatsArgs args = Read(kAmax, x, smooth_scales, group_index, quant_mode, group_size);
  args.amax = kAmax.Out("amax", amax);
  Check(RowAmax(args, Exec(Workspace(args))));
}

Tensor Amax(const Tensor& x, const Maybe& smooth_scales, const Maybe& group_index, int64_t quant_mode,
            int64_t group_size) {
  TensorSpec spec;
  Check(InferRowStats(Read(kAmax, x, smooth_scales, group_index, quant_mode, group_size), &spec));
  Tensor amax = Empty(spec);
  AmaxInto(x, smooth_scales, group_index, amax, quant_mode, group_size);
  return amax;
}

KVANT_TORCH_SCHEMAS(m) {
  m.def(
      "row_minmax(Tensor x, Tensor? smooth_scales=None, Tensor? group_index=None, int quant_mode=0, "
      "int group_size=0) -> (Tensor, Tensor)");
  m.def(
      "row_minmax_out(Tensor x, Tensor? smooth_scales, Tensor? group_index, Tensor(a!) min, Tensor(b!) max, "
      "int quant_mode=0, int group_size=0) -> ()");
  m.def(
      "row_amax(Tensor x, Tensor? smooth_scales=None, Tensor? group_index=None, int quant_mode=0, "
      "int group_size=0) -> Tensor");
  m.def(
      "row_amax_out(Tensor x, Tensor? smooth_scales, Tensor? group_index, Tensor(a!) amax, int quant_mode=0, "
      "int group_size=0) -> ()");
}

KVANT_TORCH_KERNELS(m) {
  m.impl("row_minmax", TORCH_BOX(&MinMax));
  m.impl("row_minmax_out", TORCH_BOX(&MinMaxInto));
  m.impl("row_amax", TORCH_BOX(&Amax));
  m.impl("row_amax_out", TORCH_BOX(&AmaxInto));
}

}  // namespace
}  // namespace kvant::binding

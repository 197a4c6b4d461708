#include "cli/cmd_bench_cache.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <random>

#include "cli/bench_util.h"
#include "cli/buffer.h"
#include "kvant/core/target.h"
#include "kvant/core/version.h"
#include "kvant/ops/dequantize_gather/dequantize_gather.h"
#include "kvant/ops/dynamic_quant_update_scatter/dynamic_quant_update_scatter.h"
#include "kvant/ops/quant_scatter/quant_scatter.h"
#include "kvant/ops/scatter_update/scatter_update.h"
#include "kvant/rowwise/cpu_tuning.h"
#include "kvant/testing/copy_roof.h"

namespace kvant::cli {
namespace {

using nlohmann::ordered_json;
using CacheShape = CacheBenchOptions::Shape;

struct CacheBenchLine {
  CacheShape shape;
  int64_t slots;
  Format format;
  const char* op;
  Timing timing;

  double GigaElements() const {
    return static_cast<double>(shape.tokens * shape.heads * shape.dim) / timing.seconds / 1e9;
  }
};

int64_t SlotsFor(const CacheBenchOptions& options, const CacheShape& shape) {
  return std::max(options.slots, shape.tokens);
}

Buffer Touched(int64_t bytes) {
  Buffer buffer(bytes);
  std::memset(buffer.data(), 0, static_cast<size_t>(bytes));
  return buffer;
}

// A cache of one format, tokens for it, and random slots that no two tokens share.
class CacheBench {
 public:
  CacheBench(const CacheBenchOptions& options, const CacheShape& shape, Format format)
      : options_(options),
        shape_(shape),
        format_(format),
        slots_(SlotsFor(options, shape)),
        groups_(options.group_size == 0 ? 1 : shape.dim / options.group_size),
        code_dim_(CodeBytes(format, shape.dim)),
        x_row_(shape.heads * shape.dim * ByteSize(options.dtype)),
        code_row_(shape.heads * code_dim_),
        param_row_(shape.heads * groups_ * 4),
        x_(Touched(shape.tokens * x_row_)),
        codes_(Touched(slots_ * code_row_)),
        scale_(Touched(slots_ * param_row_)),
        offset_(Touched(slots_ * param_row_)),
        params_(Touched(options.threads * ParamStride())) {
    FillActivations(options.dtype, shape.tokens * shape.heads * shape.dim, x_.data());
    std::vector<int64_t> all(static_cast<size_t>(slots_));
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
    std::sample(all.begin(), all.end(), std::back_inserter(index_), shape.tokens, std::mt19937_64(1));
    std::shuffle(index_.begin(), index_.end(), std::mt19937_64(2));
  }

  // Of codes that there are already, one after the other.
  Status ScatterUpdate(const ExecOptions& exec, Timing* timing) {
    ScatterUpdateInPlaceArgs args;
    args.self = Codes();
    args.indices = Indices();
    args.updates = ConstTensorView(x_.data(), args.self.dtype(), {shape_.tokens, shape_.heads, code_dim_});
    args.axis = 1;
    args.index_mode = IndexMode::kSlot;
    return Measure(
        exec, [&] { return ScatterUpdateInPlace(args, exec); }, {code_row_}, timing);
  }

  Status DynamicQuantUpdateScatter(const ExecOptions& exec, Timing* timing) {
    DynamicQuantUpdateScatterArgs args;
    args.var = Codes();
    args.var_scale = Table(scale_);
    args.var_offset = Table(offset_);
    args.indices = Indices();
    args.updates = Tokens();
    args.dst_type = format_;
    args.group_size = options_.group_size;
    args.axis = 1;
    args.index_mode = IndexMode::kSlot;
    return Measure(
        exec, [&] { return kvant::DynamicQuantUpdateScatter(args, exec); }, {x_row_, /*with_params=*/true}, timing);
  }

  Status QuantScatter(const ExecOptions& exec, Timing* timing) {
    const std::vector<float> scales(static_cast<size_t>(shape_.dim), 0.05f);
    QuantScatterInPlaceArgs args;
    args.self = Codes();
    args.indices = Indices();
    args.updates = Tokens();
    args.quant_scales = ConstTensorView(scales.data(), DType::kFloat32, {shape_.dim});
    args.dst_type = format_;
    args.axis = 1;
    args.index_mode = IndexMode::kSlot;
    return Measure(
        exec, [&] { return QuantScatterInPlace(args, exec); }, {x_row_}, timing);
  }

  // Of what the operators above wrote, last of them DynamicQuantUpdateScatter.
  Status DequantizeGather(const ExecOptions& exec, Timing* timing) {
    DequantizeGatherArgs args;
    args.var = Codes();
    args.var_scale = Table(scale_);
    args.var_offset = Table(offset_);
    args.indices = Indices();
    args.dst_type = format_;
    args.group_size = options_.group_size;
    args.axis = 1;
    args.index_mode = IndexMode::kSlot;
    args.x = Tokens();
    return Measure(
        exec, [&] { return kvant::DequantizeGather(args, exec); }, {x_row_, /*with_params=*/true, /*reads_cache=*/true},
        timing);
  }

 private:
  TensorView Codes() const { return {codes_.data(), StorageType(format_), {1, slots_, shape_.heads, code_dim_}}; }
  TensorView Table(const Buffer& table) const {
    if (options_.group_size == 0) return {table.data(), DType::kFloat32, {1, slots_, shape_.heads}};
    return {table.data(), DType::kFloat32, {1, slots_, shape_.heads, groups_}};
  }
  TensorView Tokens() const { return {x_.data(), options_.dtype, {shape_.tokens, shape_.heads, shape_.dim}}; }
  ConstTensorView Indices() const { return {index_.data(), DType::kInt64, {shape_.tokens}}; }

  int64_t ParamStride() const { return param_row_ + 64; }  // threads share no line

  // What an operator moves for a token: so many bytes of it, a slot's codes, and with_params its scales and offsets.
  struct Moves {
    int64_t token_row;
    bool with_params = false, reads_cache = false;
  };

  // Token i to its slot, or from there; `params` holds the scales of one token.
  void CopyToken(const Moves& moves, int64_t i, testing::RoofStores stores, char* params) const {
    const auto from = testing::RoofFromOf(shape_.tokens * (moves.reads_cache ? code_row_ : moves.token_row));
    const int64_t slot = index_[static_cast<size_t>(i)];
    char* const token = x_.data() + i * moves.token_row;
    char* const codes = codes_.data() + slot * code_row_;
    if (moves.reads_cache) {
      testing::MoveBytes(codes, code_row_, token, moves.token_row, stores, from);
    } else {
      testing::MoveBytes(token, moves.token_row, codes, code_row_, stores, from);
    }
    if (!moves.with_params) return;
    for (const Buffer* const table : {&scale_, &offset_}) {
      char* const at = table->data() + slot * param_row_;
      std::memcpy(moves.reads_cache ? params : at, moves.reads_cache ? at : params, static_cast<size_t>(param_row_));
    }
  }

  // Beside a copy of the same bytes to the same slots or from them, the tokens split over as many threads as the
  // operator finds worth it.
  Status Measure(const ExecOptions& exec, const std::function<Status()>& op, const Moves& moves, Timing* timing) const {
    const int64_t worth = shape_.tokens * shape_.heads * shape_.dim / kElementsPerTask;
    const auto tasks =
        static_cast<int>(std::clamp<int64_t>(worth, 1, std::min<int64_t>(NumThreads(exec), shape_.tokens)));
    // Streaming stores are of whole cache lines.
    const bool lines = (moves.reads_cache ? moves.token_row : code_row_) % 64 == 0;
    const auto copy = [&](bool streaming) {
      const auto stores = streaming && lines ? testing::RoofStores::kStreaming : testing::RoofStores::kNormal;
      auto part = [&](int t) {
        char* const params = params_.data() + t * ParamStride();
        for (int64_t i = shape_.tokens * t / tasks; i < shape_.tokens * (t + 1) / tasks; ++i) {
          CopyToken(moves, i, stores, params);
        }
      };
      RunTasks(
          exec, tasks, [](void* arg, int t) { (*static_cast<decltype(part)*>(arg))(t); }, &part);
    };
    return MeasureBeside(op, copy, options_.seconds, timing);
  }

  const CacheBenchOptions& options_;
  const CacheShape shape_;
  const Format format_;
  const int64_t slots_, groups_, code_dim_, x_row_, code_row_, param_row_;
  const Buffer x_, codes_, scale_, offset_;
  const Buffer params_;  // of one token for each thread
  std::vector<int64_t> index_;
};

Status MeasureShape(const CacheBenchOptions& options, const CacheShape& shape, const ParallelFor& parallel,
                    std::vector<CacheBenchLine>* lines) {
  ExecOptions exec;
  exec.parallel = &parallel;
  for (const Format format : options.formats) {
    CacheBench bench(options, shape, format);
    const auto add = [&](const char* op, Status (CacheBench::*measure)(const ExecOptions&, Timing*)) {
      lines->push_back({shape, SlotsFor(options, shape), format, op, {}});
      return (bench.*measure)(exec, &lines->back().timing);
    };
    KVANT_RETURN_IF_ERROR(add("scatter_update_", &CacheBench::ScatterUpdate));
    if (format != Format::kInt4) KVANT_RETURN_IF_ERROR(add("quant_scatter_", &CacheBench::QuantScatter));
    if (!IsInteger(format)) continue;
    KVANT_RETURN_IF_ERROR(add("dynamic_quant_update_scatter_", &CacheBench::DynamicQuantUpdateScatter));
    KVANT_RETURN_IF_ERROR(add("dequantize_gather", &CacheBench::DequantizeGather));
  }
  return {};
}

std::string ShapeName(const CacheShape& s) { return fmt::format("{}x{}x{}", s.tokens, s.heads, s.dim); }

// --group-size has to fit every shape and format.
Status CheckGroups(const CacheBenchOptions& options) {
  if (options.group_size == 0) return {};
  for (const Format format : options.formats) {
    if (IsInteger(format)) continue;
    return Status::InvalidValue(
        fmt::format("bench-cache: --group-size is {}, but --dst is {}: groups are for int8 and int4",
                    options.group_size, Name(format)));
  }
  for (const CacheShape& shape : options.shapes) {
    if (shape.dim % options.group_size == 0) continue;
    return Status::InvalidValue(fmt::format("bench-cache: --group-size is {}, which does not divide the {} of {}",
                                            options.group_size, shape.dim, ShapeName(shape)));
  }
  return {};
}

}  // namespace

bool ParseCacheShape(std::string_view text, CacheShape* shape) {
  int used = 0;
  const std::string copy(text);
  long long tokens = 0, heads = 0, dim = 0;
  if (std::sscanf(copy.c_str(), "%9lldx%9lldx%9lld%n", &tokens, &heads, &dim, &used) != 3) return false;
  *shape = {tokens, heads, dim};
  return used == static_cast<int>(copy.size()) && tokens > 0 && heads > 0 && dim > 0;
}

Status RunCacheBench(const CacheBenchOptions& options) {
  KVANT_RETURN_IF_ERROR(CheckGroups(options));
  Target target;
  KVANT_RETURN_IF_ERROR(ActiveTarget(&target));
  const ParallelFor parallel = Threads(options.threads);
  std::vector<CacheBenchLine> lines;
  for (const CacheShape& shape : options.shapes) {
    KVANT_RETURN_IF_ERROR(MeasureShape(options, shape, parallel, &lines));
  }
  if (options.json) {
    ordered_json results = ordered_json::array();
    for (const CacheBenchLine& line : lines) {
      results.push_back({{"operator", line.op},
                         {"tokens", line.shape.tokens},
                         {"heads", line.shape.heads},
                         {"dim", line.shape.dim},
                         {"slots", line.slots},
                         {"dst_type", Name(line.format)},
                         {"seconds", line.timing.seconds},
                         {"elements_per_second", 1e9 * line.GigaElements()},
                         {"of_copy", line.timing.of_copy},
                         {"of_streaming_copy", line.timing.of_streaming_copy}});
    }
    PrintJson({{"version", KVANT_VERSION_STRING},
               {"target", Name(target)},
               {"threads", options.threads},
               {"dtype", Name(options.dtype)},
               {"group_size", options.group_size},
               {"results", results}});
    return {};
  }
  Print(fmt::format("{} tokens at random slots of a cache; target {}, {}\n", Name(options.dtype), Name(target),
                    Count(options.threads, "thread")));
  Table table({"<operator", "<tokens", "<format", "time us", "Gel/s", "of copy", "of streaming copy"});
  for (const CacheBenchLine& line : lines) {
    table.Add({line.op, ShapeName(line.shape), std::string(Name(line.format)), Short(line.timing.seconds * 1e6),
               Short(line.GigaElements()), fmt::format("{:.0f} %", 100 * line.timing.of_copy),
               fmt::format("{:.0f} %", 100 * line.timing.of_streaming_copy)});
  }
  Print(table.Text());
  return {};
}

}  // namespace kvant::cli

#include "cli/demo_cache.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>

#include "cli/error_stats.h"
#include "cli/io/message.h"
#include "cli/io/tensor_file.h"
#include "cli/tensor_set.h"
#include "kvant/core/half.h"
#include "kvant/kvant.h"

namespace kvant::cli {
namespace {

constexpr int64_t kHeadDim = 32, kPage = 32;
constexpr int64_t kGroupSizes[] = {32, 64, 128, 0};
// The first tokens, which static scales are chosen by.
constexpr int64_t kCalibration = 128;

// K and V of one layer, [tokens, width] each, in fp16 as captured and as numbers.
struct Layer {
  std::string name;
  LoadedTensor k, v;
  int64_t tokens = 0, width = 0;
  std::vector<float> k_values, v_values;

  ConstTensorView Token(const LoadedTensor& t, int64_t i) const {
    return {
        static_cast<const char*>(t.view.data()) + i * width * ByteSize(t.view.dtype()), t.view.dtype(), {1, 1, width}};
  }
};

std::vector<float> Numbers(const ConstTensorView& t) {
  std::vector<float> values(static_cast<size_t>(t.elements()));
  for (size_t i = 0; i < values.size(); ++i) {
    Float16 v;
    std::memcpy(&v, static_cast<const char*>(t.data()) + i * sizeof(v), sizeof(v));
    values[i] = ToFloat32(v);
  }
  return values;
}

// Causal attention of all heads, with the original keys as queries: the file has no queries.
std::vector<double> Attention(const Layer& layer, const std::vector<float>& k, const std::vector<float>& v) {
  const int64_t width = layer.width;
  std::vector<double> out(k.size(), 0.0), weight(static_cast<size_t>(layer.tokens));
  for (int64_t head = 0; head < width; head += kHeadDim) {
    for (int64_t t = 0; t < layer.tokens; ++t) {
      double most = -INFINITY, sum = 0;
      for (int64_t s = 0; s <= t; ++s) {
        double score = 0;
        for (int64_t i = head; i < head + kHeadDim; ++i) {
          score += static_cast<double>(layer.k_values[static_cast<size_t>(t * width + i)]) *
                   static_cast<double>(k[static_cast<size_t>(s * width + i)]);
        }
        weight[static_cast<size_t>(s)] = score / std::sqrt(static_cast<double>(kHeadDim));
        most = std::max(most, weight[static_cast<size_t>(s)]);
      }
      for (int64_t s = 0; s <= t; ++s)
        sum += weight[static_cast<size_t>(s)] = std::exp(weight[static_cast<size_t>(s)] - most);
      for (int64_t s = 0; s <= t; ++s) {
        for (int64_t i = head; i < head + kHeadDim; ++i) {
          out[static_cast<size_t>(t * width + i)] +=
              weight[static_cast<size_t>(s)] / sum * static_cast<double>(v[static_cast<size_t>(s * width + i)]);
        }
      }
    }
  }
  return out;
}

// A paged cache of K and V whose pages are handed out from the last one on.
class Cache {
 public:
  Cache(const Layer& layer, int64_t code_bytes, int64_t groups)
      : pages_((layer.tokens + kPage - 1) / kPage), groups_(groups), code_bytes_(code_bytes) {
    const int64_t rows = 2 * pages_ * kPage;
    codes_.Resize(rows * code_bytes);
    scale_.Resize(rows * groups * 4);
    offset_.Resize(rows * groups * 4);
    for (int64_t t = 0; t < layer.tokens; ++t) slots_.push_back((pages_ - 1 - t / kPage) * kPage + t % kPage);
  }

  TensorView Codes(int which, DType dtype) const {
    return {codes_.data() + which * pages_ * kPage * code_bytes_, dtype, {pages_, kPage, 1, code_bytes_}};
  }
  TensorView Scale(int which) const { return Table(scale_, which); }
  TensorView Offset(int which) const { return Table(offset_, which); }
  // Slots of `count` tokens from `first` on.
  ConstTensorView Slots(int64_t first, int64_t count) const { return {slots_.data() + first, DType::kInt64, {count}}; }

 private:
  TensorView Table(const Buffer& b, int which) const {
    return {b.data() + which * pages_ * kPage * groups_ * 4, DType::kFloat32, {pages_, kPage, 1, groups_}};
  }

  const int64_t pages_, groups_, code_bytes_;
  Buffer codes_, scale_, offset_;
  std::vector<int64_t> slots_;
};

// Writes all tokens twice, and times the second round.
template <class Write>
Status TimeTokens(const Layer& layer, const Write& write, CacheLine* line) {
  for (int round = 0; round < 2; ++round) {
    const auto start = std::chrono::steady_clock::now();
    for (int64_t t = 0; t < layer.tokens; ++t) KVANT_RETURN_IF_ERROR(write(t));
    const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
    line->microseconds = time.count() / static_cast<double>(layer.tokens);
  }
  return {};
}

void Judge(const Layer& layer, const std::vector<float>& k, const std::vector<float>& v, CacheLine* line) {
  ErrorStats values, outputs;
  double error = 0, size = 0;
  for (size_t i = 0; i < k.size(); ++i) {
    const double before[] = {layer.k_values[i], layer.v_values[i]}, after[] = {k[i], v[i]};
    values.Add(before, after, 2);
  }
  const std::vector<double> wanted = Attention(layer, layer.k_values, layer.v_values), got = Attention(layer, k, v);
  outputs.Add(wanted.data(), got.data(), static_cast<int64_t>(wanted.size()));
  for (size_t i = 0; i < wanted.size(); ++i) {
    error += (wanted[i] - got[i]) * (wanted[i] - got[i]);
    size += wanted[i] * wanted[i];
  }
  line->sqnr = values.Sqnr();
  line->cosine = outputs.Cosine();
  line->relative_error = std::sqrt(error / size);
}

// INT4, a token's K and V a call, and read back page order undone.
Status RunFused(const Layer& layer, int64_t group_size, const ExecOptions& exec, CacheLine* line) {
  const int64_t groups = group_size == 0 ? 1 : layer.width / group_size;
  // The whole row as one group: tables then have the same rank for every size.
  const int64_t group = group_size == 0 ? layer.width : group_size;
  const Cache cache(layer, layer.width / 2, groups);
  DynamicQuantUpdateScatterArgs args;
  args.var = cache.Codes(0, DType::kUInt8);
  args.var_scale = cache.Scale(0);
  args.var_offset = cache.Offset(0);
  args.second.var = cache.Codes(1, DType::kUInt8);
  args.second.var_scale = cache.Scale(1);
  args.second.var_offset = cache.Offset(1);
  args.dst_type = Format::kInt4;
  args.group_size = group;
  args.axis = 1;
  args.index_mode = IndexMode::kSlot;
  KVANT_RETURN_IF_ERROR(TimeTokens(
      layer,
      [&](int64_t t) {
        args.updates = layer.Token(layer.k, t);
        args.second.updates = layer.Token(layer.v, t);
        args.indices = cache.Slots(t, 1);
        return DynamicQuantUpdateScatter(args, exec);
      },
      line));
  line->after = 2 * layer.tokens * (layer.width / 2 + groups * 8);

  std::vector<float> back[2];
  for (int which = 0; which < 2; ++which) {
    back[which].resize(layer.k_values.size());
    DequantizeGatherArgs read;
    read.var = cache.Codes(which, DType::kUInt8);
    read.var_scale = cache.Scale(which);
    read.var_offset = cache.Offset(which);
    read.indices = cache.Slots(0, layer.tokens);
    read.dst_type = Format::kInt4;
    read.group_size = group;
    read.axis = 1;
    read.index_mode = IndexMode::kSlot;
    read.x = TensorView(back[which].data(), DType::kFloat32, {layer.tokens, 1, layer.width});
    KVANT_RETURN_IF_ERROR(DequantizeGather(read, exec));
  }
  Judge(layer, back[0], back[1], line);
  return {};
}

// INT8 with a scale per channel, chosen by the first tokens.
Status RunStatic(const Layer& layer, const ExecOptions& exec, CacheLine* line) {
  const Cache cache(layer, layer.width, 1);
  const std::vector<float>* const values[] = {&layer.k_values, &layer.v_values};
  std::vector<float> scales[2];
  QuantScatterInPlaceArgs args[2];
  for (int which = 0; which < 2; ++which) {
    scales[which].assign(static_cast<size_t>(layer.width), 0.0f);
    for (int64_t i = 0; i < std::min(kCalibration, layer.tokens) * layer.width; ++i) {
      float& s = scales[which][static_cast<size_t>(i % layer.width)];
      s = std::max(s, std::fabs((*values[which])[static_cast<size_t>(i)]) / 127.0f);
    }
    QuantScatterInPlaceArgs& a = args[which];
    a.self = cache.Codes(which, DType::kInt8);
    a.quant_scales = ConstTensorView(scales[which].data(), DType::kFloat32, {layer.width});
    a.axis = 1;
    a.index_mode = IndexMode::kSlot;
  }
  KVANT_RETURN_IF_ERROR(TimeTokens(
      layer,
      [&](int64_t t) -> Status {
        args[0].updates = layer.Token(layer.k, t);
        args[1].updates = layer.Token(layer.v, t);
        for (QuantScatterInPlaceArgs& a : args) {
          a.indices = cache.Slots(t, 1);
          KVANT_RETURN_IF_ERROR(QuantScatterInPlace(a, exec));
        }
        return {};
      },
      line));
  line->after = 2 * (layer.tokens * layer.width + layer.width * 4);

  // Static scales go along the last dimension, so codes are gathered with scales of 1 and multiplied here.
  std::vector<float> back[2];
  const float one = 1;
  for (int which = 0; which < 2; ++which) {
    back[which].resize(layer.k_values.size());
    DequantizeGatherArgs read;
    read.var = args[which].self;
    const TensorView codes = args[which].self;
    constexpr int64_t kStill[3] = {};
    read.var_scale = ConstTensorView(&one, DType::kFloat32, codes.shape().first(3), kStill);
    read.indices = cache.Slots(0, layer.tokens);
    read.axis = 1;
    read.index_mode = IndexMode::kSlot;
    read.x = TensorView(back[which].data(), DType::kFloat32, {layer.tokens, 1, layer.width});
    KVANT_RETURN_IF_ERROR(DequantizeGather(read, exec));
    for (size_t i = 0; i < back[which].size(); ++i)
      back[which][i] *= scales[which][i % static_cast<size_t>(layer.width)];
  }
  Judge(layer, back[0], back[1], line);
  return {};
}

Status RunLayer(const Layer& layer, const ExecOptions& exec, std::vector<CacheLine>* lines) {
  CacheLine line;
  line.layer = layer.name;
  line.before = 4 * layer.tokens * layer.width;
  line.kind = "int8 static";
  KVANT_RETURN_IF_ERROR(RunStatic(layer, exec, &line));
  lines->push_back(line);
  for (const int64_t group_size : kGroupSizes) {
    line.kind = group_size == 0 ? "int4 row" : fmt::format("int4 g{}", group_size);
    KVANT_RETURN_IF_ERROR(RunFused(layer, group_size, exec, &line));
    lines->push_back(line);
  }
  return {};
}

}  // namespace

Status RunCacheDemo(const std::string& path, const ExecOptions& exec, std::vector<CacheLine>* lines) {
  std::unique_ptr<TensorFile> file;
  KVANT_RETURN_IF_ERROR(TensorFile::Open(path, &file));
  for (const TensorEntry& entry : file->entries()) {
    const size_t dot = entry.name.find(".k");
    if (dot == std::string::npos || dot + 2 != entry.name.size()) continue;
    Layer layer;
    layer.name = entry.name.substr(0, dot);
    KVANT_RETURN_IF_ERROR(LoadTensor(*file, layer.name + ".k", &layer.k));
    KVANT_RETURN_IF_ERROR(LoadTensor(*file, layer.name + ".v", &layer.v));
    const ConstTensorView &k = layer.k.view, &v = layer.v.view;
    const bool alike = std::equal(k.shape().begin(), k.shape().end(), v.shape().begin(), v.shape().end());
    if (k.dtype() != DType::kFloat16 || v.dtype() != DType::kFloat16 || !alike || k.elements() == 0 || k.rank() < 2 ||
        k.elements() / k.shape(0) % 128 != 0) {
      return TensorError(file->name(), entry.name, "{}",
                         "the demo wants keys and values as float16, of one shape, with rows of a multiple of 128");
    }
    layer.tokens = k.shape(0);
    layer.width = k.elements() / layer.tokens;
    layer.k_values = Numbers(layer.k.view);
    layer.v_values = Numbers(layer.v.view);
    KVANT_RETURN_IF_ERROR(RunLayer(layer, exec, lines));
  }
  return {};
}

std::string CacheTable(const std::vector<CacheLine>& lines) {
  Table table(
      {"<K and V in", "bytes before", "after", "saved", "SQNR dB", "attention: cosine", "relative error", "us/token"});
  std::string layer;
  for (const CacheLine& line : lines) {
    if (line.layer != layer) table.AddText(line.layer);
    layer = line.layer;
    table.Add(
        {"  cache " + line.kind, Grouped(line.before), Grouped(line.after),
         fmt::format("{:.0f} %", 100.0 * (1 - static_cast<double>(line.after) / static_cast<double>(line.before))),
         fmt::format("{:.1f}", line.sqnr), fmt::format("{:.5f}", line.cosine),
         fmt::format("{:.2f} %", 100 * line.relative_error), fmt::format("{:.2f}", line.microseconds)});
  }
  return "\nA paged KV cache of those keys and values, written token by token as decoding does: INT8 with static "
         "scales\n"
         "per channel, INT4 fused with scales for 32, 64 or 128 elements or the whole row of 384. Attention: all "
         "heads,\n"
         "causal, from the cache read back against the original, with keys in the place of queries.\n\n" +
         table.Text();
}

}  // namespace kvant::cli

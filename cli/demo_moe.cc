#include "cli/demo_moe.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>

#include "cli/error_stats.h"
#include "cli/io/message.h"
#include "cli/io/tensor_file.h"
#include "cli/tensor_set.h"
#include "kvant/core/half.h"
#include "kvant/kvant.h"

namespace kvant::cli {
namespace {

constexpr int64_t kInner = 512;  // H: between the two products
constexpr int kRounds = 5;       // times are the shortest of these

size_t Size(int64_t n) { return static_cast<size_t>(n); }

// Nearly normal numbers, the same with every standard library: sums of twelve uniform ones.
class Normal {
 public:
  float operator()() {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += static_cast<double>(random_()) * 0x1p-32;
    return static_cast<float>(sum);
  }

 private:
  std::mt19937 random_{2026};
};

// The weights of every expert, [experts, columns, depth], and the same in INT8 with a scale for each column.
struct Weights {
  int64_t depth = 0, columns = 0;
  std::vector<float> values, scale;
  std::vector<int8_t> codes;

  Weights(int64_t experts, int64_t depth, int64_t columns, Normal& normal)
      : depth(depth),
        columns(columns),
        values(Size(experts * columns * depth)),
        scale(Size(experts * columns)),
        codes(values.size()) {
    const float size = 1 / std::sqrt(static_cast<float>(depth));
    for (float& v : values) v = normal() * size;
  }
  // A column is a row of `values`, so per-token scales are scales per column.
  Status Quantize(const ExecOptions& exec) {
    DynamicQuantArgs args;
    const auto rows = static_cast<int64_t>(scale.size());
    args.x = ConstTensorView(values.data(), DType::kFloat32, {rows, depth});
    args.symmetric = true;
    args.y = TensorView(codes.data(), DType::kInt8, {rows, depth});
    args.scale = TensorView(scale.data(), DType::kFloat32, {rows});
    return DynamicQuant(args, exec);
  }
};

// to[t, c] = sum over k of x[t, k] w[expert of t, c, k]; rows of an expert follow one another.
template <class X, class W, class To>
void Multiply(const std::vector<X>& x, const std::vector<W>& w, const Weights& shape,
              const std::vector<int64_t>& counts, std::vector<To>* to) {
  const int64_t depth = shape.depth, columns = shape.columns;
  int64_t t = 0;
  for (size_t e = 0; e < counts.size(); ++e) {
    for (const int64_t end = t + counts[e]; t < end; ++t) {
      const X* row = x.data() + t * depth;
      for (int64_t c = 0; c < columns; ++c) {
        const W* column = w.data() + (static_cast<int64_t>(e) * columns + c) * depth;
        To sum = 0;
        for (int64_t k = 0; k < depth; ++k) sum += static_cast<To>(row[k]) * static_cast<To>(column[k]);
        (*to)[Size(t * columns + c)] = sum;
      }
    }
  }
}

// The shortest of a few runs, in microseconds.
template <class Body>
Status Time(const Body& body, double* microseconds) {
  *microseconds = INFINITY;
  for (int round = 0; round < kRounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    KVANT_RETURN_IF_ERROR(body());
    const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
    *microseconds = std::min(*microseconds, time.count());
  }
  return {};
}

// The MLP of experts: x [tokens, width] to [tokens, 2 kInner], SwiGLU, and back to [tokens, width].
class Mlp {
 public:
  Mlp(std::vector<float> x, int64_t width, std::vector<int64_t> counts, const ExecOptions& exec)
      : exec_(exec),
        tokens_(static_cast<int64_t>(x.size()) / width),
        width_(width),
        x_(std::move(x)),
        counts_(std::move(counts)),
        up_(static_cast<int64_t>(counts_.size()), width, 2 * kInner, normal_),
        down_(static_cast<int64_t>(counts_.size()), kInner, width, normal_) {}

  Status Run(MoeReport* report) {
    KVANT_RETURN_IF_ERROR(up_.Quantize(exec_));
    KVANT_RETURN_IF_ERROR(down_.Quantize(exec_));
    KVANT_RETURN_IF_ERROR(QuantizeX());
    KVANT_RETURN_IF_ERROR(Time(
        [&]() -> Status {
          Multiply(x_codes_, up_.codes, up_, counts_, &product_);
          return {};
        },
        &report->up));
    KVANT_RETURN_IF_ERROR(Time([&] { return Fused(); }, &report->fused));
    KVANT_RETURN_IF_ERROR(Apart(report));
    const std::vector<float> wanted = Reference();
    std::vector<float> got;
    KVANT_RETURN_IF_ERROR(Time(
        [&]() -> Status {
          got = Down(s_codes_, s_scale_);
          return {};
        },
        &report->down));
    Judge(wanted, got, &report->relative_error, &report->cosine);
    double cosine = 0;
    Judge(wanted, Down(apart_codes_, apart_scale_), &report->relative_error_apart, &cosine);
    report->codes = static_cast<int64_t>(s_codes_.size());
    for (size_t i = 0; i < s_codes_.size(); ++i) report->codes_apart += s_codes_[i] != apart_codes_[i] ? 1 : 0;
    report->tokens = tokens_;
    report->width = width_;
    report->inner = kInner;
    report->counts = counts_;
    return {};
  }

 private:
  Status QuantizeX() {
    DynamicQuantArgs args;
    args.x = ConstTensorView(x_.data(), DType::kFloat32, {tokens_, width_});
    args.symmetric = true;
    args.y = TensorView(x_codes_.data(), DType::kInt8, {tokens_, width_});
    args.scale = TensorView(x_scale_.data(), DType::kFloat32, {tokens_});
    return DynamicQuant(args, exec_);
  }

  Status Fused() {
    const auto experts = static_cast<int64_t>(counts_.size());
    DequantSwigluQuantArgs args;
    args.x = ConstTensorView(product_.data(), DType::kInt32, {tokens_, 2 * kInner});
    args.weight_scale = ConstTensorView(up_.scale.data(), DType::kFloat32, {experts, 2 * kInner});
    args.activation_scale = ConstTensorView(x_scale_.data(), DType::kFloat32, {tokens_});
    args.group_index = ConstTensorView(counts_.data(), DType::kInt64, {experts});
    args.activate_left = true;
    args.quant_mode = ScaleSource::kDynamic;
    args.y = TensorView(s_codes_.data(), DType::kInt8, {tokens_, kInner});
    args.scale = TensorView(s_scale_.data(), DType::kFloat32, {tokens_});
    return DequantSwigluQuant(args, exec_);
  }

  // Dequantized values and s go through memory; exp is the C library's.
  Status Apart(MoeReport* report) {
    std::vector<float> v(product_.size()), s(s_codes_.size());
    KVANT_RETURN_IF_ERROR(Time(
        [&]() -> Status {
          ForEachRow([&](size_t e, int64_t t) {
            for (int64_t c = 0; c < 2 * kInner; ++c) {
              const size_t i = Size(t * 2 * kInner + c);
              v[i] = static_cast<float>(product_[i]) * up_.scale[e * 2 * kInner + Size(c)] * x_scale_[Size(t)];
            }
          });
          return {};
        },
        &report->dequantize));
    KVANT_RETURN_IF_ERROR(Time(
        [&]() -> Status {
          Swiglu(v, &s);
          return {};
        },
        &report->swiglu));
    DynamicQuantArgs args;
    args.x = ConstTensorView(s.data(), DType::kFloat32, {tokens_, kInner});
    args.symmetric = true;
    args.y = TensorView(apart_codes_.data(), DType::kInt8, {tokens_, kInner});
    args.scale = TensorView(apart_scale_.data(), DType::kFloat32, {tokens_});
    return Time([&] { return DynamicQuant(args, exec_); }, &report->quantize);
  }

  void Swiglu(const std::vector<float>& v, std::vector<float>* s) const {
    for (int64_t t = 0; t < tokens_; ++t) {
      for (int64_t c = 0; c < kInner; ++c) {
        const float act = v[Size(t * 2 * kInner + c)], lin = v[Size(t * 2 * kInner + kInner + c)];
        (*s)[Size(t * kInner + c)] = act / (1 + std::exp(-act)) * lin;
      }
    }
  }

  // All in fp32.
  std::vector<float> Reference() const {
    std::vector<float> v(product_.size()), s(s_codes_.size()), out(x_.size());
    Multiply(x_, up_.values, up_, counts_, &v);
    Swiglu(v, &s);
    Multiply(s, down_.values, down_, counts_, &out);
    return out;
  }

  std::vector<float> Down(const std::vector<int8_t>& codes, const std::vector<float>& scale) const {
    std::vector<int32_t> product(x_.size());
    std::vector<float> out(x_.size());
    Multiply(codes, down_.codes, down_, counts_, &product);
    ForEachRow([&](size_t e, int64_t t) {
      for (int64_t c = 0; c < width_; ++c) {
        const size_t i = Size(t * width_ + c);
        out[i] = static_cast<float>(product[i]) * down_.scale[e * Size(width_) + Size(c)] * scale[Size(t)];
      }
    });
    return out;
  }

  template <class Body>
  void ForEachRow(const Body& body) const {
    int64_t t = 0;
    for (size_t e = 0; e < counts_.size(); ++e) {
      for (const int64_t end = t + counts_[e]; t < end; ++t) body(e, t);
    }
  }

  static void Judge(const std::vector<float>& wanted, const std::vector<float>& got, double* error, double* cosine) {
    double difference = 0, size = 0;
    ErrorStats stats;
    for (size_t i = 0; i < wanted.size(); ++i) {
      const double a = wanted[i], b = got[i];
      stats.Add(&a, &b, 1);
      difference += (a - b) * (a - b);
      size += a * a;
    }
    *error = std::sqrt(difference / size);
    *cosine = stats.Cosine();
  }

  const ExecOptions& exec_;
  const int64_t tokens_, width_;
  const std::vector<float> x_;
  const std::vector<int64_t> counts_;
  Normal normal_;
  Weights up_, down_;
  std::vector<int8_t> x_codes_ = std::vector<int8_t>(Size(tokens_ * width_));
  std::vector<float> x_scale_ = std::vector<float>(Size(tokens_));
  std::vector<int32_t> product_ = std::vector<int32_t>(Size(tokens_ * 2 * kInner));
  std::vector<int8_t> s_codes_ = std::vector<int8_t>(Size(tokens_ * kInner)), apart_codes_ = s_codes_;
  std::vector<float> s_scale_ = std::vector<float>(Size(tokens_)), apart_scale_ = s_scale_;
};

// [tokens, width] in fp16, as numbers.
Status LoadHidden(const std::string& path, std::vector<float>* x, int64_t* width) {
  std::unique_ptr<TensorFile> file;
  KVANT_RETURN_IF_ERROR(TensorFile::Open(path, &file));
  LoadedTensor hidden;
  KVANT_RETURN_IF_ERROR(LoadTensor(*file, "layer2.hidden", &hidden));
  const ConstTensorView& t = hidden.view;
  if (t.dtype() != DType::kFloat16 || t.rank() != 2 || t.elements() == 0) {
    return TensorError(file->name(), "layer2.hidden", "{}", "the demo wants hidden states as float16 [tokens, width]");
  }
  *width = t.shape(1);
  for (int64_t i = 0; i < t.elements(); ++i) {
    Float16 v;
    std::memcpy(&v, static_cast<const char*>(t.data()) + i * static_cast<int64_t>(sizeof(v)), sizeof(v));
    x->push_back(ToFloat32(v));
  }
  return {};
}

// The rows of each expert from where they end.
Status LoadCounts(const std::string& path, int64_t tokens, std::vector<int64_t>* counts) {
  std::unique_ptr<TensorFile> file;
  KVANT_RETURN_IF_ERROR(TensorFile::Open(path, &file));
  LoadedTensor ends;
  KVANT_RETURN_IF_ERROR(LoadTensor(*file, "group_index", &ends));
  counts->resize(Size(ends.view.rank() == 1 ? ends.view.shape(0) : 0));
  KVANT_RETURN_IF_ERROR(
      CountsFromEnds(ends.view, TensorView(counts->data(), DType::kInt64, {static_cast<int64_t>(counts->size())})));
  int64_t sum = 0;
  for (const int64_t count : *counts) sum += count;
  if (sum == tokens) return {};
  return TensorError(file->name(), "group_index", "{}", "the demo wants experts for all tokens of layer2.hidden");
}

}  // namespace

Status RunMoeDemo(const std::string& activations, const std::string& experts, const ExecOptions& exec,
                  MoeReport* report) {
  std::vector<float> x;
  std::vector<int64_t> counts;
  int64_t width = 0;
  KVANT_RETURN_IF_ERROR(LoadHidden(activations, &x, &width));
  KVANT_RETURN_IF_ERROR(LoadCounts(experts, static_cast<int64_t>(x.size()) / width, &counts));
  return Mlp(std::move(x), width, std::move(counts), exec).Run(report);
}

std::string MoeText(const MoeReport& r) {
  std::string counts;
  for (const int64_t count : r.counts) counts += fmt::format("{}{}", counts.empty() ? "" : ", ", count);
  const double apart = r.dequantize + r.swiglu + r.quantize;
  return fmt::format(
      "\nA mixture of experts on INT8: layer2.hidden, {} tokens, {} of them to each expert. The weights are\n"
      "random, from a fixed seed (the model has no experts), and quantized per channel; the products are plain "
      "loops.\n\n"
      "  {} to 2 x {}, INT8 product           {:>9.1f} us\n"
      "  dequant_swiglu_quant                  {:>9.1f} us\n"
      "    the three steps apart               {:>9.1f} us: {:.1f} dequantize, {:.1f} SwiGLU, {:.1f} dynamic_quant\n"
      "  {} to {}, INT8 product, dequantized {:>9.1f} us\n\n"
      "Against the same MLP in fp32: relative error {:.2f} %, cosine {:.5f}. With the steps apart {:.2f} %; {} of {}\n"
      "codes differ (their exp is the C library's).\n",
      r.tokens, counts, r.width, r.inner, r.up, r.fused, apart, r.dequantize, r.swiglu, r.quantize, r.inner, r.width,
      r.down, 100 * r.relative_error, r.cosine, 100 * r.relative_error_apart, r.codes_apart, r.codes);
}

}  // namespace kvant::cli

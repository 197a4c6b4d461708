// A step of decoding as a graph of operators: 32 sequences, caches of 16 positions, rows of 32 elements. One token of
// each is quantized to INT4, and codes, scales and offsets are written into the cache. The graph is printed, fused into
// one operator and printed again; both are run, and leave the same bytes.
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include "kvant/graph/fuse.h"
#include "kvant/graph/graph.h"
#include "kvant/graph/run.h"

namespace {

using kvant::DType;
namespace graph = kvant::graph;

constexpr int64_t B = 32, S = 16, H = 32;

graph::Graph Build() {
  graph::Graph g;
  const auto x = g.AddInput("x", DType::kFloat16, {B, 1, H});
  const auto indices = g.AddInput("indices", DType::kInt32, {B});
  const auto var = g.AddInput("var", DType::kUInt8, {B, S, 1, H / 2});
  const auto var_scale = g.AddInput("var_scale", DType::kFloat32, {B, S});
  const auto var_offset = g.AddInput("var_offset", DType::kFloat32, {B, S});

  const auto quant = g.Add("dynamic_quant", {{"x", x}}, {{"dst_type", "int4"}});
  const auto codes = g.Add("view", {{"x", quant["y"]}}, {{"shape", {B, 1, 1, H / 2}}}, "codes");
  const std::vector<graph::Attribute> where = {{"axis", 1}, {"index_mode", "batch"}};
  g.Add("scatter_update_", {{"self", var}, {"indices", indices}, {"updates", codes}}, where);
  g.Add("scatter_update_", {{"self", var_scale}, {"indices", indices}, {"updates", quant["scale"]}}, where);
  g.Add("scatter_update_", {{"self", var_offset}, {"indices", indices}, {"updates", quant["offset"]}}, where);
  return g;
}

// What the graph writes.
struct Cache {
  std::vector<uint8_t> var = std::vector<uint8_t>(B * S * H / 2);
  std::vector<float> scale = std::vector<float>(B * S), offset = scale;

  friend bool operator==(const Cache&, const Cache&) = default;
};

kvant::Status Run(const graph::Graph& g, const std::vector<uint16_t>& x, const std::vector<int32_t>& indices,
                  Cache* cache) {
  return graph::Run(g, {{"x", kvant::ConstTensorView(x.data(), DType::kFloat16, {B, 1, H})},
                        {"indices", kvant::ConstTensorView(indices.data(), DType::kInt32, {B})},
                        {"var", kvant::TensorView(cache->var.data(), DType::kUInt8, {B, S, 1, H / 2})},
                        {"var_scale", kvant::TensorView(cache->scale.data(), DType::kFloat32, {B, S})},
                        {"var_offset", kvant::TensorView(cache->offset.data(), DType::kFloat32, {B, S})}});
}

int Fail(const kvant::Status& status) { return std::fprintf(stderr, "%s\n", status.message().c_str()), 1; }

}  // namespace

int main() {
  const graph::Graph unfused = Build();
  if (!unfused.status().ok()) return Fail(unfused.status());
  graph::FuseReport report;
  const graph::Graph fused = graph::Fuse(unfused, &report);
  std::printf("%s\n%s\n%s\n", unfused.Dump().c_str(), report.Text().c_str(), fused.Dump().c_str());

  std::mt19937 random(1);
  std::vector<uint16_t> x(B * H);  // float16 of both signs between 1/4 and 4
  for (uint16_t& v : x) v = static_cast<uint16_t>((random() & 0x8000) | (0x3400 + random() % 0x1000));
  std::vector<int32_t> indices(B);
  for (int32_t& i : indices) i = static_cast<int32_t>(random() % S);
  Cache one, other;
  if (const auto status = Run(unfused, x, indices, &one); !status.ok()) return Fail(status);
  if (const auto status = Run(fused, x, indices, &other); !status.ok()) return Fail(status);
  const bool same = one == other, written = !(one == Cache());
  std::printf("%s\n", same && written ? "both leave the same bytes" : "they differ");
  return same && written && report.entries.size() == 1 && report.entries.front().reason.empty() ? 0 : 1;
}

// Random graphs that look like quantized writes into a cache, with whatever may stand in the way of fusing them.
#ifndef KVANT_GRAPH_RANDOM_PROGRAM_TEST_UTIL_H_
#define KVANT_GRAPH_RANDOM_PROGRAM_TEST_UTIL_H_

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "kvant/graph/graph.h"
#include "kvant/testing/tensors.h"

namespace kvant::graph {

using testing::Layout;
using testing::OneIn;
using testing::PickFrom;
using testing::Rng;
using testing::Shape;
using testing::TestTensor;
using testing::Uniform;

inline int64_t Product(const Shape& shape) {
  int64_t n = 1;
  for (const int64_t extent : shape) n *= extent;
  return n;
}

// One random graph and its inputs.
class Program {
 public:
  explicit Program(Rng& rng) : rng_(rng) { Make(); }

  const Graph& graph() const { return g_; }
  std::map<std::string, TestTensor>& inputs() { return inputs_; }

 private:
  // A tensor of the graph; its shape is wanted often.
  struct Tensor {
    Value value;
    DType dtype;
    Shape shape;
  };
  // Dimensions of updates and of what they are written to, without those of a row.
  struct Places {
    Shape to, from;
  };

  Tensor Input(const std::string& name, DType dtype, const Shape& shape, Layout layout = Layout::kContiguous) {
    if (OneIn(rng_, 3)) layout = Layout::kContiguous;
    const auto [at, is_new] = inputs_.emplace(name, TestTensor(dtype, shape, layout, rng_));
    return {g_.AddInput(name, dtype, shape, at->second.strides()), dtype, shape};
  }
  std::string Name(const std::string& stem) { return stem + std::to_string(++names_); }
  Tensor View(const Tensor& t, const Shape& shape) {
    return {g_.Add("view", {{"x", t.value}}, {{"shape", shape}}), t.dtype, shape};
  }
  // t in another shape, by one view or two.
  Tensor Reshaped(Tensor t, const Shape& shape) {
    if (OneIn(rng_, 5)) t = View(t, {Product(t.shape)});
    return t.shape == shape && !OneIn(rng_, 8) ? t : View(t, shape);
  }

  // Something writes into t.
  void Poke(const Tensor& t) {
    if (Product(t.shape) == 0) return;
    const Tensor row = View(t, {1, Product(t.shape)});
    const Tensor at = Input(Name("zero"), DType::kInt64, {1});
    inputs_.at("zero" + std::to_string(names_)).Set<int64_t>(0, 0);
    const Tensor updates = Input(Name("poke"), t.dtype, {1, 1});
    if (t.dtype == DType::kInt64) inputs_.at("poke" + std::to_string(names_)).Set<int64_t>(0, 0);
    if (t.dtype == DType::kInt32) inputs_.at("poke" + std::to_string(names_)).Set<int32_t>(0, 0);
    g_.Add("scatter_update_", {{"self", row.value}, {"indices", at.value}, {"updates", updates.value}},
           {{"axis", 1}, {"index_mode", "batch"}});
  }
  // Something reads t: an output at the end, or a node now.
  void Peek(const Tensor& t) {
    if (OneIn(rng_, 3)) return g_.AddOutput(Name("out"), t.value);
    const Tensor seen = OneIn(rng_, 3) ? View(t, {1, Product(t.shape)}) : t;
    if (IsFloat(t.dtype)) return g_.AddOutput(Name("out"), g_.Add("neg", {{"x", seen.value}}));
    const Tensor row = View(t, {1, Product(t.shape)});
    const Tensor at = Input(Name("none"), DType::kInt64, {0});
    const Tensor updates = Input(Name("nothing"), t.dtype, {0, 1});
    g_.AddOutput(Name("out"),
                 g_.Add("scatter_update", {{"self", row.value}, {"indices", at.value}, {"updates", updates.value}},
                        {{"axis", 1}, {"index_mode", "batch"}}));
  }
  // What may stand between the nodes of a sequence.
  void Noise() {
    if (!OneIn(rng_, 14)) return;
    const Tensor& t = PickFrom(rng_, around_);
    switch (Uniform(rng_, 0, 3)) {
      case 0:
        return Peek(t);
      case 1:
        return Poke(t);
      case 2:
        return Poke(PickFrom(rng_, around_));
      default:
        View(t, {Product(t.shape)});  // nobody reads it
    }
  }

  int64_t LegalIndex(int64_t most) { return most < 0 ? -1 : Uniform(rng_, 0, most); }
  Tensor Indices(const std::string& name) {
    const bool pairs = mode_ == IndexMode::kPair;
    const DType dtype = OneIn(rng_, 2) ? DType::kInt32 : DType::kInt64;
    Tensor t = Input(name, dtype, pairs ? Shape{n_, 2} : Shape{n_}, Layout::kStrided);
    TestTensor& memory = inputs_.at(name);
    for (int64_t i = 0; i < memory.elements(); ++i) {
      int64_t value = mode_ == IndexMode::kSlot ? LegalIndex(firsts_ * positions_ - 1)
                      : pairs && i % 2 == 0     ? LegalIndex(firsts_ - 1)
                                                : LegalIndex(positions_ - length_);
      if (OneIn(rng_, 60)) value = PickFrom(rng_, std::vector<int64_t>{-1, -2, 1000});
      dtype == DType::kInt32 ? memory.Set(i, static_cast<int32_t>(value)) : memory.Set(i, value);
    }
    return t;
  }

  // The write of one part: in place, of a new tensor, or of one that is written back.
  void Write(const Tensor& to, const Tensor& updates, bool may_differ) {
    Noise();
    Value indices = indices_.value;
    if (may_differ && OneIn(rng_, 12)) indices = other_indices_.value;
    if (OneIn(rng_, 12)) indices = View(indices_, indices_.shape).value;
    const bool same = to.shape.size() >= 3 && to.shape[1] == to.shape[2];  // two axes that updates fit
    const int64_t from_front = may_differ && same && mode_ == IndexMode::kSlot && OneIn(rng_, 8) ? 3 - axis_ : axis_;
    const int64_t axis = from_front - (OneIn(rng_, 2) ? static_cast<int64_t>(to.shape.size()) : 0);
    const IndexPolicy policy = may_differ && OneIn(rng_, 30) ? IndexPolicy::kSkip : policy_;
    const std::vector<Argument> inputs = {{"self", to.value}, {"indices", indices}, {"updates", updates.value}};
    const std::vector<Attribute> attributes = {{"axis", axis}, {"index_mode", mode_}, {"index_policy", policy}};
    if (OneIn(rng_, 8) ? form_ != 0 : form_ == 0) {
      g_.Add("scatter_update_", inputs, attributes);
      return;
    }
    const Value out = g_.Add("scatter_update", inputs, attributes);
    if (OneIn(rng_, 12)) {
      g_.AddOutput(Name("out"), OneIn(rng_, 2) ? out : View({out, to.dtype, to.shape}, {Product(to.shape)}).value);
    } else {
      g_.WriteBack(to.value, out);
      if (OneIn(rng_, 12)) g_.AddOutput(Name("out"), out);
    }
  }

  // A table of one element for each row, or `tail` of them, and the updates for it.
  std::pair<Tensor, Tensor> Table(const std::string& name, const Places& rows, const Shape& tail, Tensor updates) {
    Places p = rows;
    if (tail.empty() && axis_ == 1 && mode_ != IndexMode::kSlot && p.to.size() == 3 && OneIn(rng_, 8)) {
      p.to = {p.to[0], p.to[1] * p.to[2]};  // as many elements, at other places
      p.from = {p.from[0], p.from[1] * p.from[2]};
    } else if (tail.empty() && OneIn(rng_, 3)) {
      p.to.push_back(1);
      p.from.push_back(1);
    } else if (tail.empty() && p.to.size() > 2 && p.to.back() == 1 && axis_ + 1 < static_cast<int64_t>(p.to.size())) {
      p.to.pop_back();
      p.from.pop_back();
    }
    p.to.insert(p.to.end(), tail.begin(), tail.end());
    p.from.insert(p.from.end(), tail.begin(), tail.end());
    const Tensor table =
        shared_table_ && name == "var_offset" ? table_ : Input(name, DType::kFloat32, p.to, Layout::kStrided);
    table_ = table;
    around_.push_back(table);
    return {table, Reshaped(std::move(updates), p.from)};
  }

  void Make();
  void MakeDynamic(const Tensor& x, const Tensor& var, const Places& rows, const Shape& codes);
  void MakeStatic(const Tensor& x, const Tensor& var, const Shape& codes);

  Rng& rng_;
  Graph g_;
  std::map<std::string, TestTensor> inputs_;
  int names_ = 0;
  IndexMode mode_{};
  IndexPolicy policy_{};
  int64_t n_ = 0, firsts_ = 0, positions_ = 0, length_ = 1, axis_ = 1, width_ = 0;
  Format format_ = Format::kInt8;
  int form_ = 0;  // 0: writes are in place
  bool shared_table_ = false;
  Tensor indices_, other_indices_, table_;
  std::vector<Tensor> around_;  // what noise is about
};

inline void Program::Make() {
  mode_ = PickFrom(rng_, std::vector<IndexMode>{IndexMode::kBatch, IndexMode::kPair, IndexMode::kSlot});
  policy_ = OneIn(rng_, 2) ? IndexPolicy::kError : IndexPolicy::kSkip;
  form_ = OneIn(rng_, 3) ? 1 : 0;
  shared_table_ = OneIn(rng_, 40);
  const int64_t rank = Uniform(rng_, 3, 4);
  axis_ = OneIn(rng_, 25) ? rank - 1 : Uniform(rng_, 1, rank - 2);
  format_ = OneIn(rng_, 12)
                ? PickFrom(rng_, std::vector<Format>{Format::kFloat8E4M3FN, Format::kFloat8E5M2, Format::kHiFloat8})
                : PickFrom(rng_, std::vector<Format>{Format::kInt8, Format::kInt4});
  width_ = PickFrom(rng_, std::vector<int64_t>{2, 4, 8, 12});
  const DType storage = StorageType(format_);
  if (axis_ < rank - 1 && OneIn(rng_, 40)) width_ = 0;
  const int64_t packed = width_ / CodesPerElement(format_, storage);
  Places rows;
  for (int64_t d = 0; d + 1 < rank; ++d) rows.to.push_back(Uniform(rng_, 1, 3));
  firsts_ = rows.to[0];
  Shape var = rows.to;
  var.push_back(packed);
  positions_ = var[static_cast<size_t>(axis_)];
  n_ = OneIn(rng_, 30) ? 0 : Uniform(rng_, 1, mode_ == IndexMode::kBatch ? firsts_ : 4);
  length_ = mode_ == IndexMode::kSlot ? 1 : Uniform(rng_, 1, positions_);
  Shape codes = var;
  codes[0] = n_;
  codes[static_cast<size_t>(axis_)] = length_;
  if (mode_ == IndexMode::kSlot) codes.erase(codes.begin() + axis_);
  rows.from.assign(codes.begin(), codes.end() - 1);
  // Codes without elements can be seen with any number of rows.
  if (width_ == 0 && mode_ != IndexMode::kSlot) codes[static_cast<size_t>(axis_)] = Uniform(rng_, 1, positions_);

  indices_ = Indices("indices");
  other_indices_ = Indices("other_indices");
  const Tensor cache =
      Input("var", storage, var, format_ == Format::kInt4 && !OneIn(rng_, 6) ? Layout::kPacked : Layout::kStrided);
  Shape shape = rows.from;
  const bool is_static = OneIn(rng_, 4);
  const int64_t count = Product(rows.from);
  if (OneIn(rng_, 3)) shape = {count};
  if (count % 2 == 0 && OneIn(rng_, 5)) shape = {2, count / 2};
  if (OneIn(rng_, 6)) shape.insert(shape.begin(), 1);
  shape.push_back(width_);
  if (is_static && count % 2 == 0 && OneIn(rng_, 5)) shape = {count / 2, 2 * width_};  // two rows in one
  const DType dtype = PickFrom(rng_, std::vector<DType>{DType::kFloat16, DType::kBFloat16, DType::kFloat32});
  const Tensor x = Input("x", dtype, shape, Layout::kStrided);
  around_ = {x, cache, indices_};
  is_static ? MakeStatic(x, cache, codes) : MakeDynamic(x, cache, rows, codes);
  Noise();
}

inline void Program::MakeDynamic(const Tensor& x, const Tensor& var, const Places& rows, const Shape& codes) {
  const bool symmetric = OneIn(rng_, 3), negate = OneIn(rng_, 3);
  const int64_t group = IsInteger(format_) && width_ > 0 && OneIn(rng_, 4) && width_ % 4 == 0 ? width_ / 2 : 0;
  std::vector<Argument> inputs = {{"x", x.value}};
  std::vector<Attribute> attributes = {{"dst_type", format_}, {"symmetric", symmetric}, {"group_size", group}};
  if (OneIn(rng_, 20)) attributes.push_back({"quant_mode", OneIn(rng_, 2) ? "pertensor" : "perchannel"});
  if (OneIn(rng_, 4)) {
    const Tensor smooth = Input("smooth", DType::kFloat32, {width_});
    around_.push_back(smooth);
    inputs.push_back({"smooth_scales", smooth.value});
  }
  const Node quant = g_.Add("dynamic_quant", inputs, attributes);
  if (!g_.status().ok()) return;
  const auto result = [&](const char* name) {
    const auto spec = g_.Spec(quant[name]);
    return Tensor{quant[name], spec->dtype, Shape(spec->dims().begin(), spec->dims().end())};
  };
  Noise();
  const Shape tail = group == 0 ? Shape{} : Shape{width_ / group};
  std::vector<std::pair<Tensor, Tensor>> writes = {{var, Reshaped(result("y"), codes)}};
  Noise();
  writes.push_back(Table("var_scale", rows, tail, result("scale")));
  if (!symmetric) {
    Tensor offset = result("offset");
    if (negate) offset.value = g_.Add("neg", {{"x", offset.value}});
    if (OneIn(rng_, 12)) offset.value = g_.Add("neg", {{"x", offset.value}});
    writes.push_back(Table("var_offset", rows, tail, offset));
  }
  if (OneIn(rng_, 10)) Peek(PickFrom(rng_, writes).second);
  std::shuffle(writes.begin(), writes.end(), rng_);
  for (const auto& [to, updates] : writes) Write(to, updates, true);
}

inline void Program::MakeStatic(const Tensor& x, const Tensor& var, const Shape& codes) {
  const bool one = OneIn(rng_, 4), along_rows = !OneIn(rng_, 10);
  const int64_t count = one ? 1 : along_rows ? x.shape.back() : x.shape[0];
  const Tensor scales = Input("scales", DType::kFloat32, {count}), zeros = Input("zeros", DType::kBFloat16, {count});
  around_.insert(around_.end(), {scales, zeros});
  std::vector<Argument> inputs = {{"x", x.value}, {"quant_scales", scales.value}};
  if (OneIn(rng_, 2)) inputs.push_back({"quant_zero_points", zeros.value});
  const Node quant = g_.Add("quantize", inputs,
                            {{"dst_type", format_},
                             {"axis", along_rows ? -1 : 0},
                             {"reciprocal_scale", OneIn(rng_, 2)},
                             {"round_mode", format_ == Format::kHiFloat8 && OneIn(rng_, 2) ? "hybrid" : "rint"}});
  if (!g_.status().ok()) return;
  const auto spec = g_.Spec(quant);
  const Tensor y = {quant, spec->dtype, Shape(spec->dims().begin(), spec->dims().end())};
  Noise();
  Write(var, Reshaped(y, codes), false);
}

}  // namespace kvant::graph

#endif  // KVANT_GRAPH_RANDOM_PROGRAM_TEST_UTIL_H_

// Nodes that write to places that indices name, and read from them, against calls.
#include "kvant/graph/ops_test_util.h"

namespace kvant::graph {
namespace {

TEST_F(Ops, Scatters) {
  In("self", DType::kInt8, {2, 3, 4}, Layout::kStrided);
  Integers("indices", DType::kInt64, {5, -1, 9, 0});
  In("updates", DType::kInt8, {4, 4});
  const std::vector<Attribute> where = {{"axis", -2}, {"index_mode", IndexMode::kSlot}, {"index_policy", "skip"}};
  const auto with = [](auto args, Tensors& in) {
    args.self = in.at("self").view();
    args.indices = in.at("indices").view();
    args.updates = in.at("updates").view();
    args.axis = 1;
    args.index_mode = IndexMode::kSlot;
    args.index_policy = IndexPolicy::kSkip;
    return args;
  };
  Same("scatter_update", where, {"out"}, [&](Tensors& in, Tensors& out) {
    auto a = with(ScatterUpdateArgs(), in);
    a.out = out.at("out").view();
    return ScatterUpdate(a);
  });
  Same("scatter_update_", where, {},
       [&](Tensors& in, Tensors&) { return ScatterUpdateInPlace(with(ScatterUpdateInPlaceArgs(), in)); });

  Floats("updates", DType::kFloat16, {4, 4});
  Floats("quant_scales", DType::kFloat32, {4});
  Floats("quant_zero_points", DType::kBFloat16, {1});
  std::vector<Attribute> quant = where;
  quant.insert(quant.end(), {{"quant_axis", 1}, {"reciprocal_scale", true}});
  const auto quantized = [&](auto args, Tensors& in) {
    args = with(args, in);
    args.quant_scales = in.at("quant_scales").view();
    args.quant_zero_points = in.at("quant_zero_points").view();
    args.quant_axis = 1;
    args.reciprocal_scale = true;
    return args;
  };
  Same("quant_scatter", quant, {"out"}, [&](Tensors& in, Tensors& out) {
    auto a = quantized(QuantScatterArgs(), in);
    a.out = out.at("out").view();
    return QuantScatter(a);
  });
  Same("quant_scatter_", quant, {},
       [&](Tensors& in, Tensors&) { return QuantScatterInPlace(quantized(QuantScatterInPlaceArgs(), in)); });
}

TEST_F(Ops, QuantizedCaches) {
  for (const std::string which : {"", "second."}) {
    Floats(which + "updates", DType::kFloat16, {3, 8});
    In(which + "var", DType::kUInt8, {2, 3, 4}, Layout::kPacked);
    In(which + "var_scale", DType::kFloat32, {2, 3, 2}, Layout::kStrided);
    In(which + "var_offset", DType::kFloat32, {2, 3, 2}, Layout::kStrided);
  }
  Integers("indices", DType::kInt32, {5, -1, 2});
  Floats("smooth_scales", DType::kFloat32, {8});
  const auto cache = [](Tensors& in, const std::string& which) {
    return CacheUpdate{in.at(which + "updates").view(), in.at(which + "var").view(), in.at(which + "var_scale").view(),
                       in.at(which + "var_offset").view()};
  };
  Same("dynamic_quant_update_scatter_",
       {{"dst_type", "int4"}, {"negate_offset", true}, {"group_size", 4}, {"axis", 1}, {"index_mode", "slot"}}, {},
       [&](Tensors& in, Tensors&) {
         DynamicQuantUpdateScatterArgs a;
         static_cast<CacheUpdate&>(a) = cache(in, "");
         a.second = cache(in, "second.");
         a.indices = in.at("indices").view();
         a.smooth_scales = in.at("smooth_scales").view();
         a.dst_type = Format::kInt4;
         a.negate_offset = true;
         a.group_size = 4;
         a.axis = 1;
         a.index_mode = IndexMode::kSlot;
         return DynamicQuantUpdateScatter(a);
       });
  for (const char* gone :
       {"updates", "smooth_scales", "second.updates", "second.var", "second.var_scale", "second.var_offset"}) {
    in_.erase(gone);
  }
  Integers("indices", DType::kInt32, {0, 1});
  Same("dequantize_gather",
       {{"dst_type", "int4"},
        {"length", 2},
        {"negate_offset", true},
        {"group_size", 4},
        {"index_mode", "batch"},
        {"dtype", "float16"}},
       {"x"}, [&](Tensors& in, Tensors& out) {
         DequantizeGatherArgs a;
         a.var = in.at("var").view();
         a.var_scale = in.at("var_scale").view();
         a.var_offset = in.at("var_offset").view();
         a.indices = in.at("indices").view();
         a.dst_type = Format::kInt4;
         a.length = 2;
         a.negate_offset = true;
         a.group_size = 4;
         a.index_mode = IndexMode::kBatch;
         a.x = out.at("x").view();
         return DequantizeGather(a);
       });
}

}  // namespace
}  // namespace kvant::graph

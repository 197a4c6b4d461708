// The everyday call is seen only where every rule holds, and does what the general way does.
#include "kvant/ops/dynamic_quant_update_scatter/plain.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "kvant/ops/dynamic_quant_update_scatter/rules.h"
#include "kvant/testing/each_target.h"
#include "kvant/testing/tensors.h"

namespace kvant {
namespace {

using testing::OneIn;
using testing::Rng;
using testing::Shape;
using testing::Uniform;

// Tensors of one call, as the test may change them.
struct Tensor {
  DType dtype = DType::kFloat32;
  Shape shape, strides;
  int64_t at = 0;  // bytes into the memory of the call

  void MakeRowMajor() {
    strides.assign(shape.size(), 1);
    for (size_t d = shape.size(); d-- > 1;) strides[d - 1] = strides[d] * std::max<int64_t>(shape[d], 1);
  }
  int64_t bytes() const {
    int64_t n = ByteSize(dtype);
    for (const int64_t extent : shape) n *= extent;
    return n;
  }
};

constexpr int kTensors = 9;  // indices, then updates, codes, scale and offset of each cache

struct Call {
  Tensor tensors[kTensors];
  bool present[kTensors] = {};
  DynamicQuantUpdateScatterArgs args;
  std::vector<uint8_t> memory;

  // Row-major tensors, one after the other.
  void LayOut(Rng& rng) {
    int64_t end = 64;
    for (Tensor& t : tensors) {
      t.MakeRowMajor();
      t.at = end;
      end += (t.bytes() + 15) / 8 * 8;
    }
    memory.resize(static_cast<size_t>(end) + 4096);
    std::generate(memory.begin(), memory.end(), [&] { return static_cast<uint8_t>(rng()); });
  }

  TensorView View(int i) {
    if (!present[i]) return {};
    const Tensor& t = tensors[i];
    return {memory.data() + t.at, t.dtype, t.shape, t.strides};
  }
  const DynamicQuantUpdateScatterArgs& Args() {
    args.indices = View(0);
    CacheUpdate* const caches[] = {&args, &args.second};
    for (int c = 0; c < 2; ++c) {
      caches[c]->updates = View(1 + 4 * c);
      caches[c]->var = View(2 + 4 * c);
      caches[c]->var_scale = View(3 + 4 * c);
      caches[c]->var_offset = View(4 + 4 * c);
    }
    return args;
  }
};

Call PlainCall(Rng& rng) {
  Call c;
  const IndexMode mode = testing::PickFrom(rng, std::vector{IndexMode::kBatch, IndexMode::kPair, IndexMode::kSlot});
  const bool slots = mode == IndexMode::kSlot;
  const int64_t rank = Uniform(rng, 3, 5), firsts = Uniform(rng, 1, 4), positions = Uniform(rng, 1, 5);
  const int64_t length = slots ? 1 : Uniform(rng, 1, positions);
  const int64_t n = Uniform(rng, 1, mode == IndexMode::kBatch ? firsts : 9);
  c.args.index_mode = mode;
  c.args.index_policy = OneIn(rng, 2) ? IndexPolicy::kError : IndexPolicy::kSkip;
  c.args.dst_type = OneIn(rng, 2) ? Format::kInt8 : Format::kInt4;
  c.args.symmetric = OneIn(rng, 3);
  c.args.negate_offset = !c.args.symmetric && OneIn(rng, 2);
  c.args.axis = static_cast<int>(OneIn(rng, 2) ? 1 : 1 - rank);
  c.tensors[0].dtype = OneIn(rng, 2) ? DType::kInt32 : DType::kInt64;
  c.tensors[0].shape = mode == IndexMode::kPair ? Shape{n, 2} : Shape{n};
  c.present[0] = true;
  const bool two = OneIn(rng, 3);
  const int64_t h = 2 * (OneIn(rng, 4) ? Uniform(rng, 30, 80) : Uniform(rng, 1, 20));
  if (OneIn(rng, 2)) c.args.group_size = testing::PickFrom(rng, std::vector<int64_t>{2, h / 2 % 2 == 0 ? h / 2 : h, h});
  for (int k = 0; k < (two ? 2 : 1); ++k) {
    Tensor *x = &c.tensors[1 + 4 * k], *y = x + 1, *scale = x + 2, *offset = x + 3;
    Shape rest;
    for (int64_t d = 2; d + 1 < rank; ++d) rest.push_back(Uniform(rng, 1, 3));
    x->dtype = testing::PickFrom(rng, std::vector{DType::kFloat16, DType::kBFloat16, DType::kFloat32});
    x->shape = {n};
    if (!slots) x->shape.push_back(length);
    scale->shape = {firsts, positions};
    x->shape.insert(x->shape.end(), rest.begin(), rest.end());
    scale->shape.insert(scale->shape.end(), rest.begin(), rest.end());
    y->shape = scale->shape;
    if (c.args.group_size != 0) scale->shape.push_back(h / c.args.group_size);
    offset->shape = scale->shape;
    scale->dtype = testing::PickFrom(rng, std::vector{DType::kFloat16, DType::kFloat32, DType::kBFloat16});
    if (!c.args.symmetric && c.args.dst_type == Format::kInt8) scale->dtype = DType::kFloat32;
    offset->dtype = scale->dtype;
    x->shape.push_back(h);
    y->dtype = StorageType(c.args.dst_type);
    y->shape.push_back(c.args.dst_type == Format::kInt4 ? h / 2 : h);
    for (int i = 1; i <= 4; ++i) c.present[i + 4 * k] = i != 4 || !c.args.symmetric;
  }
  c.LayOut(rng);
  // Updates are numbers, mostly; indices are legal, mostly.
  for (int k = 0; k < 2; ++k) {
    const Tensor& x = c.tensors[1 + 4 * k];
    if (!c.present[1 + 4 * k] || OneIn(rng, 4)) continue;
    for (int64_t b = ByteSize(x.dtype) - 1; b < x.bytes(); b += ByteSize(x.dtype)) {
      c.memory[static_cast<size_t>(x.at + b)] =
          static_cast<uint8_t>(Uniform(rng, 0x38, 0x40) + 0x80 * Uniform(rng, 0, 1));
    }
  }
  const bool bad = OneIn(rng, 4);
  for (int64_t i = 0; i < c.tensors[0].bytes() / ByteSize(c.tensors[0].dtype); ++i) {
    int64_t most = slots ? firsts * positions : positions - length + 1;
    if (mode == IndexMode::kPair && i % 2 == 0) most = firsts;
    const int64_t value = bad && OneIn(rng, 3) ? Uniform(rng, -2, most + 1) : Uniform(rng, 0, most - 1);
    std::memcpy(c.memory.data() + c.tensors[0].at + i * ByteSize(c.tensors[0].dtype), &value,
                static_cast<size_t>(ByteSize(c.tensors[0].dtype)));
  }
  return c;
}

// One thing of the call is another, which may or may not be legal.
void ChangeSomething(Call& c, Rng& rng) {
  Tensor& t = c.tensors[Uniform(rng, 0, kTensors - 1)];
  const auto any = [&] { return static_cast<size_t>(rng() % kTensors); };
  const auto dim = [&] { return static_cast<size_t>(rng()) % t.shape.size(); };
  const std::vector<DType> dtypes = {DType::kFloat16, DType::kBFloat16, DType::kFloat32, DType::kInt8,
                                     DType::kUInt8,   DType::kInt32,    DType::kInt64};
  switch (Uniform(rng, 0, 11)) {
    case 11:
      c.args.group_size = Uniform(rng, -1, 8);
      break;
    case 0:
      t.dtype = testing::PickFrom(rng, dtypes);
      break;
    case 1:
      if (!t.shape.empty()) t.shape[dim()] += Uniform(rng, -2, 2);
      for (int64_t& extent : t.shape) extent = std::max<int64_t>(extent, 0);
      break;
    case 2:
      if (!t.shape.empty()) t.strides[dim()] += Uniform(rng, -2, 2);
      break;
    case 3:
      t.at = c.tensors[any()].at;
      break;
    case 4:
      t.at = c.tensors[any()].at + c.tensors[any()].bytes() - ByteSize(t.dtype);
      break;
    case 5:
      c.present[any()] ^= true;
      break;
    case 6:
      c.args.axis = static_cast<int>(Uniform(rng, -6, 6));
      break;
    case 7:
      c.args.index_mode = IndexMode{static_cast<uint8_t>(Uniform(rng, 0, 2))};
      break;
    case 8:
      c.args.dst_type = Format{static_cast<uint8_t>(Uniform(rng, 0, kNumFormats - 1))};
      break;
    case 9:
      c.args.symmetric ^= true;
      break;
    default:
      if (!t.shape.empty()) {
        const auto d = static_cast<int64_t>(dim());
        t.shape.insert(t.shape.begin() + d, 1);
        t.strides.insert(t.strides.begin() + d, 1);
      }
  }
}

TEST(PlainUpdate, IsLegal) {
  Rng rng(1);
  int plain = 0, legal = 0;
  constexpr int kRounds = 30000;
  for (int round = 0; round < kRounds; ++round) {
    Call c = PlainCall(rng);
    for (int64_t changes = Uniform(rng, 1, 2); changes > 0; --changes) ChangeSomething(c, rng);
    if (OneIn(rng, 2)) c.LayOut(rng);
    const auto args = dynamic_quant_update_scatter::Canonical(c.Args());
    ScatterGeometry geometry;
    const Status status = dynamic_quant_update_scatter::Check(args, &geometry);
    legal += status.ok() ? 1 : 0;
    PlainUpdate update;
    if (!FindPlainUpdate(c.Args(), &update)) continue;
    ++plain;
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_TRUE(update.geometry == geometry);
  }
  EXPECT_GT(plain, kRounds / 10);
  EXPECT_GT(legal - plain, kRounds / 100);
  EXPECT_GT(kRounds - legal, kRounds / 10);
}

TEST(PlainUpdate, DoesWhatTheGeneralWayDoes) {
  Rng rng(2);
  int failed = 0;
  const int rounds = SlowMachine() ? 300 : 3000;
  for (int round = 0; round < rounds; ++round) {
    Call c = PlainCall(rng);
    const std::vector<uint8_t> before = c.memory;
    PlainUpdate update;
    ASSERT_TRUE(FindPlainUpdate(c.Args(), &update));
    // Smooth scales of 1 change nothing but the way.
    const std::vector<float> ones(200, 1.0f);
    DynamicQuantUpdateScatterArgs general = c.Args();
    general.smooth_scales = ConstTensorView(ones.data(), DType::kFloat32, {general.updates.shape(-1)});
    ASSERT_FALSE(FindPlainUpdate(general, &update));
    for (const Target target : SupportedTargets()) {
      const testing::ScopedTarget scoped(target);
      c.memory = before;
      const Status status = DynamicQuantUpdateScatter(c.Args());
      const std::vector<uint8_t> found = c.memory;
      c.memory = before;
      const Status expected = DynamicQuantUpdateScatter(general);
      ASSERT_EQ(status.message(), expected.message());
      ASSERT_TRUE(found == c.memory) << Name(target) << ", round " << round;
      if (status.ok()) continue;
      ++failed;
      ASSERT_TRUE(found == before);
    }
  }
  EXPECT_GT(failed, rounds / 50);
}

}  // namespace
}  // namespace kvant

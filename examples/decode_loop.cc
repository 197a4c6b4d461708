// A decode loop with a quantized KV cache: each step writes the new keys and values as INT4 into a paged cache, in one
// call, and reads what the sequence has so far back for attention. Two sequences, one layer, random numbers.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include "kvant/kvant.h"

namespace {

constexpr int64_t kSequences = 2, kHeads = 4, kDim = 64, kGroup = 32;
constexpr int64_t kPages = 16, kPage = 8, kSteps = 40;

// Codes, scales and offsets of keys or of values: [pages, positions, heads, ..].
struct Cache {
  std::vector<uint8_t> codes = std::vector<uint8_t>(kPages * kPage * kHeads * kDim / 2);
  std::vector<float> scale = std::vector<float>(kPages * kPage * kHeads * kDim / kGroup), offset = scale;

  kvant::TensorView Codes() { return {codes.data(), kvant::DType::kUInt8, {kPages, kPage, kHeads, kDim / 2}}; }
  kvant::TensorView Table(std::vector<float>& t) {
    return {t.data(), kvant::DType::kFloat32, {kPages, kPage, kHeads, kDim / kGroup}};
  }
};

int Fail(const kvant::Status& status) { return std::fprintf(stderr, "%s\n", status.message().c_str()), 1; }

}  // namespace

int main() {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  Cache keys, values;
  std::vector<float> new_keys(kSequences * kHeads * kDim), new_values(new_keys.size());
  std::vector<float> all_keys;                      // as they were, to compare with
  std::vector<std::vector<int64_t>> slots(kSequences);  // where each sequence's tokens are
  int64_t free_page = 0;

  for (int64_t step = 0; step < kSteps; ++step) {
    // A page is taken when a sequence needs one; pages of sequences interleave.
    std::vector<int64_t> now;
    for (auto& mine : slots) {
      mine.push_back(step % kPage == 0 ? free_page++ * kPage : mine.back() + 1);
      now.push_back(mine.back());
    }
    for (float& v : new_keys) v = normal(random);
    for (float& v : new_values) v = normal(random);
    all_keys.insert(all_keys.end(), new_keys.begin(), new_keys.begin() + kHeads * kDim);

    kvant::DynamicQuantUpdateScatterArgs write;
    write.updates = {new_keys.data(), kvant::DType::kFloat32, {kSequences, kHeads, kDim}};
    write.var = keys.Codes();
    write.var_scale = keys.Table(keys.scale);
    write.var_offset = keys.Table(keys.offset);
    write.second.updates = {new_values.data(), kvant::DType::kFloat32, {kSequences, kHeads, kDim}};
    write.second.var = values.Codes();
    write.second.var_scale = values.Table(values.scale);
    write.second.var_offset = values.Table(values.offset);
    write.indices = {now.data(), kvant::DType::kInt64, {kSequences}};
    write.dst_type = kvant::Format::kInt4;
    write.group_size = kGroup;
    write.axis = 1;
    write.index_mode = kvant::IndexMode::kSlot;
    if (const auto status = kvant::DynamicQuantUpdateScatter(write); !status.ok()) return Fail(status);
  }

  // The keys of sequence 0, in order, as attention wants them.
  std::vector<float> read(kSteps * kHeads * kDim);
  kvant::DequantizeGatherArgs gather;
  gather.var = keys.Codes();
  gather.var_scale = keys.Table(keys.scale);
  gather.var_offset = keys.Table(keys.offset);
  gather.indices = {slots[0].data(), kvant::DType::kInt64, {kSteps}};
  gather.dst_type = kvant::Format::kInt4;
  gather.group_size = kGroup;
  gather.axis = 1;
  gather.index_mode = kvant::IndexMode::kSlot;
  gather.x = {read.data(), kvant::DType::kFloat32, {kSteps, kHeads, kDim}};
  if (const auto status = kvant::DequantizeGather(gather); !status.ok()) return Fail(status);

  double signal = 0, noise = 0;
  for (size_t i = 0; i < read.size(); ++i) {
    signal += static_cast<double>(all_keys[i]) * all_keys[i];
    noise += (static_cast<double>(all_keys[i]) - read[i]) * (static_cast<double>(all_keys[i]) - read[i]);
  }
  const double sqnr = 10 * std::log10(signal / noise);
  std::printf("%lld tokens of %lld heads came back at %.1f dB, from %.2f bytes an element\n",
              static_cast<long long>(kSteps), static_cast<long long>(kHeads), sqnr, 0.5 + 8.0 / kGroup);
  return sqnr > 18 ? 0 : 1;
}

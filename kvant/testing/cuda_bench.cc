#include "kvant/testing/cuda_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <random>
#include <string_view>

#include "kvant/core/half.h"

namespace kvant::bench {
namespace {

std::vector<CudaCase>& Cases() {
  static std::vector<CudaCase> cases;
  return cases;
}

constexpr int kCalls = 40;
// Below, calls are put into a graph: launches would take longer than the kernels.
constexpr int64_t kGraphBelow = 32 << 20;

struct Job {
  std::function<void(int)> call;
};
void CallOne(void* arg, int repeat) { static_cast<Job*>(arg)->call(repeat); }

// Microseconds of call(i) on the timer's stream.
double Measure(testing::CudaTimer& timer, int64_t bytes, int sets, const std::function<void(int)>& call) {
  for (int i = 0; i < sets; ++i) call(i);
  testing::CudaWait();
  if (bytes < kGraphBelow) {
    Job job{[&](int i) { call(i % sets); }};
    return timer.GraphTime(CallOne, &job, std::max(2 * sets, 200));
  }
  std::vector<double> times;
  for (int i = 0; i < kCalls; ++i) {
    timer.Start();
    call(i % sets);
    times.push_back(timer.Stop());
  }
  std::nth_element(times.begin(), times.begin() + kCalls / 2, times.end());
  return times[kCalls / 2];
}

struct Result {
  std::string name;
  int64_t moved = 0;
  double micros = 0, copy = 0;
};

Result Run(const CudaCase& c, int64_t l2_bytes) {
  int64_t footprint = 0;
  for (const CudaTensor& t : c.tensors) footprint += t.bytes;
  const int sets = static_cast<int>(std::clamp<int64_t>(2 * l2_bytes / std::max<int64_t>(footprint, 1) + 1, 2, 4096));
  std::vector<std::vector<testing::CudaMemory>> memory(static_cast<size_t>(sets));
  std::vector<std::vector<char*>> buffers(memory.size());
  for (size_t s = 0; s < memory.size(); ++s) {
    for (const CudaTensor& t : c.tensors) {
      testing::CudaMemory& m = memory[s].emplace_back(static_cast<size_t>(t.bytes));
      std::vector<uint8_t> bytes(static_cast<size_t>(t.bytes), 0x5A);
      for (size_t at = 0; !t.contents.empty() && at < bytes.size(); at += t.contents.size()) {
        std::memcpy(bytes.data() + at, t.contents.data(), std::min(t.contents.size(), bytes.size() - at));
      }
      m.Upload(bytes.data());
      buffers[s].push_back(m.data());
    }
  }
  testing::CudaTimer timer;
  cuda::Exec exec;
  exec.stream = timer.stream();
  Result r{c.name, c.moved, 0, 0};
  bool ok = true;
  r.micros = Measure(timer, c.moved, sets, [&](int s) { ok &= c.call(buffers[static_cast<size_t>(s)], exec); });
  if (!ok) r.micros = 0;
  memory.clear();
  const int64_t half = std::max<int64_t>(c.moved / 2, 1);
  const int copies = static_cast<int>(std::clamp<int64_t>(l2_bytes / half + 1, 2, 4096));
  std::vector<testing::CudaMemory> from, to;
  for (int s = 0; s < copies; ++s) {
    from.emplace_back(static_cast<size_t>(half));
    to.emplace_back(static_cast<size_t>(half));
    from.back().Fill(s);
  }
  r.copy = Measure(timer, c.moved, copies, [&](int s) {
    const auto i = static_cast<size_t>(s);
    timer.Copy(to[i].data(), from[i].data(), static_cast<size_t>(half));
  });
  return r;
}

int Main(int argc, char** argv) {
  std::string_view filter, json;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    if (option == "--filter") filter = argv[i + 1];
    if (option == "--json") json = argv[i + 1];
  }
  if (!testing::HasCudaDevice()) {
    fmt::print("skipped: no CUDA device\n");
    return 0;
  }
  const testing::CudaDeviceInfo device = testing::DescribeCudaDevice();
  fmt::print("{}, {} multiprocessors, {} MB of L2\n\n", device.name, device.sms, device.l2_bytes >> 20);
  fmt::print("| case | MB moved | us | GB/s | copy us | share of the copy |\n|---|---|---|---|---|---|\n");
  std::string rows;
  bool failed = false;
  for (const CudaCase& c : Cases()) {
    if (c.name.find(filter) == std::string::npos) continue;
    const Result r = Run(c, device.l2_bytes);
    failed |= r.micros == 0;
    fmt::print("| {} | {:.2f} | {:.2f} | {:.0f} | {:.2f} | {:.0f} % |\n", r.name, static_cast<double>(r.moved) / 1e6,
               r.micros, r.micros == 0 ? 0 : static_cast<double>(r.moved) / r.micros / 1e3, r.copy,
               r.micros == 0 ? 0 : 100 * r.copy / r.micros);
    std::fflush(stdout);
    rows += fmt::format("{}\n  {{\"name\": \"{}\", \"bytes\": {}, \"us\": {:.4f}, \"copy_us\": {:.4f}}}",
                        rows.empty() ? "" : ",", r.name, r.moved, r.micros, r.copy);
  }
  if (!json.empty()) {
    std::FILE* file = std::fopen(std::string(json).c_str(), "w");
    if (file == nullptr) return 1;
    fmt::print(file, "{{\"device\": \"{}\", \"cases\": [{}\n]}}\n", device.name, rows);
    std::fclose(file);
  }
  return failed ? 1 : 0;
}

}  // namespace

bool AddCudaCase(CudaCase c) {
  Cases().push_back(std::move(c));
  return true;
}

std::vector<uint8_t> NormalBytes(int dtype_bytes, bool bfloat16) {
  constexpr size_t kCount = size_t{1} << 20;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<uint8_t> bytes(kCount * static_cast<size_t>(dtype_bytes));
  for (size_t i = 0; i < kCount; ++i) {
    const float v = normal(random);
    const uint16_t half = bfloat16 ? FromFloat32<BFloat16>(v).bits : FromFloat32<Float16>(v).bits;
    if (dtype_bytes == 4) {
      std::memcpy(&bytes[i * 4], &v, 4);
    } else {
      std::memcpy(&bytes[i * 2], &half, 2);
    }
  }
  return bytes;
}

}  // namespace kvant::bench

int main(int argc, char** argv) { return kvant::bench::Main(argc, argv); }

// Tensors of tests on a CUDA device: a copy of all their memory, guard bands included, with the same alignment.
#ifndef KVANT_TESTING_CUDA_TEST_UTIL_H_
#define KVANT_TESTING_CUDA_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "kvant/core/cuda_exec.h"
#include "kvant/core/status.h"
#include "kvant/numerics/test_util.h"
#include "kvant/testing/cuda_memory.h"
#include "kvant/testing/tensors.h"

namespace kvant::testing {

// How many random problems: `most` in long tests, few under compute-sanitizer.
inline int CudaRounds(int usual, int most) { return LongTests() ? most : SlowMachine() ? usual / 50 : usual; }

// A test that needs a device. Where there is none it is skipped.
class CudaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!HasCudaDevice()) GTEST_SKIP() << "skipped: no CUDA device";
    const Status status = cuda::CheckErrors();
    ASSERT_TRUE(status.ok()) << status.message();
  }
  void TearDown() override {
    if (!HasCudaDevice()) return;
    const Status status = cuda::CheckErrors();
    EXPECT_TRUE(status.ok()) << status.message();
  }
};

// Device copies of the tensors of one call.
class OnDevice {
 public:
  // A view of t's elements on the device, with what is in t now.
  TensorView operator()(TestTensor& t) {
    Copy& copy = copies_.emplace_back();
    copy.tensor = &t;
    const auto host = reinterpret_cast<uintptr_t>(t.memory());
    copy.memory = CudaMemory(t.memory_bytes(), host % 256);
    copy.memory.Upload(t.memory());
    const TensorView view = t.view();
    TensorView there(copy.memory.data() + (static_cast<uint8_t*>(view.data()) - t.memory()), view.dtype(), view.shape(),
                     view.strides());
    there.set_device(Device::kCuda);
    return there;
  }
  TensorView operator()(std::optional<TestTensor>& t) { return t ? (*this)(*t) : TensorView(); }

  // Waits, and brings back what is in all of them.
  void Fetch() {
    CudaWait();
    for (Copy& copy : copies_) copy.memory.Download(copy.tensor->memory());
  }

 private:
  struct Copy {
    TestTensor* tensor = nullptr;
    CudaMemory memory;
  };
  std::deque<Copy> copies_;
};

// Workspace of as many bytes as a call asks for, with values of no meaning.
class CudaWorkspace {
 public:
  explicit CudaWorkspace(int64_t bytes) : memory_(static_cast<size_t>(bytes)) {
    if (bytes != 0) memory_.Fill(0xA5);
  }
  cuda::Exec exec(bool deterministic = false) const {
    cuda::Exec e;
    e.workspace = memory_.size() == 0 ? nullptr : memory_.data();
    e.workspace_bytes = memory_.size();
    e.deterministic = deterministic;
    return e;
  }

 private:
  CudaMemory memory_;
};

}  // namespace kvant::testing

#endif  // KVANT_TESTING_CUDA_TEST_UTIL_H_

// What the caller's surroundings are must not matter: floating-point state, threads, workspace, other calls.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "kvant/testing/check_dynamic_quant.h"
#include "kvant/testing/fp_state.h"
#include "kvant/testing/random_problem.h"

namespace kvant {
namespace {

using testing::CheckDynamicQuant;
using testing::CheckOnEachTarget;
using testing::FpWord;
using testing::kFormats;
using testing::kModes;
using testing::Rng;
using testing::RowwiseProblem;
using testing::ScopedFpWord;
using testing::ScopedTarget;
using testing::Shape;
using testing::TestTensor;
using testing::ThreadPool;

// Rows of every size, so that flushing and rounding have subnormals and quotients to spoil.
RowwiseProblem Sensitive(Format format, QuantMode mode, bool symmetric, Shape shape, Rng& rng) {
  RowwiseProblem p;
  p.format = format;
  p.mode = mode;
  p.symmetric = symmetric;
  p.x = TestTensor(DType::kFloat32, std::move(shape), rng);
  p.MakeOutputs(rng);
  std::vector<float> values(static_cast<size_t>(p.x.elements()));
  for (size_t i = 0; i < values.size(); ++i) {
    const auto set = p.ParamOf(static_cast<int64_t>(i));
    values[i] =
        std::ldexp(testing::Moderate(rng), mode == QuantMode::kPerTensor ? -140 : static_cast<int>(set % 160) - 148);
  }
  p.x.SetFloats(values);
  p.x.Keep();
  return p;
}

// Runs the operator in a state that is not the default, also on the threads of the pool, which have to get their own
// state back.
std::string RunInState(RowwiseProblem& p, FpWord word, ExecOptions exec, int threads) {
  std::atomic<bool> kept{true};
  const ThreadPool pool(threads, [&](const std::function<void()>& work) {
    const ScopedFpWord scoped(word);
    work();
    if (!scoped.Unchanged()) kept = false;
  });
  exec.parallel = pool.get();
  p.Reset();
  Status status;
  {
    const ScopedFpWord scoped(word);
    status = DynamicQuant(p.DynamicArgs(), exec);
    if (!scoped.Unchanged()) kept = false;
  }
  if (!status.ok()) return status.message();
  return kept ? "" : p.Describe() + ": the floating-point state has changed";
}

TEST(DynamicQuantEnvironment, FloatingPointStateNeitherMattersNorChanges) {
  Rng rng(1);
  for (const Format format : kFormats) {
    for (const QuantMode mode : kModes) {
      for (const bool symmetric : {true, false}) {
        for (const Shape& shape : {Shape{160, 34}, Shape{165, 480}}) {  // the second is worth more than one task
          RowwiseProblem p = Sensitive(format, mode, symmetric, shape, rng);
          const RowwiseProblem::Expected expected = p.Expect();
          for (const Target target : SupportedTargets()) {
            const ScopedTarget scoped(target);
            for (const FpWord word : testing::OddFpWords()) {
              ASSERT_EQ(RunInState(p, word, {}, 3), "") << Name(target);
              ASSERT_EQ(p.Compare(expected), "") << Name(target) << " in state " << std::hex << word;
            }
          }
        }
      }
    }
  }
}

// An attribute that is a double is rounded to fp32 to nearest, whatever the caller's rounding.
TEST(DynamicQuantEnvironment, FloatingPointStateDoesNotReachAttributes) {
  Rng rng(2);
  for (const double max : {0.1, 1.0 / 3, 15.00000095, 1000.1}) {
    RowwiseProblem p = Sensitive(Format::kHiFloat8, QuantMode::kPerToken, true, {160, 34}, rng);
    p.dst_type_max = max;
    const RowwiseProblem::Expected expected = p.Expect();
    for (const FpWord word : testing::OddFpWords()) {
      ASSERT_EQ(RunInState(p, word, {}, 1), "");
      ASSERT_EQ(p.Compare(expected), "") << "state " << std::hex << word;
    }
  }
}

// Problems that keep statistics between two phases in a workspace.
std::vector<RowwiseProblem> WithScratch(Rng& rng) {
  std::vector<RowwiseProblem> problems;
  problems.push_back(Sensitive(Format::kInt8, QuantMode::kPerTensor, false, {4, 40000}, rng));
  problems.push_back(Sensitive(Format::kInt4, QuantMode::kPerChannel, false, {900, 200}, rng));
  problems.push_back(Sensitive(Format::kFloat8E5M2, QuantMode::kPerToken, false, {2, 200000}, rng));
  return problems;
}

TEST(DynamicQuantEnvironment, WorkspaceFromTheCaller) {
  Rng rng(3);
  const ThreadPool pool(5);
  constexpr size_t kGuard = 4096, kPlenty = 1 << 20;
  for (RowwiseProblem& p : WithScratch(rng)) {
    const RowwiseProblem::Expected expected = p.Expect();
    for (const size_t bytes : {size_t{0}, size_t{1}, size_t{8}, size_t{40}, size_t{1000}, kPlenty}) {
      std::vector<uint8_t> memory(kGuard + bytes + kGuard, 0xA5);
      EXPECT_EQ(CheckOnEachTarget(p, expected, {pool.get(), memory.data() + kGuard, bytes}), "") << bytes;
      // What was lent is used where it is enough, and nothing beside it ever.
      const auto untouched = [&](size_t begin, size_t n) {
        return std::count(memory.begin() + static_cast<ptrdiff_t>(begin),
                          memory.begin() + static_cast<ptrdiff_t>(begin + n), 0xA5) == static_cast<ptrdiff_t>(n);
      };
      EXPECT_TRUE(untouched(0, kGuard)) << p.Describe() << " with " << bytes;
      EXPECT_TRUE(untouched(kGuard + bytes, kGuard)) << p.Describe() << " with " << bytes;
      if (bytes == kPlenty || bytes <= 8) {
        EXPECT_EQ(untouched(kGuard, bytes), bytes <= 8) << p.Describe() << " with " << bytes;
      }
    }
    EXPECT_EQ(CheckOnEachTarget(p, expected, {pool.get()}), "");
  }
}

// An old workspace is not read: results are the same whatever lies in it.
TEST(DynamicQuantEnvironment, WorkspaceContentsDoNotMatter) {
  Rng rng(4);
  const ThreadPool pool(4);
  for (RowwiseProblem& p : WithScratch(rng)) {
    const RowwiseProblem::Expected expected = p.Expect();
    for (const int fill : {0x00, 0x7F, 0x80, 0xFF}) {
      std::vector<uint64_t> memory(1 << 17);
      std::memset(memory.data(), fill, memory.size() * 8);
      EXPECT_EQ(CheckOnEachTarget(p, expected, {pool.get(), memory.data(), memory.size() * 8}), "") << fill;
    }
  }
}

// Calls at the same time share nothing.
TEST(DynamicQuantEnvironment, CallsFromManyThreads) {
  std::vector<std::string> failures(4);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < failures.size(); ++t) {
    threads.emplace_back([&, t] {
      Rng rng(100 + t);
      for (int i = 0; i < 60 && failures[t].empty(); ++i) {
        RowwiseProblem p =
            testing::RandomProblem(rng, testing::PickFrom(rng, kFormats), testing::PickFrom(rng, testing::kFloats),
                                   testing::RandomShape(rng, testing::Uniform(rng, 1, 4), 4000), true);
        failures[t] = CheckDynamicQuant(p, p.Expect());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& failure : failures) EXPECT_EQ(failure, "");
}

// More threads than work, a pool that says it has a thousand, pools that can run nothing, and calls from inside a pool.
TEST(DynamicQuantEnvironment, AnyNumberOfThreads) {
  Rng rng(5);
  const testing::ReversePool many(1000);
  const ParallelFor empty{0, many.get()->pool, many.get()->run}, idle{8, nullptr, nullptr};
  for (const QuantMode mode : kModes) {
    for (const Shape& shape : {Shape{1, 1}, Shape{3, 30000}, Shape{70000, 2}, Shape{300, 1000}}) {
      RowwiseProblem p = Sensitive(Format::kInt8, mode, false, shape, rng);
      const RowwiseProblem::Expected expected = p.Expect();
      EXPECT_EQ(CheckOnEachTarget(p, expected, {many.get()}), "");
      EXPECT_EQ(CheckOnEachTarget(p, expected, {&SerialFor()}), "");
      EXPECT_EQ(CheckOnEachTarget(p, expected, {&empty}), "");
      EXPECT_EQ(CheckOnEachTarget(p, expected, {&idle}), "");
      std::string nested = "not run";
      const ThreadPool pool(3);
      const std::function<void()> body = [&] { nested = CheckDynamicQuant(p, expected, {pool.get()}); };
      pool.get()->run(
          pool.get()->pool, 1, [](void* arg, int) { (*static_cast<const std::function<void()>*>(arg))(); },
          const_cast<std::function<void()>*>(&body));
      EXPECT_EQ(nested, "");
    }
  }
}

}  // namespace
}  // namespace kvant

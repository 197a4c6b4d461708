// Thread pools that a caller might bring, and a scope that runs on one SIMD target.
#ifndef KVANT_TESTING_POOLS_H_
#define KVANT_TESTING_POOLS_H_

#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "kvant/core/parallel.h"
#include "kvant/core/target.h"
#include "kvant/numerics/test_util.h"

namespace kvant::testing {

// Threads, the caller's among them, that take tasks as they come, the last one first. `wrap` is called on each thread
// with its share of the work and has to run it.
class ThreadPool {
 public:
  using Wrap = std::function<void(const std::function<void()>& work)>;

  explicit ThreadPool(int threads, Wrap wrap = nullptr) : parallel_{threads, this, Run}, wrap_(std::move(wrap)) {}
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  const ParallelFor* get() const { return &parallel_; }
  // Tasks run so far: whether work was spread at all.
  int tasks() const { return tasks_; }

 private:
  static void Run(void* pool, int tasks, void (*body)(void*, int), void* arg) {
    auto& self = *static_cast<ThreadPool*>(pool);
    std::atomic<int> next{tasks - 1};
    const std::function<void()> work = [&] {
      for (int t = next--; t >= 0; t = next--) body(arg, t);
    };
    const auto run = [&] { self.wrap_ ? self.wrap_(work) : work(); };
    std::vector<std::thread> threads;
    for (int i = 1; i < self.parallel_.num_threads; ++i) threads.emplace_back(run);
    run();
    for (std::thread& thread : threads) thread.join();
    self.tasks_ += tasks;
  }

  const ParallelFor parallel_;
  const Wrap wrap_;
  int tasks_ = 0;
};

// The numbers of threads with which results are compared.
inline std::vector<int> ThreadCounts() {
  return SlowMachine() ? std::vector<int>{1, 2, 7} : std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8};
}

// A pool for each of ThreadCounts().
inline std::vector<std::unique_ptr<ThreadPool>> SomePools() {
  std::vector<std::unique_ptr<ThreadPool>> pools;
  for (const int threads : ThreadCounts()) pools.push_back(std::make_unique<ThreadPool>(threads));
  return pools;
}

// One thread that pretends to be `threads`, and runs the tasks from the last to the first.
class ReversePool {
 public:
  explicit ReversePool(int threads) : parallel_{threads, nullptr, Run} {}
  const ParallelFor* get() const { return &parallel_; }

 private:
  static void Run(void*, int tasks, void (*body)(void*, int), void* arg) {
    for (int t = tasks; t-- > 0;) body(arg, t);
  }
  const ParallelFor parallel_;
};

class ScopedTarget {
 public:
  explicit ScopedTarget(Target target) { Choose(Name(target)); }
  ~ScopedTarget() { Choose("auto"); }
  ScopedTarget(const ScopedTarget&) = delete;
  ScopedTarget& operator=(const ScopedTarget&) = delete;

 private:
  static void Choose(std::string_view name) {
    if (!SetTarget(name).ok()) std::abort();
  }
};

}  // namespace kvant::testing

#endif  // KVANT_TESTING_POOLS_H_

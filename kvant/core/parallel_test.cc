#include "kvant/core/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace kvant {
namespace {

// How often each task ran, and how many calls named a task that does not exist.
struct Calls {
  explicit Calls(int tasks) : tasks(tasks), count(new std::atomic<int>[static_cast<size_t>(tasks) + 1]()) {}

  static void Body(void* calls, int task) {
    auto* self = static_cast<Calls*>(calls);
    const bool exists = task >= 0 && task < self->tasks;
    self->count[exists ? task : self->tasks].fetch_add(1);
  }

  void ExpectOnceEach() const {
    for (int t = 0; t < tasks; ++t) EXPECT_EQ(count[t].load(), 1) << "task " << t << " of " << tasks;
    EXPECT_EQ(count[tasks].load(), 0) << "tasks beyond the last";
  }

  int tasks;
  std::unique_ptr<std::atomic<int>[]> count;
};

void ExpectEveryTaskOnce(const ParallelFor& parallel) {
  ASSERT_GE(parallel.num_threads, 1);
  ASSERT_NE(parallel.run, nullptr);
  const int n = parallel.num_threads;
  for (const int tasks : {0, 1, 2, 3, n, n + 1, 2 * n - 1, 4 * n + 3}) {
    Calls calls(tasks);
    parallel.run(parallel.pool, tasks, Calls::Body, &calls);
    calls.ExpectOnceEach();
  }
}

TEST(SerialFor, EveryTaskOnce) {
  EXPECT_EQ(SerialFor().num_threads, 1);
  ExpectEveryTaskOnce(SerialFor());
}

TEST(SerialFor, RunsInOrderOnTheCaller) {
  struct Seen {
    std::vector<int> tasks;
    std::thread::id caller = std::this_thread::get_id();
    bool elsewhere = false;
  } seen;
  const auto body = [](void* arg, int task) {
    auto* s = static_cast<Seen*>(arg);
    s->tasks.push_back(task);
    s->elsewhere |= std::this_thread::get_id() != s->caller;
  };
  SerialFor().run(SerialFor().pool, 5, body, &seen);
  EXPECT_EQ(seen.tasks, (std::vector<int>{0, 1, 2, 3, 4}));
  EXPECT_FALSE(seen.elsewhere);
}

TEST(DefaultParallelFor, EveryTaskOnce) { ExpectEveryTaskOnce(DefaultParallelFor()); }

TEST(DefaultParallelFor, AllResultsAreVisibleAfterwards) {
  const ParallelFor parallel = DefaultParallelFor();
  const int tasks = 2 * parallel.num_threads;
  for (int round = 0; round < 200; ++round) {
    std::vector<int> written(static_cast<size_t>(tasks), -1);  // not atomic: run() has to order it
    parallel.run(
        parallel.pool, tasks, [](void* arg, int task) { (*static_cast<std::vector<int>*>(arg))[task] = task; },
        &written);
    for (int t = 0; t < tasks; ++t) ASSERT_EQ(written[t], t);
  }
}

TEST(DefaultParallelFor, WorksInsideItself) {
  struct Nested {
    std::vector<std::unique_ptr<Calls>> calls;
    std::atomic<int> most_threads{0};
  } nested;
  const ParallelFor outer = DefaultParallelFor();
  const int tasks = 2 * outer.num_threads;
  for (int t = 0; t < tasks; ++t) nested.calls.push_back(std::make_unique<Calls>(7));
  const auto body = [](void* arg, int task) {
    auto* n = static_cast<Nested*>(arg);
    const ParallelFor inner = DefaultParallelFor();
    int seen = n->most_threads.load();
    while (seen < inner.num_threads && !n->most_threads.compare_exchange_weak(seen, inner.num_threads)) {
    }
    inner.run(inner.pool, 7, Calls::Body, n->calls[task].get());
  };
  outer.run(outer.pool, tasks, body, &nested);
  for (const auto& calls : nested.calls) calls->ExpectOnceEach();
  if (outer.num_threads > 1) {
    EXPECT_EQ(nested.most_threads.load(), 1) << "threads would multiply";
  }
}

}  // namespace
}  // namespace kvant

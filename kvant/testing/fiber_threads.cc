#include "kvant/testing/fiber_threads.h"

#include <ucontext.h>

#include <barrier>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "kvant/numerics/fp_env.h"

namespace kvant::testing {
namespace {

constexpr int kWarpLanes = 32;
constexpr size_t kStackBytes = size_t{256} << 10;

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "fiber threads: %s\n", what);
  std::abort();
}

struct Cluster {
  explicit Cluster(int blocks) : barrier(blocks), addresses(static_cast<size_t>(blocks)) {}
  std::barrier<> barrier;
  std::vector<char*> addresses;
};

// A block, on the thread that runs its fibers in turn.
class Block {
 public:
  Block(const CudaShape& shape, unsigned index, Cluster& cluster, const std::function<void()>& body);

  void Run();

  unsigned index() const { return index_; }
  unsigned current() const { return current_; }
  Cluster& cluster() { return cluster_; }

  // Lane values of all mates; returns when all of them have come.
  void Meet(uint32_t mates, uint32_t word, uint32_t (&words)[kWarpLanes]);
  // The last one does f.
  void Barrier(const std::function<void()>& f);

 private:
  struct Fiber {
    ucontext_t context;
    std::unique_ptr<char[]> stack;
    bool done = false;
  };
  struct Warp {
    uint32_t arrived = 0, left = 0;
    uint32_t words[kWarpLanes], mates[kWarpLanes];
  };

  static void Start();
  void Yield();
  void Progress() { idle_ = 0; }
  template <class Condition>
  void WaitFor(const Condition& condition) {
    while (!condition()) Yield();
    Progress();
  }

  const unsigned index_;
  Cluster& cluster_;
  const std::function<void()>& body_;
  ucontext_t scheduler_;
  std::vector<Fiber> fibers_;
  std::vector<Warp> warps_;
  unsigned current_ = 0;
  size_t alive_, waiting_ = 0, idle_ = 0;
  uint64_t generation_ = 0;
};

thread_local Block* g_block = nullptr;
thread_local char g_address;

Block::Block(const CudaShape& shape, unsigned index, Cluster& cluster, const std::function<void()>& body)
    : index_(index),
      cluster_(cluster),
      body_(body),
      fibers_(static_cast<size_t>(shape.threads)),
      warps_(static_cast<size_t>(shape.threads + kWarpLanes - 1) / kWarpLanes),
      alive_(fibers_.size()) {
  if (shape.threads % kWarpLanes != 0) Fail("a block whose warps are not whole");
}

void Block::Start() {
  g_block->body_();
  g_block->fibers_[g_block->current_].done = true;
  --g_block->alive_;
  g_block->Progress();
  swapcontext(&g_block->fibers_[g_block->current_].context, &g_block->scheduler_);
}

void Block::Run() {
  g_block = this;
  for (Fiber& fiber : fibers_) {
    fiber.stack = std::make_unique_for_overwrite<char[]>(kStackBytes);
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStackBytes;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, &Block::Start, 0);
  }
  while (alive_ != 0) {
    for (current_ = 0; current_ < fibers_.size(); ++current_) {
      if (!fibers_[current_].done) swapcontext(&scheduler_, &fibers_[current_].context);
    }
    // Each fiber has had several turns, and nothing has changed.
    if (++idle_ > 4) Fail("threads wait for others that do not come");
  }
  g_block = nullptr;
}

void Block::Yield() { swapcontext(&fibers_[current_].context, &scheduler_); }

void Block::Meet(uint32_t mates, uint32_t word, uint32_t (&words)[kWarpLanes]) {
  const unsigned thread = current_, lane = thread % kWarpLanes;
  Warp& warp = warps_[thread / kWarpLanes];
  const uint32_t bit = uint32_t{1} << lane;
  if ((mates & bit) == 0) Fail("a lane that is not among its mates");
  WaitFor([&] { return (warp.arrived & bit) == 0; });  // others may still have to read what it brought the last time
  warp.words[lane] = word;
  warp.mates[lane] = mates;
  warp.arrived |= bit;
  Progress();
  // Mates that have come with other mates do not count: they may be on their way.
  WaitFor([&] {
    bool all = (warp.arrived & mates) == mates;
    for (unsigned l = 0; l < kWarpLanes && all; ++l) all = (mates >> l & 1) == 0 || warp.mates[l] == mates;
    return all;
  });
  for (unsigned l = 0; l < kWarpLanes; ++l) {
    if ((mates >> l & 1) != 0) words[l] = warp.words[l];
  }
  warp.left |= bit;
  if ((warp.left & mates) != mates) return;
  warp.left &= ~mates;
  warp.arrived &= ~mates;
}

void Block::Barrier(const std::function<void()>& f) {
  const uint64_t generation = generation_;
  Progress();
  if (++waiting_ == alive_) {
    f();
    waiting_ = 0;
    ++generation_;
    return;
  }
  WaitFor([&] { return generation_ != generation; });
}

}  // namespace

unsigned FiberThread::Block() { return g_block->index(); }
unsigned FiberThread::Thread() { return g_block->current(); }

uint32_t FiberThread::Exchange(uint32_t mates, uint32_t word, int lane) {
  uint32_t words[kWarpLanes] = {};
  g_block->Meet(mates, word, words);
  if ((mates >> lane & 1) == 0) Fail("a value of a lane that is not among the mates");
  return words[lane];
}

uint32_t FiberThread::Ballot(uint32_t mates, bool flag) {
  uint32_t words[kWarpLanes] = {};
  g_block->Meet(mates, flag, words);
  uint32_t ballot = 0;
  for (int lane = 0; lane < kWarpLanes; ++lane) ballot |= words[lane] << lane;
  return ballot;
}

void FiberThread::BlockBarrier() {
  g_block->Barrier([] {});
}

void FiberThread::ClusterBarrier(bool /*orders*/) {
  g_block->Barrier([] { g_block->cluster().barrier.arrive_and_wait(); });
}

intptr_t FiberThread::DistanceTo(int rank) {
  return g_block->cluster().addresses[static_cast<size_t>(rank)] - &g_address;
}

void RunFibers(const CudaShape& shape, const std::function<void()>& body) {
  for (int64_t first = 0; first < shape.blocks; first += shape.cluster) {
    Cluster cluster(shape.cluster);
    const auto run = [&](int rank) {
      const FpEnv env(FpEnv::kDefault);
      cluster.addresses[static_cast<size_t>(rank)] = &g_address;
      cluster.barrier.arrive_and_wait();
      Block(shape, static_cast<unsigned>(first + rank), cluster, body).Run();
    };
    std::vector<std::thread> others;
    for (int rank = 1; rank < shape.cluster; ++rank) others.emplace_back(run, rank);
    run(0);
    for (std::thread& thread : others) thread.join();
  }
}

}  // namespace kvant::testing

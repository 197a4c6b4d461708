// The threads of CUDA blocks as fibers of the host, for DeviceTeam: shuffles, barriers and shared memory are what they
// are on a device, but any order of threads, the same each time, and whoever waits in vain is found.
#ifndef KVANT_TESTING_FIBER_THREADS_H_
#define KVANT_TESTING_FIBER_THREADS_H_

#include <cstdint>
#include <functional>

#include "kvant/core/status.h"
#include "kvant/rowwise/cuda_device_team.cuh"

namespace kvant::testing {

struct FiberThread {
  static unsigned Block();
  static unsigned Thread();

  static uint32_t ShuffleXor(uint32_t mates, uint32_t word, int step) { return Exchange(mates, word, Lane() ^ step); }
  static uint32_t ShuffleUp(uint32_t mates, uint32_t word, int step) {
    return Exchange(mates, word, Lane() < step ? Lane() : Lane() - step);
  }
  static uint32_t Shuffle(uint32_t mates, uint32_t word, int lane) { return Exchange(mates, word, lane); }
  static uint32_t Ballot(uint32_t mates, bool flag);
  static int FirstBit(uint32_t word) { return __builtin_ctz(word); }

  // The blocks of a cluster run on threads of their own.
  template <class T>
  static T& Shared() {
    static thread_local T memory;
    return memory;
  }
  static void BlockBarrier();
  static void ClusterBarrier(bool orders);
  // Thread-local variables lie at the same distance from each other on every thread.
  template <class T>
  static T PeerOf(T& own, int rank) {
    return *reinterpret_cast<T*>(reinterpret_cast<char*>(&own) + DistanceTo(rank));
  }

 private:
  static int Lane() { return static_cast<int>(Thread()) & 31; }
  static uint32_t Exchange(uint32_t mates, uint32_t word, int lane);
  static intptr_t DistanceTo(int rank);
};

// Calls body in every thread of every block of a grid. Ends the program if threads wait for others that do not come.
void RunFibers(const CudaShape& shape, const std::function<void()>& body);

template <class Kernel>
Status RunOnFibers(const Kernel& kernel, const CudaShape& shape) {
  RunFibers(shape, [&] {
    DeviceTeam<FiberThread> team(shape);
    kernel(team);
  });
  return {};
}

}  // namespace kvant::testing

#endif  // KVANT_TESTING_FIBER_THREADS_H_

// Two problems of one kind in one launch, as K and V of a cache are.
#ifndef KVANT_ROWWISE_CUDA_TWO_ROWS_CUH_
#define KVANT_ROWWISE_CUDA_TWO_ROWS_CUH_

#include "kvant/rowwise/cuda_rows.cuh"

namespace kvant::cuda {

// One half of the teams of a launch.
template <class Team>
class HalfTeam : public Team {
 public:
  KVANT_HOST_DEVICE HalfTeam(const Team& team, int64_t first) : Team(team), first_(first) {}

  KVANT_HOST_DEVICE int64_t index() const { return Team::index() - first_; }
  KVANT_HOST_DEVICE int64_t first_of_warp() const { return Team::first_of_warp() - first_; }
  KVANT_HOST_DEVICE int64_t count() const { return Team::count() / 2; }

 private:
  const int64_t first_;
};

// The second half of the blocks has the second problem. Shapes have an even number of blocks, or of clusters.
template <class Kernel>
class TwoKernels {
 public:
  explicit TwoKernels(const CudaTwoRows& plans) : kernels_{Kernel(plans.of[0]), Kernel(plans.of[1])} {}

  template <class Team>
  KVANT_HOST_DEVICE void operator()(Team& team) const {
    const int64_t half = team.count() / 2;
    const bool second = team.index() >= half;
    HalfTeam<Team> own(team, second ? half : 0);
    kernels_[second ? 1 : 0](own);
  }

 private:
  const Kernel kernels_[2];
};

}  // namespace kvant::cuda

#endif  // KVANT_ROWWISE_CUDA_TWO_ROWS_CUH_

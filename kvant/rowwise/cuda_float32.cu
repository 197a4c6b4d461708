#include "kvant/rowwise/cuda_rows_of.cuh"

namespace kvant::cuda {

KVANT_ROWS_OF(float)

}  // namespace kvant::cuda

// The C API of libkvant_cuda: what it refuses, which no device has to be there for, and a call.
#include <vector>

#include "kvant/c_api_cuda.h"
#include "kvant/ops/dynamic_quant/dynamic_quant.h"
#include "kvant/testing/c_api_test_util.h"
#include "kvant/testing/cuda_test_util.h"
#include "kvant/testing/dl_tensor.h"

namespace kvant {
namespace {

class CApiCuda : public testing::CudaTest {};

TEST(CApiCudaArguments, TensorsAreOnADevice) {
  std::vector<float> numbers(32);
  std::vector<int8_t> codes(32);
  DlTensor x(numbers.data(), kDlFloat32, {4, 8}), y(codes.data(), kDlInt8, {4, 8});
  kvant_dynamic_quant_args args = KVANT_DYNAMIC_QUANT_ARGS_INIT;
  args.x = &x;
  args.y = &y;
  EXPECT_EQ(kvant_cuda_dynamic_quant(&args, nullptr), KVANT_INVALID_VALUE);
  EXPECT_STREQ(kvant_last_error(),
               "dynamic_quant: x is on a device of DLPack type 1, expected memory of a CUDA device: 2");
  EXPECT_EQ(kvant_cuda_dynamic_quant_workspace(&args), 0);
  EXPECT_EQ(kvant_cuda_dynamic_quant(nullptr, nullptr), KVANT_INVALID_VALUE);
}

TEST(CApiCudaArguments, WorkspaceByMode) {
  std::vector<float> numbers(32);
  DlTensor x(numbers.data(), kDlFloat32, {4, 8});
  x.device = {kDLCUDA, 0};
  kvant_dynamic_quant_args args = KVANT_DYNAMIC_QUANT_ARGS_INIT;
  args.x = &x;
  EXPECT_EQ(kvant_cuda_dynamic_quant_workspace(&args), 0);
  args.quant_mode = KVANT_PER_TENSOR;
  EXPECT_EQ(kvant_cuda_dynamic_quant_workspace(&args), 1024 * 8);
  args.quant_mode = KVANT_PER_CHANNEL;
  EXPECT_EQ(kvant_cuda_dynamic_quant_workspace(&args), 8 * 8);
}

TEST_F(CApiCuda, DynamicQuant) {
  const std::vector<float> numbers = Numbers(4 * 256, 0.3f);
  std::vector<int8_t> codes(4 * 256), expected(4 * 256);
  std::vector<float> scales(4), offsets(4), expected_scales(4), expected_offsets(4);
  DynamicQuantArgs cpp;
  cpp.x = ConstTensorView(numbers.data(), DType::kFloat32, {4, 256});
  cpp.y = TensorView(expected.data(), DType::kInt8, {4, 256});
  cpp.scale = TensorView(expected_scales.data(), DType::kFloat32, {4});
  cpp.offset = TensorView(expected_offsets.data(), DType::kFloat32, {4});
  ASSERT_TRUE(DynamicQuant(cpp).ok());
  testing::CudaMemory x_memory(numbers.size() * 4), y_memory(codes.size()), scale_memory(16), offset_memory(16);
  x_memory.Upload(numbers.data());
  DlTensor x(x_memory.data(), kDlFloat32, {4, 256}), y(y_memory.data(), kDlInt8, {4, 256});
  DlTensor scale(scale_memory.data(), kDlFloat32, {4}), offset(offset_memory.data(), kDlFloat32, {4});
  for (DLTensor* t : std::initializer_list<DLTensor*>{&x, &y, &scale, &offset}) t->device = {kDLCUDA, 0};
  kvant_dynamic_quant_args args = KVANT_DYNAMIC_QUANT_ARGS_INIT;
  args.x = &x;
  args.y = &y;
  args.scale = &scale;
  args.offset = &offset;
  kvant_cuda_exec exec = KVANT_CUDA_EXEC_INIT;
  ASSERT_EQ(kvant_cuda_dynamic_quant(&args, &exec), KVANT_OK) << kvant_last_error();
  EXPECT_EQ(kvant_cuda_check_errors(nullptr), KVANT_OK);
  y_memory.Download(codes.data());
  scale_memory.Download(scales.data());
  offset_memory.Download(offsets.data());
  ExpectSame(codes, expected);
  ExpectSame(scales, expected_scales);
  ExpectSame(offsets, expected_offsets);
}

}  // namespace
}  // namespace kvant

// Data for tests of the C API, and its results beside those of the C++ API.
#ifndef KVANT_TESTING_C_API_TEST_UTIL_H_
#define KVANT_TESTING_C_API_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "kvant/c_api.h"
#include "kvant/core/tensor.h"

namespace kvant {

// Numbers of both signs and several sizes.
inline std::vector<float> Numbers(int64_t n, float first) {
  std::vector<float> v(static_cast<size_t>(n));
  float x = first;
  for (float& e : v) e = x = x * 1.37f > 50 ? -x * 0.011f : x * 1.37f - 0.21f;
  return v;
}

// Bytes that no result has everywhere.
template <class T>
std::vector<T> Unwritten(int64_t n) {
  std::vector<T> v(static_cast<size_t>(n));
  std::memset(v.data(), 0xA5, v.size() * sizeof(T));
  return v;
}

template <class T>
void ExpectSame(const std::vector<T>& a, const std::vector<T>& b) {
  ASSERT_EQ(a.size(), b.size());
  EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(T)), 0);
}

inline void ExpectSame(const kvant_tensor_spec& c, const TensorSpec& cpp, DLDataType dtype) {
  EXPECT_EQ(c.dtype.code, dtype.code);
  EXPECT_EQ(c.dtype.bits, dtype.bits);
  EXPECT_EQ(c.dtype.lanes, 1);
  ASSERT_EQ(c.ndim, cpp.rank);
  for (int d = 0; d < c.ndim; ++d) EXPECT_EQ(c.shape[d], cpp.shape[d]);
  EXPECT_EQ(c.bytes, cpp.bytes());
}

}  // namespace kvant

#endif  // KVANT_TESTING_C_API_TEST_UTIL_H_

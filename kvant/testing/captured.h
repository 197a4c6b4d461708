// The captured activations in data/, for tests that should not run on random numbers. Reads what those files hold and
// no other safetensors file.
#ifndef KVANT_TESTING_CAPTURED_H_
#define KVANT_TESTING_CAPTURED_H_

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

#include "kvant/testing/tensors.h"

namespace kvant::testing {

// A tensor of a file in data/; one without elements and dimensions where there is none of that name.
inline TestTensor ReadCaptured(const std::string& folder, const std::string& file, const std::string& name, Rng& rng) {
  std::ifstream stream(folder + "/" + file, std::ios::binary);
  const std::string all((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  uint64_t header_bytes = 0;
  if (all.size() < sizeof(header_bytes)) return {};
  std::memcpy(&header_bytes, all.data(), sizeof(header_bytes));
  const std::string header = all.substr(sizeof(header_bytes), header_bytes);
  const size_t begin = header.find("\"" + name + "\":{");
  if (begin == std::string::npos) return {};
  const std::string entry = header.substr(begin, header.find('}', begin) - begin);
  const auto numbers = [&](const std::string& key) {
    Shape list;
    const char* p = entry.c_str() + entry.find("\"" + key + "\":[") + key.size() + 4;
    while (*p != ']' && *p != '\0') {
      char* end = nullptr;
      list.push_back(std::strtoll(p, &end, 10));
      p = *end == ',' ? end + 1 : end;
    }
    return list;
  };
  const auto is = [&](const char* dtype) {
    return entry.find(std::string("\"dtype\":\"") + dtype + "\"") != std::string::npos;
  };
  const DType dtype = is("F16")    ? DType::kFloat16
                      : is("BF16") ? DType::kBFloat16
                      : is("I64")  ? DType::kInt64
                                   : DType::kFloat32;
  TestTensor tensor(dtype, numbers("shape"), rng);
  const auto first = all.begin() + static_cast<ptrdiff_t>(sizeof(header_bytes) + header_bytes);
  const Shape offsets = numbers("data_offsets");
  tensor.SetBytes(std::vector<uint8_t>(first + offsets[0], first + offsets[1]));
  tensor.Keep();
  return tensor;
}

}  // namespace kvant::testing

#endif  // KVANT_TESTING_CAPTURED_H_

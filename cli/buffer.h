// Memory for pieces of tensors.
#ifndef CLI_BUFFER_H_
#define CLI_BUFFER_H_

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace kvant::cli {

// Aligned to cache lines and to the widest vectors; uninitialized, so that pages cost nothing before they are used.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(int64_t bytes) { Resize(bytes); }

  // Keeps nothing. Throws std::bad_alloc.
  char* Resize(int64_t bytes) {
    if (bytes > capacity_) {
      data_.reset();
      capacity_ = (bytes + kAlignment - 1) / kAlignment * kAlignment;
      data_.reset(static_cast<char*>(std::aligned_alloc(kAlignment, static_cast<size_t>(capacity_))));
      if (data_ == nullptr) {
        capacity_ = 0;
        throw std::bad_alloc();
      }
    }
    return data();
  }

  // Never null, also for no bytes: operators tell an absent tensor from an empty one by that.
  char* data() const { return data_ != nullptr ? data_.get() : const_cast<char*>(kNothing); }
  float* floats() const { return reinterpret_cast<float*>(data()); }

 private:
  struct Free {
    void operator()(char* p) const { std::free(p); }
  };
  static constexpr int64_t kAlignment = 4096;
  alignas(64) static constexpr char kNothing[64] = {};

  std::unique_ptr<char, Free> data_;
  int64_t capacity_ = 0;
};

}  // namespace kvant::cli

#endif  // CLI_BUFFER_H_

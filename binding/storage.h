// Where the arrays of a call lie while its kernel runs: in native memory of one asynchronous call, or in a plan's. (A
// synchronous call uses the caller's own memory.)
#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

namespace binding {

// 64-byte aligned, not initialised; throws std::bad_alloc.
struct AlignedDelete {
  void operator()(uint8_t* p) const { ::operator delete (p, std::align_val_t{64}); }
};
using Bytes = std::unique_ptr<uint8_t[], AlignedDelete>;
inline Bytes allocate(size_t size) {
  return Bytes(static_cast<uint8_t*>(::operator new (size, std::align_val_t{64})));
}

// What an argument's memory becomes. Both throw where it cannot be had.
class Memory {
 public:
  virtual ~Memory() = default;
  virtual const uint8_t* input(const uint8_t* data, size_t size) = 0;
  // At most one per call. `keep`: the kernel writes only some elements, the others stay what the array holds.
  virtual uint8_t* output(napi_value array, const char* name, const uint8_t* data, size_t size, bool keep) = 0;
};

// Copies of the inputs of one call that runs off the event loop, and the buffer of its output with a reference to the
// array that will receive it. Made, written back and destroyed on the event loop; in between only its memory is
// touched, by one executor thread.
class Storage final : public Memory {
 public:
  explicit Storage(napi_env env) : env_(env) {}
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;
  // Reports the memory as gone and drops the reference; needs a live environment.
  ~Storage() override;

  const uint8_t* input(const uint8_t* data, size_t size) override;
  uint8_t* output(napi_value array, const char* name, const uint8_t* data, size_t size, bool keep) override;

  // Copies the output into its array; throws if the array lost its memory or changed its length meanwhile.
  void write_back(const char* op) const;

 private:
  uint8_t* take(size_t size);

  napi_env env_;
  std::vector<Bytes> buffers_;
  int64_t reported_ = 0;
  napi_ref array_ = nullptr;
  const char* name_ = "";
  const uint8_t* result_ = nullptr;
  size_t result_size_ = 0;
};

}  // namespace binding

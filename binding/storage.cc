#include "storage.h"

#include <cstring>
#include <string>

#include "args.h"

namespace binding {

Storage::~Storage() {
  int64_t total = 0;
  napi_adjust_external_memory(env_, -reported_, &total);
  if (array_ != nullptr) napi_delete_reference(env_, array_);
}

uint8_t* Storage::take(size_t size) {
  buffers_.push_back(allocate(size));
  int64_t total = 0;
  napi_adjust_external_memory(env_, static_cast<int64_t>(size), &total);
  reported_ += static_cast<int64_t>(size);
  return buffers_.back().get();
}

const uint8_t* Storage::input(const uint8_t* data, size_t size) {
  uint8_t* to = take(size);
  if (size != 0) std::memcpy(to, data, size);
  return to;
}

uint8_t* Storage::output(napi_value array, const char* name, const uint8_t* data, size_t size, bool keep) {
  uint8_t* to = take(size);
  if (keep && size != 0) std::memcpy(to, data, size);
  if (napi_create_reference(env_, array, 1, &array_) != napi_ok) throw Napi::Error::New(env_);
  name_ = name;
  result_ = to;
  result_size_ = size;
  return to;
}

void Storage::write_back(const char* op) const {
  if (array_ == nullptr) return;
  napi_value array = nullptr;
  if (napi_get_reference_value(env_, array_, &array) != napi_ok || array == nullptr) throw Napi::Error::New(env_);
  const View view = view_of(env_, array);
  if (view.fault != nullptr || view.bytes != result_size_) {
    throw Napi::TypeError::New(env_, std::string(op) + ": argument " + name_ +
                                         " was detached or resized while the call was under way: its result is lost");
  }
  if (result_size_ != 0) std::memcpy(view.data, result_, result_size_);
}

}  // namespace binding

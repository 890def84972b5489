// Native objects that JavaScript holds: packed weights and what is bound to them. Each is a plain object with a type
// tag, wrapped around a shared pointer; a call under way holds the pointer too, so disposing or collecting the object
// never takes memory from a kernel.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "int8/fconv.h"
#include "int8/mapped_file.h"
#include "int8/qconv.h"

namespace binding {

template <class T>
struct HandleKind;
template <>
struct HandleKind<int8::PackedQuantized> {
  using Object = const int8::PackedQuantized;
  static constexpr uint64_t kNumber = 1;
  static constexpr const char* kWanted = "an object that packQuantized returned";
};
template <>
struct HandleKind<int8::BoundQuantized> {
  using Object = const int8::BoundQuantized;
  static constexpr uint64_t kNumber = 2;
  static constexpr const char* kWanted = "an object that bindQuantized returned";
};
template <>
struct HandleKind<int8::PackedFloat> {
  using Object = const int8::PackedFloat;
  static constexpr uint64_t kNumber = 3;
  static constexpr const char* kWanted = "an object that packFloat returned";
};

template <>
struct HandleKind<int8::MappedFile> {
  using Object = const int8::MappedFile;
  static constexpr uint64_t kNumber = 5;
  static constexpr const char* kWanted = "a file that mapFile returned";
};

class Plan;
template <>
struct HandleKind<Plan> {
  using Object = Plan;
  static constexpr uint64_t kNumber = 4;
  static constexpr const char* kWanted = "an object that planCreate returned";
};

// One byte of this binary: its address tells the objects of two copies of the addon in one process apart.
extern const char kImage;

template <class T>
struct Handle {
  static constexpr const char* kWanted = HandleKind<T>::kWanted;

  using Object = typename HandleKind<T>::Object;

  std::shared_ptr<Object> object;  // null once disposed
  int64_t bytes = 0;               // what was reported to V8

  static napi_type_tag tag() { return {HandleKind<T>::kNumber, reinterpret_cast<uintptr_t>(&kImage)}; }

  // Null if the value is anything but an object made by wrap().
  static Handle* find(napi_env env, napi_value value) {
    napi_valuetype type = napi_undefined;
    if (value == nullptr || napi_typeof(env, value, &type) != napi_ok || type != napi_object) return nullptr;
    const napi_type_tag mine = tag();
    bool is = false;
    if (napi_check_object_type_tag(env, value, &mine, &is) != napi_ok || !is) return nullptr;
    void* data = nullptr;
    if (napi_unwrap(env, value, &data) != napi_ok) return nullptr;
    return static_cast<Handle*>(data);
  }

  // `bytes`: native memory that lives as long as the object, reported to V8 so that it collects in time.
  static Napi::Value wrap(Napi::Env env, std::shared_ptr<Object> object, size_t bytes) {
    Napi::Object result = Napi::Object::New(env);
    auto handle = std::make_unique<Handle>(Handle{std::move(object), static_cast<int64_t>(bytes)});
    const napi_type_tag mine = tag();
    if (napi_type_tag_object(env, result, &mine) != napi_ok ||
        napi_wrap(env, result, handle.get(), finalize, nullptr, nullptr) != napi_ok) {
      throw Napi::Error::New(env);
    }
    handle.release()->report(env, static_cast<int64_t>(bytes));
    return result;
  }

  // The object took more native memory.
  void grow(napi_env env, size_t more) noexcept {
    bytes += static_cast<int64_t>(more);
    report(env, static_cast<int64_t>(more));
  }

  void dispose(napi_env env) noexcept {
    if (object == nullptr) return;
    object.reset();
    report(env, -bytes);
  }

 private:
  static void finalize(napi_env env, void* data, void*) noexcept {
    std::unique_ptr<Handle> handle(static_cast<Handle*>(data));
    handle->dispose(env);
  }
  static void report(napi_env env, int64_t change) noexcept {
    int64_t total = 0;
    napi_adjust_external_memory(env, change, &total);
  }
};

}  // namespace binding

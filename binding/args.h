// The reader of a call's arguments, and the only code that touches the Napi::Value of one.
//
// Arguments are typed arrays, plain numbers, booleans, and objects that this binding made. Everything that memory
// safety needs is checked here: presence, type, element type, length, detached and shared memory, overlap of the output
// with inputs. What is wrong is thrown as TypeError or RangeError: "qconv: argument x needs 4096 bytes, has 4000".
//
// With a Memory (async form, plans) inputs and outputs are what it makes of them, at once; without (sync form) both are
// the caller's own memory. No function here calls back into JavaScript: nothing that was checked can change during a
// call.
#pragma once

#include <napi.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "checked.h"
#include "handle.h"
#include "int8/types.h"
#include "storage.h"

namespace binding {

// A typed array's memory as it is now. `fault` names what makes it unusable, null if nothing does.
struct View {
  napi_value value = nullptr;
  napi_typedarray_type type = napi_uint8_array;
  uint8_t* data = nullptr;
  size_t length = 0;  // elements
  size_t item_size = 1;
  size_t bytes = 0;
  const char* fault = nullptr;
};
View view_of(napi_env env, napi_value value);

template <class T>
inline constexpr napi_typedarray_type kArrayType = napi_uint8_array;
template <>
inline constexpr napi_typedarray_type kArrayType<int8_t> = napi_int8_array;
template <>
inline constexpr napi_typedarray_type kArrayType<int32_t> = napi_int32_array;
template <>
inline constexpr napi_typedarray_type kArrayType<float> = napi_float32_array;
template <>
inline constexpr napi_typedarray_type kArrayType<double> = napi_float64_array;

// Whether an output may be exactly the memory of an input that was read before it.
enum class Overlap { kNone, kInPlace };

// An array of whichever type the call takes, as bytes.
struct Elements {
  napi_typedarray_type type;
  std::span<const uint8_t> bytes;
  size_t length;
  size_t item_size;
};
struct ElementsOut {
  napi_typedarray_type type;
  std::span<uint8_t> bytes;
  size_t length;
  size_t item_size;
};

class Args {
 public:
  // `first` is the argument that is number 0 here.
  Args(const Napi::CallbackInfo& info, const char* op, Memory* memory, size_t first = 0)
      : info_(info), op_(op), memory_(memory), first_(first) {}
  Args(const Args&) = delete;
  Args& operator=(const Args&) = delete;

  Napi::Env env() const { return info_.Env(); }

  // Typed arrays. `count` is the number of elements that the array must have.
  template <class T>
  std::span<const T> in(size_t i, const char* name) {
    const View v = typed(i, name, kArrayType<T>);
    return {reinterpret_cast<const T*>(read(v, name)), v.length};
  }
  template <class T>
  std::span<const T> in(size_t i, const char* name, int64_t count) {
    const View v = typed(i, name, kArrayType<T>);
    need(v, name, count);
    return {reinterpret_cast<const T*>(read(v, name)), v.length};
  }
  // Null is an empty span.
  template <class T>
  std::span<const T> in_or_null(size_t i, const char* name, int64_t count) {
    if (is_null(i)) return {};
    return in<T>(i, name, count);
  }
  template <class T>
  std::span<T> out(size_t i, const char* name, int64_t count, Overlap overlap) {
    const View v = typed(i, name, kArrayType<T>);
    need(v, name, count);
    return {reinterpret_cast<T*>(write(v, name, overlap, false)), v.length};
  }
  // Uint8Array or Int8Array.
  int8::CodesIn codes(size_t i, const char* name);
  int8::CodesIn codes(size_t i, const char* name, int64_t count);
  int8::CodesOut codes_out(size_t i, const char* name, int64_t count, Overlap overlap);
  int8::CodesOut codes_out(size_t i, const char* name, int64_t count, Overlap overlap, int8::CodeType type);
  // Element type of an argument, before it is read as one of several.
  napi_typedarray_type type_of(size_t i, const char* name) { return view(i, name, "a typed array").type; }
  // Arrays that stridedCopy moves; the output keeps the elements that the kernel does not write.
  Elements elements(size_t i, const char* name);
  ElementsOut elements_inout(size_t i, const char* name, napi_typedarray_type type);

  // An array of any type of number, always the caller's memory: use it before returning.
  View any(size_t i, const char* name);
  std::span<const uint8_t> buffer(size_t i, const char* name) const;

  // Numbers.
  int64_t integer(size_t i, const char* name, int64_t lo, int64_t hi);
  float finite(size_t i, const char* name);  // as float32
  float real(size_t i, const char* name);    // infinities too, NaN not
  bool flag(size_t i, const char* name);
  bool is_null(size_t i) const;
  std::string text(size_t i, const char* name);
  // A Float64Array of `count` elements (nullopt: any number), always the caller's memory: read it before returning.
  std::span<const double> numbers(size_t i, const char* name, std::optional<size_t> count) const;

  // An object that pack or bind returned.
  template <class T>
  std::shared_ptr<typename HandleKind<T>::Object> object(size_t i, const char* name) {
    const Handle<T>* handle = Handle<T>::find(env(), value(i));
    if (handle == nullptr) fail_type(name, std::string("must be ") + Handle<T>::kWanted);
    if (handle->object == nullptr) fail_type(name, "was disposed: make a new one");
    return handle->object;
  }
  napi_value value(size_t i) const {
    return first_ + i < info_.Length() ? static_cast<napi_value>(info_[first_ + i]) : nullptr;
  }
  const Napi::CallbackInfo& info() const { return info_; }

  // Throw with the op and the argument's name in front.
  [[noreturn]] void fail_type(const char* name, const std::string& what) const;
  [[noreturn]] void fail_range(const char* name, const std::string& what) const;

 private:
  View view(size_t i, const char* name, const char* wanted) const;
  View typed(size_t i, const char* name, napi_typedarray_type type) const;
  View typed_codes(size_t i, const char* name) const;
  void need(const View& view, const char* name, int64_t count) const;
  const uint8_t* read(const View& view, const char* name);
  uint8_t* write(const View& view, const char* name, Overlap overlap, bool keep);
  double number(size_t i, const char* name, const char* wanted) const;

  struct Range {
    const uint8_t* data;
    size_t size;
    const char* name;
  };
  const Napi::CallbackInfo& info_;
  const char* op_;
  Memory* memory_;
  size_t first_;
  std::array<Range, 12> inputs_;  // read so far
  size_t input_count_ = 0;
  std::optional<Range> output_;
};

// A Float64Array of integers, read one after another by name: geometry and shapes. Always the caller's memory.
class Numbers {
 public:
  Numbers(const Args& args, size_t i, const char* name, std::optional<size_t> count)
      : args_(args), name_(name), values_(args.numbers(i, name, count)) {}
  int64_t next(const char* field, int64_t lo, int64_t hi);
  int8::Dims3 dims(const char* field, int64_t lo);
  size_t size() const { return values_.size(); }
  [[noreturn]] void fail(const std::string& what) const { args_.fail_range(name_, what); }

 private:
  const Args& args_;
  const char* name_;
  std::span<const double> values_;
  size_t at_ = 0;
};

// For error texts: a number as JavaScript would write it, nearly.
std::string show(double value);

}  // namespace binding

#include "args.h"

#include <cfloat>
#include <cmath>
#include <cstdio>
#include <limits>

namespace binding {
namespace {

using int8::CodesIn;
using int8::CodesOut;
using int8::CodeType;

// Zero for a type that no kernel takes.
size_t item_size(napi_typedarray_type type) {
  switch (type) {
    case napi_int8_array:
    case napi_uint8_array:
    case napi_uint8_clamped_array:
      return 1;
    case napi_int16_array:
    case napi_uint16_array:
      return 2;
    case napi_int32_array:
    case napi_uint32_array:
    case napi_float32_array:
      return 4;
    case napi_float64_array:
    case napi_bigint64_array:
    case napi_biguint64_array:
      return 8;
    default:
      return 0;
  }
}

const char* type_name(napi_typedarray_type type) {
  switch (type) {
    case napi_int8_array:
      return "an Int8Array";
    case napi_uint8_array:
      return "a Uint8Array";
    case napi_uint8_clamped_array:
      return "a Uint8ClampedArray";
    case napi_int16_array:
      return "an Int16Array";
    case napi_uint16_array:
      return "a Uint16Array";
    case napi_int32_array:
      return "an Int32Array";
    case napi_uint32_array:
      return "a Uint32Array";
    case napi_float32_array:
      return "a Float32Array";
    case napi_float64_array:
      return "a Float64Array";
    case napi_bigint64_array:
      return "a BigInt64Array";
    case napi_biguint64_array:
      return "a BigUint64Array";
    default:
      return "a typed array of another kind";
  }
}

std::string kind_of(napi_env env, napi_value value) {
  if (value == nullptr) return "is missing";
  napi_valuetype type = napi_undefined;
  napi_typeof(env, value, &type);
  switch (type) {
    case napi_undefined:
      return "is undefined";
    case napi_null:
      return "is null";
    case napi_boolean:
      return "is a boolean";
    case napi_number:
      return "is a number";
    case napi_string:
      return "is a string";
    case napi_symbol:
      return "is a symbol";
    case napi_function:
      return "is a function";
    case napi_bigint:
      return "is a bigint";
    default:
      break;
  }
  bool is = false;
  if (napi_is_dataview(env, value, &is) == napi_ok && is) return "is a DataView";
  if (napi_is_arraybuffer(env, value, &is) == napi_ok && is) return "is an ArrayBuffer";
  if (napi_is_array(env, value, &is) == napi_ok && is) return "is an Array";
  return "is an object";
}

bool overlap(const uint8_t* a, size_t a_size, const uint8_t* b, size_t b_size) {
  const auto pa = reinterpret_cast<uintptr_t>(a);
  const auto pb = reinterpret_cast<uintptr_t>(b);
  return a_size != 0 && b_size != 0 && pa < pb + b_size && pb < pa + a_size;
}

}  // namespace

std::string show(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

View view_of(napi_env env, napi_value value) {
  View v;
  v.value = value;
  v.type = static_cast<napi_typedarray_type>(-1);
  napi_value buffer = nullptr;
  size_t offset = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, value, &v.type, &v.length, &data, &buffer, &offset) != napi_ok) {
    v.fault = "cannot be read";
    return v;
  }
  v.data = static_cast<uint8_t*>(data);
  v.item_size = item_size(v.type);
  v.bytes = v.length * v.item_size;
  bool plain = false;
  if (napi_is_arraybuffer(env, buffer, &plain) != napi_ok || !plain) {
    v.fault = "lies in a SharedArrayBuffer, which other threads can change under way: copy it first";
  } else if (v.length == 0) {
    bool detached = false;
    if (napi_is_detached_arraybuffer(env, buffer, &detached) != napi_ok || detached) v.fault = "is detached";
  } else if (v.item_size == 0 || reinterpret_cast<uintptr_t>(v.data) % v.item_size != 0) {
    v.fault = "is not aligned to its elements";
  }
  return v;
}

void Args::fail_type(const char* name, const std::string& what) const {
  throw Napi::TypeError::New(env(), std::string(op_) + ": argument " + name + " " + what);
}

void Args::fail_range(const char* name, const std::string& what) const {
  throw Napi::RangeError::New(env(), std::string(op_) + ": argument " + name + " " + what);
}

View Args::view(size_t i, const char* name, const char* wanted) const {
  const napi_value v = value(i);
  bool is = false;
  if (v == nullptr || napi_is_typedarray(env(), v, &is) != napi_ok || !is) {
    fail_type(name, std::string("must be ") + wanted + ", but " + kind_of(env(), v));
  }
  const View result = view_of(env(), v);
  if (result.fault != nullptr) fail_type(name, result.fault);
  return result;
}

View Args::typed(size_t i, const char* name, napi_typedarray_type type) const {
  const View v = view(i, name, type_name(type));
  if (v.type != type) fail_type(name, std::string("must be ") + type_name(type) + ", but is " + type_name(v.type));
  return v;
}

View Args::typed_codes(size_t i, const char* name) const {
  const View v = view(i, name, "a Uint8Array or Int8Array");
  if (v.type != napi_uint8_array && v.type != napi_int8_array) {
    fail_type(name, std::string("must be a Uint8Array or Int8Array, but is ") + type_name(v.type));
  }
  return v;
}

void Args::need(const View& view, const char* name, int64_t count) const {
  if (view.length == static_cast<uint64_t>(count)) return;
  const auto bytes = multiply(count, static_cast<int64_t>(view.item_size));
  fail_range(name,
             "needs " + (bytes ? std::to_string(*bytes) : "too many") + " bytes, has " + std::to_string(view.bytes));
}

const uint8_t* Args::read(const View& view, const char* name) {
  if (output_ && overlap(view.data, view.bytes, output_->data, output_->size)) {
    fail_range(name, std::string("overlaps ") + output_->name);
  }
  if (input_count_ == inputs_.size()) fail_range(name, "is one argument too many");
  inputs_[input_count_++] = {view.data, view.bytes, name};
  return memory_ == nullptr ? view.data : memory_->input(view.data, view.bytes);
}

uint8_t* Args::write(const View& view, const char* name, Overlap allowed, bool keep) {
  for (size_t k = 0; k < input_count_; k++) {
    const Range& input = inputs_[k];
    const bool same = input.data == view.data && input.size == view.bytes;
    if (!(same && allowed == Overlap::kInPlace) && overlap(view.data, view.bytes, input.data, input.size)) {
      fail_range(name, std::string("overlaps ") + input.name);
    }
  }
  output_ = Range{view.data, view.bytes, name};
  return memory_ == nullptr ? view.data : memory_->output(view.value, name, view.data, view.bytes, keep);
}

CodesIn Args::codes(size_t i, const char* name) {
  const View v = typed_codes(i, name);
  return {{read(v, name), v.bytes}, v.type == napi_uint8_array ? CodeType::kU8 : CodeType::kS8};
}

CodesIn Args::codes(size_t i, const char* name, int64_t count) {
  const View v = typed_codes(i, name);
  need(v, name, count);
  return {{read(v, name), v.bytes}, v.type == napi_uint8_array ? CodeType::kU8 : CodeType::kS8};
}

CodesOut Args::codes_out(size_t i, const char* name, int64_t count, Overlap overlap) {
  const View v = typed_codes(i, name);
  need(v, name, count);
  return {{write(v, name, overlap, false), v.bytes}, v.type == napi_uint8_array ? CodeType::kU8 : CodeType::kS8};
}

CodesOut Args::codes_out(size_t i, const char* name, int64_t count, Overlap overlap, CodeType type) {
  const View v = typed(i, name, type == CodeType::kU8 ? napi_uint8_array : napi_int8_array);
  need(v, name, count);
  return {{write(v, name, overlap, false), v.bytes}, type};
}

Elements Args::elements(size_t i, const char* name) {
  const View v = view(i, name, "a typed array");
  if (v.item_size == 0 || v.type == napi_uint8_clamped_array) {
    fail_type(name, std::string("must be an array of numbers of 1, 2, 4 or 8 bytes, but is ") + type_name(v.type));
  }
  return {v.type, {read(v, name), v.bytes}, v.length, v.item_size};
}

View Args::any(size_t i, const char* name) {
  const View v = view(i, name, "a typed array");
  if (v.item_size == 0) fail_type(name, "is of a kind that no kernel takes");
  return v;
}

std::span<const uint8_t> Args::buffer(size_t i, const char* name) const {
  const napi_value v = value(i);
  bool is = false;
  if (v == nullptr || napi_is_arraybuffer(env(), v, &is) != napi_ok || !is) {
    fail_type(name, "must be an ArrayBuffer, but " + kind_of(env(), v));
  }
  void* data = nullptr;
  size_t size = 0;
  bool detached = false;
  if (napi_get_arraybuffer_info(env(), v, &data, &size) != napi_ok ||
      napi_is_detached_arraybuffer(env(), v, &detached) != napi_ok || detached) {
    fail_type(name, "is detached");
  }
  return {static_cast<const uint8_t*>(data), size};
}

ElementsOut Args::elements_inout(size_t i, const char* name, napi_typedarray_type type) {
  const View v = typed(i, name, type);
  return {v.type, {write(v, name, Overlap::kNone, true), v.bytes}, v.length, v.item_size};
}

double Args::number(size_t i, const char* name, const char* wanted) const {
  double result = 0;
  const napi_value v = value(i);
  if (v == nullptr || napi_get_value_double(env(), v, &result) != napi_ok) {
    fail_type(name, std::string("must be ") + wanted + ", but " + kind_of(env(), v));
  }
  return result;
}

int64_t Args::integer(size_t i, const char* name, int64_t lo, int64_t hi) {
  const double v = number(i, name, "an integer");
  if (!(v >= static_cast<double>(lo) && v <= static_cast<double>(hi)) || v != std::trunc(v)) {
    fail_range(name,
               "must be an integer from " + std::to_string(lo) + " to " + std::to_string(hi) + ", but is " + show(v));
  }
  return static_cast<int64_t>(v);
}

float Args::finite(size_t i, const char* name) {
  const double v = number(i, name, "a finite number");
  if (!(std::fabs(v) <= static_cast<double>(FLT_MAX))) {
    fail_range(name, "must be a finite float32, but is " + show(v));
  }
  return static_cast<float>(v);
}

float Args::real(size_t i, const char* name) {
  const double v = number(i, name, "a number");
  if (std::isnan(v)) fail_range(name, "must be a number, but is NaN");
  if (std::isinf(v)) return v < 0 ? -std::numeric_limits<float>::infinity() : std::numeric_limits<float>::infinity();
  if (std::fabs(v) > static_cast<double>(FLT_MAX)) fail_range(name, "must be a float32, but is " + show(v));
  return static_cast<float>(v);
}

bool Args::flag(size_t i, const char* name) {
  bool result = false;
  const napi_value v = value(i);
  if (v == nullptr || napi_get_value_bool(env(), v, &result) != napi_ok) {
    fail_type(name, "must be a boolean, but " + kind_of(env(), v));
  }
  return result;
}

bool Args::is_null(size_t i) const {
  napi_valuetype type = napi_undefined;
  const napi_value v = value(i);
  return v != nullptr && napi_typeof(env(), v, &type) == napi_ok && type == napi_null;
}

std::string Args::text(size_t i, const char* name) {
  const napi_value v = value(i);
  char text[64];
  size_t length = 0;
  if (v == nullptr || napi_get_value_string_utf8(env(), v, text, sizeof text, &length) != napi_ok) {
    fail_type(name, "must be a string, but " + kind_of(env(), v));
  }
  return {text, length};
}

std::span<const double> Args::numbers(size_t i, const char* name, std::optional<size_t> count) const {
  const View v = typed(i, name, napi_float64_array);
  if (count) need(v, name, static_cast<int64_t>(*count));
  return {reinterpret_cast<const double*>(v.data), v.length};
}

int64_t Numbers::next(const char* field, int64_t lo, int64_t hi) {
  const double v = values_[at_++];
  if (!(v >= static_cast<double>(lo) && v <= static_cast<double>(hi)) || v != std::trunc(v)) {
    fail(std::string("has ") + field + " " + show(v) + ", which must be an integer from " + std::to_string(lo) +
         " to " + std::to_string(hi));
  }
  return static_cast<int64_t>(v);
}

int8::Dims3 Numbers::dims(const char* field, int64_t lo) {
  const int64_t d = next(field, lo, kMaxDim);
  const int64_t h = next(field, lo, kMaxDim);
  const int64_t w = next(field, lo, kMaxDim);
  return {d, h, w};
}

}  // namespace binding

#include "addon.h"

namespace binding {

const char kImage = 0;

// Raised with every change of a function's arguments, here and in src/backend/native.ts: a binary that is older or
// newer than the JavaScript beside it is refused with words, not called with arguments that it reads differently.
constexpr int kAbi = 13;

Int8Addon::Int8Addon(Napi::Env env, Napi::Object exports) : calls_(env) {
  Registry registry(*this, exports);
  registry.constant("abi", Napi::Number::New(env, kAbi));
  add_control(registry);
  add_elementwise(registry);
  add_fconv(registry);
  add_image(registry);
  add_movement(registry);
  add_plan(registry);
  add_pool(registry);
  add_qconv(registry);
  add_quantize(registry);
  add_reduce(registry);
}

}  // namespace binding

using binding::Int8Addon;
NODE_API_ADDON(Int8Addon)

// The addon: one instance per environment (main thread, each worker), which owns what is per environment. Process-wide
// are only the kernels' thread pool, the choice of instruction set, and the executor.
#pragma once

#include <napi.h>

#include <deque>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include "args.h"
#include "handle.h"
#include "plan.h"
#include "task.h"

namespace binding {

class Int8Addon;

// What a registered function knows of itself.
struct Function {
  Int8Addon* addon;
  const char* name;
};

class Int8Addon : public Napi::Addon<Int8Addon> {
 public:
  Int8Addon(Napi::Env env, Napi::Object exports);

  AsyncCalls& calls() { return calls_; }

  // Reads a kernel's arguments and returns what runs it.
  using ReadStep = Plan::Job (*)(Args& args);
  // A kernel's name, as a literal, and its reader; nulls for a name that no kernel has.
  std::pair<const char*, ReadStep> step(std::string_view kernel) const {
    const auto found = steps_.find(kernel);
    return found == steps_.end() ? std::pair<const char*, ReadStep>{} : std::pair{found->first.data(), found->second};
  }

 private:
  friend class Registry;
  std::deque<Function> functions_;  // addresses stay
  std::unordered_map<std::string_view, ReadStep> steps_;
  AsyncCalls calls_;
};

// Fills the addon's exports while it is made.
class Registry {
 public:
  Registry(Int8Addon& addon, Napi::Object exports) : addon_(addon), exports_(exports) {}
  Napi::Env env() const { return exports_.Env(); }

  void constant(const char* name, Napi::Value value) { exports_.Set(name, value); }

  // A kernel, as `name` and `async_name`, and as a step of plans. `Parse` reads the arguments and returns the job that
  // runs it: a callable that touches native memory alone and returns nothing or a Status.
  template <auto Parse>
  void kernel(const char* name, const char* async_name);

  // The same, but no step.
  template <auto Parse>
  void runner(const char* name, const char* async_name);

  // A function that returns a native object: `Make` returns a Made<T>.
  template <auto Make>
  void maker(const char* name);

  // Any other function: `Call` takes Args, and the addon if it wants it, and returns a Napi::Value.
  template <auto Call>
  void function(const char* name);

 private:
  template <Napi::Value (*Callback)(const Napi::CallbackInfo&)>
  void add(const char* name);

  Int8Addon& addon_;
  Napi::Object exports_;
};

// An object made for JavaScript; null if memory ran out. `bytes` is the native memory that it adds.
template <class T>
struct Made {
  std::shared_ptr<typename HandleKind<std::remove_const_t<T>>::Object> object;
  size_t bytes;
};

// One per family: registers its functions.
void add_control(Registry& registry);
void add_elementwise(Registry& registry);
void add_fconv(Registry& registry);
void add_image(Registry& registry);
void add_movement(Registry& registry);
void add_plan(Registry& registry);
void add_pool(Registry& registry);
void add_qconv(Registry& registry);
void add_quantize(Registry& registry);
void add_reduce(Registry& registry);

// --- how a registered function is called ---

// Runs `body`; memory that ran out becomes an exception of JavaScript, as every Napi::Error does.
template <class Body>
Napi::Value guarded(const Napi::CallbackInfo& info, Body body) {
  const Function& function = *static_cast<const Function*>(info.Data());
  try {
    return body(function);
  } catch (const std::bad_alloc&) {
    throw_status(info.Env(), function.name);
  }
}

template <auto Parse>
Napi::Value call_now(const Napi::CallbackInfo& info) {
  return guarded(info, [&](const Function& function) -> Napi::Value {
    Args args(info, function.name, nullptr);
    const auto job = with_status(Parse(args));
    if (const int8::Status status = job(); status != int8::Status::kOk) throw_status(info.Env(), function.name, status);
    return info.Env().Undefined();
  });
}

template <auto Parse>
Napi::Value call_later(const Napi::CallbackInfo& info) {
  return guarded(info, [&](const Function& function) -> Napi::Value {
    auto storage = std::make_unique<Storage>(info.Env());
    Args args(info, function.name, storage.get());
    auto job = with_status(Parse(args));
    AsyncCalls& calls = function.addon->calls();
    return calls.start(
        std::make_unique<JobTask<decltype(job)>>(calls, function.name, std::move(storage), std::move(job)));
  });
}

template <auto Make>
Napi::Value call_make(const Napi::CallbackInfo& info) {
  return guarded(info, [&](const Function& function) -> Napi::Value {
    Args args(info, function.name, nullptr);
    auto made = Make(args);
    if (made.object == nullptr) throw_status(info.Env(), function.name);
    using T = std::remove_cvref_t<decltype(*made.object)>;
    return Handle<T>::wrap(info.Env(), std::move(made.object), made.bytes);
  });
}

template <auto Call>
Napi::Value call_plain(const Napi::CallbackInfo& info) {
  return guarded(info, [&](const Function& function) -> Napi::Value {
    Args args(info, function.name, nullptr);
    if constexpr (std::is_invocable_v<decltype(Call), Args&, Int8Addon&>) {
      return Call(args, *function.addon);
    } else {
      return Call(args);
    }
  });
}

template <Napi::Value (*Callback)(const Napi::CallbackInfo&)>
void Registry::add(const char* name) {
  Function& function = addon_.functions_.emplace_back(Function{&addon_, name});
  exports_.Set(name, Napi::Function::New<Callback>(env(), name, &function));
}

template <auto Parse>
void Registry::kernel(const char* name, const char* async_name) {
  runner<Parse>(name, async_name);
  addon_.steps_.emplace(name, [](Args& args) -> Plan::Job { return with_status(Parse(args)); });
}

template <auto Parse>
void Registry::runner(const char* name, const char* async_name) {
  add<call_now<Parse>>(name);
  add<call_later<Parse>>(async_name);
}

template <auto Make>
void Registry::maker(const char* name) {
  add<call_make<Make>>(name);
}

template <auto Call>
void Registry::function(const char* name) {
  add<call_plain<Call>>(name);
}

}  // namespace binding

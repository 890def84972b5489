// Instruction sets, threads, and disposal of native objects.
#include <atomic>
#include <string>

#include "addon.h"
#include "int8/cpu.h"
#include "int8/thread_pool.h"

namespace binding {
namespace {

// isa(): the position in `supportedIsas` of the one in force. A number, because it is asked for with every call.
Napi::Value isa(Args& args) {
  const auto isas = int8::supported_isas();
  uint32_t i = 0;
  while (i + 1 < isas.size() && isas[i] != int8::active_isa()) i++;
  return Napi::Number::New(args.env(), i);
}

// setIsa(name)
Napi::Value set_isa(Args& args) {
  const auto isa = int8::isa_from_name(args.text(0, "name"));
  if (!isa) args.fail_range("name", "is not the name of an instruction set");
  if (!int8::set_active_isa(*isa)) args.fail_range("name", "is an instruction set that this CPU lacks");
  return args.env().Undefined();
}

// numThreads(), defaultNumThreads(), setNumThreads(n)
Napi::Value num_threads(Args& args) {
  return Napi::Number::New(args.env(), int8::num_threads());
}
Napi::Value default_num_threads(Args& args) {
  return Napi::Number::New(args.env(), int8::default_num_threads());
}
Napi::Value set_num_threads(Args& args) {
  int8::set_num_threads(static_cast<int>(args.integer(0, "n", 1, 256)));
  return args.env().Undefined();
}

template <class T>
bool dispose_as(Args& args) {
  Handle<T>* handle = Handle<T>::find(args.env(), args.value(0));
  if (handle == nullptr) return false;
  handle->dispose(args.env());
  return true;
}

// dispose(object): gives its native memory back now; a second time does nothing. Calls under way keep what they use.
Napi::Value dispose(Args& args) {
  if (!dispose_as<int8::PackedQuantized>(args) && !dispose_as<int8::BoundQuantized>(args) &&
      !dispose_as<int8::PackedFloat>(args) && !dispose_as<Plan>(args) && !dispose_as<int8::MappedFile>(args)) {
    args.fail_type("object",
                   "must be an object that packQuantized, bindQuantized, packFloat, planCreate or mapFile returned");
  }
  return args.env().Undefined();
}

}  // namespace

void add_control(Registry& registry) {
  const Napi::Env env = registry.env();
  const auto isas = int8::supported_isas();
  Napi::Array names = Napi::Array::New(env, isas.size());
  for (uint32_t i = 0; i < isas.size(); i++) names.Set(i, Napi::String::New(env, std::string(int8::isa_name(isas[i]))));
  registry.constant("supportedIsas", names);
  // Settings of the environment's variables are applied by the first to load, so that a worker does not undo what the
  // main thread has set since.
  static std::atomic<bool> loaded{false};
  registry.constant("firstInProcess", Napi::Boolean::New(env, !loaded.exchange(true)));
  registry.function<isa>("isa");
  registry.function<set_isa>("setIsa");
  registry.function<num_threads>("numThreads");
  registry.function<default_num_threads>("defaultNumThreads");
  registry.function<set_num_threads>("setNumThreads");
  registry.function<dispose>("dispose");
}

}  // namespace binding

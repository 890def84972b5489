#include "plan.h"

#include <chrono>
#include <cstring>

#include "addon.h"

namespace binding {
namespace {

constexpr size_t kAlignment = 64;

// What becomes of inputs that do not lie in a plan's memory.
enum class Others { kKept, kReadInPlace };

// While a plan's steps are read: arrays over the buffer that stands for the plan's memory lie there.
class PlanMemory final : public Memory {
 public:
  PlanMemory(Napi::Env env, const char* op, Plan& plan, std::span<const uint8_t> stand_in, Others others)
      : env_(env), op_(op), plan_(plan), stand_in_(stand_in), others_(others) {}

  const uint8_t* input(const uint8_t* data, size_t size) override {
    const uint8_t* place = find(data, size);
    if (place != nullptr) return place;
    return others_ == Others::kKept ? plan_.keep(data, size) : data;
  }

  uint8_t* output(napi_value, const char* name, const uint8_t* data, size_t size, bool) override {
    uint8_t* place = size == 0 ? plan_.arena().data() : find(data, size);
    if (place == nullptr) {
      throw Napi::TypeError::New(env_, std::string(op_) + ": argument " + name + " does not lie in the plan's memory");
    }
    return place;
  }

 private:
  // The array's place in the arena; null if it is elsewhere.
  uint8_t* find(const uint8_t* data, size_t size) const {
    const auto begin = reinterpret_cast<uintptr_t>(stand_in_.data());
    const auto at = reinterpret_cast<uintptr_t>(data);
    if (size == 0 || at < begin || at - begin > stand_in_.size() || stand_in_.size() - (at - begin) < size)
      return nullptr;
    return plan_.arena().data() + (at - begin);
  }

  Napi::Env env_;
  const char* op_;
  Plan& plan_;
  std::span<const uint8_t> stand_in_;
  Others others_;
};

// A plan in use: let go when the last copy is.
class Use {
 public:
  explicit Use(std::shared_ptr<Plan> plan) : plan_(std::move(plan)) {}
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  ~Use() { plan_->leave(); }
  Plan& plan() const { return *plan_; }

 private:
  std::shared_ptr<Plan> plan_;
};

std::shared_ptr<const Use> use(Args& args) {
  auto plan = args.object<Plan>(0, "plan");
  if (!plan->enter()) args.fail_range("plan", "is in use: a run is under way");
  return std::make_shared<const Use>(std::move(plan));
}

// planCreate(bytes)
Made<Plan> create(Args& args) {
  const int64_t bytes = args.integer(0, "bytes", 0, int64_t{1} << 40);
  return {std::make_shared<Plan>(static_cast<size_t>(bytes)), static_cast<size_t>(bytes)};
}

// planRun(plan, first, last, times): steps first to last - 1; times: null, or a Float64Array that receives nanoseconds.
auto run(Args& args) {
  auto in_use = use(args);
  const auto steps = static_cast<int64_t>(in_use->plan().steps());
  const auto first = static_cast<size_t>(args.integer(1, "first", 0, steps));
  const auto last = static_cast<size_t>(args.integer(2, "last", static_cast<int64_t>(first), steps));
  const auto times = args.is_null(3) ? std::span<double>{} : args.out<double>(3, "times", steps, Overlap::kNone);
  return [=, in_use = std::move(in_use)] { return in_use->plan().run(first, last, times); };
}

// The arguments (plan, memory, kernel, …arguments of the kernel): arrays over `memory`, an ArrayBuffer of the plan's
// size, lie in the plan's own. take(job, name) receives what runs the kernel.
template <class Take>
void read_step(Args& args, const Int8Addon& addon, Plan& plan, const char* function, Others others, Take take) {
  const auto stand_in = args.buffer(1, "memory");
  if (stand_in.size() != plan.arena().size()) args.fail_range("memory", "is not of the plan's size");
  const auto [kernel, read] = addon.step(args.text(2, "kernel"));
  if (read == nullptr) args.fail_type("kernel", "is not the name of a kernel");
  const std::string op = std::string(function) + ": " + kernel;
  PlanMemory memory(args.env(), op.c_str(), plan, stand_in, others);
  Args step(args.info(), op.c_str(), &memory, 3);
  take(read(step), op.c_str());
}

// planStep(plan, memory, kernel, …arguments of the kernel): adds a step.
Napi::Value add_step(Args& args, Int8Addon& addon) {
  const auto in_use = use(args);
  Plan& plan = in_use->plan();
  const size_t kept = plan.kept();
  read_step(args, addon, plan, "planStep", Others::kKept,
            [&](Plan::Job job, const char*) { plan.add(std::move(job)); });
  Handle<Plan>::find(args.env(), args.value(0))->grow(args.env(), plan.kept() - kept);
  return args.env().Undefined();
}

// planApply(plan, memory, kernel, …arguments of the kernel): runs it now; inputs that do not lie in the plan's memory
// are the caller's own.
Napi::Value apply(Args& args, Int8Addon& addon) {
  const auto in_use = use(args);
  read_step(args, addon, in_use->plan(), "planApply", Others::kReadInPlace, [&](const Plan::Job& job, const char* op) {
    if (const int8::Status status = job(); status != int8::Status::kOk) throw_status(args.env(), op, status);
  });
  return args.env().Undefined();
}

// The bytes of the arena that an array is copied to or from.
uint8_t* place(Args& args, const Plan& plan, const View& array) {
  const auto size = static_cast<int64_t>(plan.arena().size());
  const int64_t offset = args.integer(1, "offset", 0, size);
  if (array.bytes > static_cast<uint64_t>(size - offset)) {
    args.fail_range(
        "offset", "leaves " + std::to_string(size - offset) + " bytes for an array of " + std::to_string(array.bytes));
  }
  return plan.arena().data() + offset;
}

// planWrite(plan, offset, array)
Napi::Value write(Args& args) {
  const auto in_use = use(args);
  const View array = args.any(2, "array");
  uint8_t* to = place(args, in_use->plan(), array);
  if (array.bytes != 0) std::memcpy(to, array.data, array.bytes);
  return args.env().Undefined();
}

// planRead(plan, offset, array)
Napi::Value read(Args& args) {
  const auto in_use = use(args);
  const View array = args.any(2, "array");
  const uint8_t* from = place(args, in_use->plan(), array);
  if (array.bytes != 0) std::memcpy(array.data, from, array.bytes);
  return args.env().Undefined();
}

}  // namespace

Plan::Plan(size_t bytes) {
  memory_.reset(static_cast<uint8_t*>(std::calloc(bytes + kAlignment, 1)));
  if (memory_ == nullptr) throw std::bad_alloc();
  const auto skip = (kAlignment - reinterpret_cast<uintptr_t>(memory_.get()) % kAlignment) % kAlignment;
  arena_ = {memory_.get() + skip, bytes};
}

const uint8_t* Plan::keep(const uint8_t* data, size_t size) {
  constants_.push_back(allocate(size));
  kept_ += size;
  uint8_t* to = constants_.back().get();
  if (size != 0) std::memcpy(to, data, size);
  return to;
}

int8::Status Plan::run(size_t first, size_t last, std::span<double> nanoseconds) const noexcept {
  using Clock = std::chrono::steady_clock;
  for (size_t i = first; i < last; i++) {
    const auto begin = nanoseconds.empty() ? Clock::time_point{} : Clock::now();
    const int8::Status status = jobs_[i]();
    if (status != int8::Status::kOk) return status;
    if (!nanoseconds.empty()) nanoseconds[i] = std::chrono::duration<double, std::nano>(Clock::now() - begin).count();
  }
  return int8::Status::kOk;
}

void add_plan(Registry& registry) {
  registry.maker<create>("planCreate");
  registry.function<add_step>("planStep");
  registry.function<apply>("planApply");
  registry.runner<run>("planRun", "planRunAsync");
  registry.function<write>("planWrite");
  registry.function<read>("planRead");
}

}  // namespace binding

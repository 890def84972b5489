// Calls that run off the event loop, and the environment's list of them.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include "executor.h"
#include "int8/types.h"
#include "storage.h"

namespace binding {

// A job whose result is always a Status.
template <class Job>
auto with_status(Job job) {
  return [job = std::move(job)]() noexcept {
    if constexpr (std::is_void_v<decltype(job())>) {
      job();
      return int8::Status::kOk;
    } else {
      return job();
    }
  };
}

class AsyncCalls;

// One call under way. Made and destroyed on the event loop; run() is the only part that another thread executes, and it
// touches nothing but the call's own native memory.
class Task : public Work {
 public:
  Task(AsyncCalls& calls, const char* op, std::unique_ptr<Storage> storage)
      : calls_(calls), op_(op), storage_(std::move(storage)) {}

  void finished() noexcept override;

 protected:
  int8::Status status_ = int8::Status::kOk;

 private:
  friend class AsyncCalls;
  AsyncCalls& calls_;
  const char* op_;
  std::unique_ptr<Storage> storage_;
  std::optional<Napi::Promise::Deferred> promise_;
};

template <class Job>
class JobTask final : public Task {
 public:
  JobTask(AsyncCalls& calls, const char* op, std::unique_ptr<Storage> storage, Job job)
      : Task(calls, op, std::move(storage)), job_(std::move(job)) {}
  void run() noexcept override { status_ = job_(); }

 private:
  Job job_;
};

// The calls under way of one environment. It keeps the process alive while there are any; when the environment ends,
// queued calls are dropped and running ones are waited for.
class AsyncCalls {
 public:
  explicit AsyncCalls(napi_env env) : env_(env) {}
  AsyncCalls(const AsyncCalls&) = delete;
  AsyncCalls& operator=(const AsyncCalls&) = delete;
  ~AsyncCalls() { close(); }

  Napi::Promise start(std::unique_ptr<Task> task);

 private:
  friend class Task;
  void open();
  void close() noexcept;
  // On an executor thread.
  void done(Task* task) noexcept;
  // On the event loop.
  void settle_finished() noexcept;
  void settle(Task& task) noexcept;

  napi_env env_;
  napi_threadsafe_function wake_ = nullptr;  // made with the first call
  bool closed_ = false;
  std::unordered_set<Task*> pending_;  // owned; event loop only
  std::mutex mutex_;
  std::vector<Task*> finished_;  // guarded by mutex_
};

// What a status means to the caller, as an exception.
[[noreturn]] void throw_status(Napi::Env env, const char* op, int8::Status status = int8::Status::kOutOfMemory);

}  // namespace binding

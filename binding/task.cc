#include "task.h"

#include <string>

namespace binding {

void Task::finished() noexcept {
  calls_.done(this);
}

void throw_status(Napi::Env env, const char* op, int8::Status status) {
  const char* what = status == int8::Status::kIndexOutside ? ": an index lies outside the axis" : ": not enough memory";
  throw Napi::RangeError::New(env, std::string(op) + what);
}

void AsyncCalls::open() {
  const Napi::HandleScope scope(env_);
  const auto on_wake = [](napi_env env, napi_value, void* context, void*) {
    // A null environment means that it has ended: close() has taken care of the calls.
    if (env != nullptr) static_cast<AsyncCalls*>(context)->settle_finished();
  };
  if (napi_create_threadsafe_function(env_, nullptr, nullptr, Napi::String::New(env_, "int8"), 0, 1, nullptr, nullptr,
                                      this, on_wake, &wake_) != napi_ok ||
      napi_unref_threadsafe_function(env_, wake_) != napi_ok) {
    throw Napi::Error::New(env_);
  }
  // Hooks run last added first: this one before the thread-safe function's own.
  napi_add_env_cleanup_hook(
      env_, [](void* self) { static_cast<AsyncCalls*>(self)->close(); }, this);
}

void AsyncCalls::close() noexcept {
  if (closed_) return;
  closed_ = true;
  if (wake_ == nullptr) return;
  Executor::instance().withdraw(this);
  for (Task* task : pending_) delete task;
  pending_.clear();
}

Napi::Promise AsyncCalls::start(std::unique_ptr<Task> task) {
  if (wake_ == nullptr) open();
  task->promise_.emplace(Napi::Promise::Deferred::New(env_));
  const Napi::Promise promise = task->promise_->Promise();
  Task* raw = pending_.insert(task.get()).first.operator*();
  (void)task.release();
  if (pending_.size() == 1) napi_ref_threadsafe_function(env_, wake_);
  if (!Executor::instance().submit(raw, this)) {
    pending_.erase(raw);
    if (pending_.empty()) napi_unref_threadsafe_function(env_, wake_);
    raw->promise_->Reject(Napi::Error::New(env_, std::string(raw->op_) + ": cannot start a thread").Value());
    delete raw;
  }
  return promise;
}

void AsyncCalls::done(Task* task) noexcept {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = finished_.empty();
    finished_.push_back(task);
  }
  if (first) napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking);
}

void AsyncCalls::settle_finished() noexcept {
  std::vector<Task*> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(finished_);
  }
  for (Task* raw : tasks) {
    const std::unique_ptr<Task> task(raw);
    pending_.erase(raw);
    settle(*task);
  }
  if (pending_.empty()) napi_unref_threadsafe_function(env_, wake_);
}

void AsyncCalls::settle(Task& task) noexcept {
  const Napi::Env env(env_);
  try {
    try {
      if (task.status_ != int8::Status::kOk) throw_status(env, task.op_, task.status_);
      task.storage_->write_back(task.op_);
      task.promise_->Resolve(env.Undefined());
    } catch (const Napi::Error& error) {
      task.promise_->Reject(error.Value());
    }
  } catch (const Napi::Error&) {
    // The environment is being terminated: nobody is left to be told.
  }
}

}  // namespace binding

#include "executor.h"

#include <algorithm>

#include "int8/thread_pool.h"

namespace binding {

Executor& Executor::instance() {
  static Executor& executor = *new Executor;
  return executor;
}

bool Executor::may_run() const {
  return !queue_.empty() && running_.size() < static_cast<size_t>(int8::num_threads());
}

bool Executor::submit(Work* work, const void* owner) {
  const std::lock_guard lock(mutex_);
  queue_.push_back({work, owner});
  if (static_cast<int>(queue_.size()) > idle_ && threads_ < int8::num_threads()) {
    if (int8::start_detached_thread([] { instance().serve(); })) {
      threads_++;
    } else if (threads_ == 0) {
      queue_.pop_back();
      return false;
    }
  }
  changed_.notify_one();
  return true;
}

void Executor::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    idle_++;
    changed_.wait(lock, [this] { return may_run(); });
    idle_--;
    const Item item = queue_.front();
    queue_.pop_front();
    running_.push_back(item.owner);
    lock.unlock();
    item.work->run();
    item.work->finished();
    lock.lock();
    running_.erase(std::find(running_.begin(), running_.end(), item.owner));
    changed_.notify_one();
    finished_.notify_all();
  }
}

std::vector<Work*> Executor::withdraw(const void* owner) {
  std::unique_lock lock(mutex_);
  std::vector<Work*> taken;
  std::erase_if(queue_, [&](const Item& item) {
    if (item.owner == owner) taken.push_back(item.work);
    return item.owner == owner;
  });
  finished_.wait(lock, [&] { return std::find(running_.begin(), running_.end(), owner) == running_.end(); });
  return taken;
}

}  // namespace binding

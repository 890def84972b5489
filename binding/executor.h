// Threads that run kernels off the event loop: this addon's own, few and started when first needed, because libuv's
// four are shared with file and DNS work of the whole process. One queue for all environments, first come, first
// served; at most num_threads() tasks run at once, each of which may use the kernels' pool.
//
// Process-wide and never destroyed, threads detached: process exit has nothing to join.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

namespace binding {

// What an executor runs. All calls come from executor threads.
class Work {
 public:
  virtual ~Work() = default;
  virtual void run() noexcept = 0;
  // Hands the work back to its owner; the executor does not touch it afterwards.
  virtual void finished() noexcept = 0;
};

class Executor {
 public:
  static Executor& instance();

  // False if no thread can be started; the work is then not taken. `owner` groups work for withdraw().
  bool submit(Work* work, const void* owner);

  // Takes the owner's queued work back and waits until none of it runs any more.
  std::vector<Work*> withdraw(const void* owner);

 private:
  struct Item {
    Work* work;
    const void* owner;
  };
  Executor() = default;
  void serve();
  bool may_run() const;

  std::mutex mutex_;
  std::condition_variable changed_;   // work was queued, or a running slot became free
  std::condition_variable finished_;  // some work ended
  std::deque<Item> queue_;
  std::vector<const void*> running_;  // owners of what runs now
  int threads_ = 0;
  int idle_ = 0;
};

}  // namespace binding

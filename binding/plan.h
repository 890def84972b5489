// A plan: kernel calls recorded once with their memory, run many times. Values that are computed lie in the plan's own
// block of memory; everything else that a call read is a copy that the plan owns.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "int8/types.h"
#include "storage.h"

namespace binding {

class Plan {
 public:
  using Job = std::function<int8::Status()>;

  // Zeros, of which the system gives pages only as they are touched; throws std::bad_alloc.
  explicit Plan(size_t bytes);
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  std::span<uint8_t> arena() const { return arena_; }
  size_t steps() const { return jobs_.size(); }
  void add(Job job) { jobs_.push_back(std::move(job)); }
  // A copy that lives as long as the plan.
  const uint8_t* keep(const uint8_t* data, size_t size);
  // Bytes of these copies.
  size_t kept() const { return kept_; }

  // Runs jobs `first` to `last - 1` and stops at the first that fails. `nanoseconds`: empty, or one entry per job.
  int8::Status run(size_t first, size_t last, std::span<double> nanoseconds) const noexcept;

  // One run, read or write at a time.
  bool enter() { return !busy_.exchange(true); }
  void leave() { busy_.store(false); }

 private:
  struct Free {
    void operator()(uint8_t* p) const { std::free(p); }
  };
  std::unique_ptr<uint8_t, Free> memory_;
  std::span<uint8_t> arena_;
  std::vector<Bytes> constants_;
  size_t kept_ = 0;
  std::vector<Job> jobs_;
  std::atomic<bool> busy_{false};
};

}  // namespace binding

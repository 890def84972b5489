// The pool: callers publish jobs that live on their own stacks; workers join a job, take ranges of it from atomic
// counters, and leave. A caller works on its own job first and then waits only for workers that have joined, so it
// never depends on a worker being awake, and any number of callers can share the workers.
//
// Parts. A job has a part for each thread, the same one in every job, and only who has done its own helps with others.
// So what a thread wrote in one layer of a network is what it reads in the next, still in its own cache.
//
// Lifetime. Workers are detached and all shared state is leaked on purpose: process exit, with workers idle or busy,
// has nothing to join and nothing to destroy. A forked child starts with a new, empty pool.
#include "int8/thread_pool.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <new>

#include "core/process.h"

#if defined(INT8_ARCH_X64)
#include <immintrin.h>
#elif defined(INT8_ARCH_ARM64) && defined(_MSC_VER)
#include <intrin.h>
#endif

namespace int8 {
namespace {

constexpr int kMaxThreads = 256;
// Ranges per thread: enough that a slow thread does not hold up the others, few enough that the counter stays cold.
constexpr int64_t kRangesPerThread = 4;
// How long a worker looks for the next job, and a caller for its last worker, before it sleeps. A network's layers
// follow each other within microseconds; waking a sleeper costs about 50.
constexpr std::chrono::microseconds kSpin{30};

// Consecutive ranges; on a cache line of its own.
struct alignas(64) Part {
  std::atomic<int64_t> next{0};  // first range that nobody has taken
  int64_t end = 0;
};
constexpr int64_t kMaxParts = 32;  // more threads share them

struct Job {
  int64_t count;
  int64_t step;  // elements per range
  RangeFn fn;
  int helpers;  // workers that may still join; guarded by the pool's mutex
  int64_t part_count;
  std::array<Part, kMaxParts> parts;
  std::atomic<int> joined{0};  // workers inside; after the last decrement the worker does not touch the job
  Job* previous = nullptr;     // list of open jobs; guarded by the pool's mutex
  Job* following = nullptr;
};

struct Pool {
  std::mutex mutex;
  std::condition_variable work;      // a job was opened
  std::condition_variable finished;  // some job's last worker left
  Job* first = nullptr;
  int started = 0;
  std::atomic<int> workers{0};  // changed under the mutex, as is the next
  std::atomic<int> sleeping{0};
  std::atomic<uint64_t> opened{0};  // jobs so far: what spinning workers watch
};

std::atomic<Pool*> g_pool{nullptr};
std::atomic<int> g_threads{0};  // 0: not set, the default holds
// Inside a task: a nested parallel_for runs inline.
thread_local bool t_in_task = false;

void forget_pool() {
  g_pool.store(nullptr, std::memory_order_relaxed);
}

// Null if memory ran out.
Pool* pool() {
  Pool* p = g_pool.load(std::memory_order_acquire);
  if (p != nullptr) return p;
  static const bool fork_handled = call_after_fork(forget_pool);
  (void)fork_handled;
  Pool* fresh = new (std::nothrow) Pool;
  if (fresh == nullptr || g_pool.compare_exchange_strong(p, fresh, std::memory_order_acq_rel)) return fresh;
  delete fresh;
  return p;
}

void pause_cpu() {
#if defined(INT8_ARCH_X64)
  _mm_pause();
#elif defined(INT8_ARCH_ARM64) && defined(_MSC_VER)
  __isb(_ARM64_BARRIER_SY);
#elif defined(INT8_ARCH_ARM64)
  // "yield" does nothing on most cores; a barrier of the pipeline takes about as long as x86's pause.
  __asm__ volatile("isb");
#endif
}

template <class Done>
void spin_until(Done done) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 16; i++) {
      if (done()) return;
      pause_cpu();
    }
  } while (std::chrono::steady_clock::now() < end);
}

// thread: 0 for callers, whose part is the first one; a worker beyond the job's threads has that of another worker.
void take_ranges(Job& job, int64_t thread) {
  t_in_task = true;
  const int64_t own = thread < job.part_count ? thread : 1 + thread % (job.part_count - 1);
  for (int64_t i = 0; i < job.part_count; i++) {
    Part& part = job.parts[static_cast<size_t>((own + i) % job.part_count)];
    while (true) {
      const int64_t range = part.next.fetch_add(1, std::memory_order_relaxed);
      if (range >= part.end) break;
      job.fn(range * job.step, std::min((range + 1) * job.step, job.count));
    }
  }
  t_in_task = false;
}

Job* joinable(const Pool& p) {
  for (Job* job = p.first; job != nullptr; job = job->following) {
    if (job->helpers > 0) return job;
  }
  return nullptr;
}

void worker() {
  Pool& p = *g_pool.load(std::memory_order_acquire);
  std::unique_lock lock(p.mutex);
  const int64_t thread = ++p.started;
  while (true) {
    if (Job* job = joinable(p)) {
      job->helpers--;
      job->joined.fetch_add(1, std::memory_order_relaxed);
      lock.unlock();
      take_ranges(*job, thread);
      lock.lock();
      if (job->joined.fetch_sub(1, std::memory_order_release) == 1) p.finished.notify_all();
      continue;
    }
    const uint64_t seen = p.opened.load(std::memory_order_relaxed);
    lock.unlock();
    spin_until([&] { return p.opened.load(std::memory_order_relaxed) != seen; });
    lock.lock();
    if (p.opened.load(std::memory_order_relaxed) == seen) {
      p.sleeping++;
      p.work.wait(lock, [&] { return joinable(p) != nullptr; });
      p.sleeping--;
    }
  }
}

// Opens a job to up to job.helpers workers, started as needed.
void open(Pool& p, Job& job) {
  std::unique_lock lock(p.mutex);
  while (p.workers < job.helpers && start_detached_thread(worker)) p.workers++;
  job.following = p.first;
  if (p.first != nullptr) p.first->previous = &job;
  p.first = &job;
  p.opened.fetch_add(1, std::memory_order_relaxed);
  const int wake = std::min(job.helpers, p.sleeping.load(std::memory_order_relaxed));
  lock.unlock();
  for (int i = 0; i < wake; i++) p.work.notify_one();
}

// Takes the job off the list, so that nobody joins any more, and waits for those who have.
void close(Pool& p, Job& job) {
  std::unique_lock lock(p.mutex);
  (job.previous != nullptr ? job.previous->following : p.first) = job.following;
  if (job.following != nullptr) job.following->previous = job.previous;
  const auto done = [&] { return job.joined.load(std::memory_order_acquire) == 0; };
  if (done()) return;
  lock.unlock();
  spin_until(done);
  if (done()) return;
  lock.lock();
  p.finished.wait(lock, done);
}

}  // namespace

int default_num_threads() {
  static const int n = [] {
    int cpus = affinity_cpus().value_or(1);
    if (const std::optional<int> quota = cgroup_quota_cpus()) cpus = std::min(cpus, *quota);
    return std::clamp(cpus, 1, kMaxThreads);
  }();
  return n;
}

int num_threads() {
  const int n = g_threads.load(std::memory_order_relaxed);
  return n > 0 ? n : default_num_threads();
}

void set_num_threads(int n) {
  g_threads.store(std::clamp(n, 1, kMaxThreads), std::memory_order_relaxed);
}

bool threads_are_awake() {
  const Pool* p = g_pool.load(std::memory_order_acquire);
  if (p == nullptr || t_in_task) return false;
  const int awake = p->workers.load(std::memory_order_relaxed) - p->sleeping.load(std::memory_order_relaxed);
  return awake >= num_threads() - 1;
}

void parallel_for(int64_t count, int64_t grain, RangeFn fn) {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  const int64_t grains = count / grain + (count % grain != 0);
  const int64_t threads = t_in_task ? 1 : std::min<int64_t>(num_threads(), grains);
  Pool* p = threads > 1 ? pool() : nullptr;
  if (p == nullptr) {
    fn(0, count);
    return;
  }
  const int64_t wanted = threads * kRangesPerThread;
  const int64_t step = (grains / wanted + (grains % wanted != 0)) * grain;
  const int64_t ranges = count / step + (count % step != 0);
  Job job{.count = count,
          .step = step,
          .fn = fn,
          .helpers = static_cast<int>(threads - 1),
          .part_count = std::min(threads, kMaxParts)};
  for (int64_t i = 0; i < job.part_count; i++) {
    Part& part = job.parts[static_cast<size_t>(i)];
    part.next.store(i * ranges / job.part_count, std::memory_order_relaxed);
    part.end = (i + 1) * ranges / job.part_count;
  }
  open(*p, job);
  take_ranges(job, 0);
  close(*p, job);
}

}  // namespace int8

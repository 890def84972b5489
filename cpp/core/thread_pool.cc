// The pool: callers publish jobs that live on their own stacks, by an invitation in each worker's seat; workers take
// ranges of a job from atomic counters, and leave. A caller works on its own job first, takes back what invitations are
// still there, and then waits only for workers that have come, so it never depends on a worker being awake, and any
// number of callers can share the workers.
//
// Between cores that are awake a job costs a few transfers of cache lines and no lock: the seat there, the job there,
// its counter of those who are done back.
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
#include <cstddef>
#include <cstdint>
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
// Looks at a job that is nearly done, a microsecond or two in all.
constexpr int kPatience = 30;
// Grains that are worth waking a thread.
constexpr int64_t kWakingGrains = 4;
// How long a worker looks for the next job, and a caller for its last worker, before it sleeps. A network's layers
// follow each other within microseconds; waking a sleeper costs about 50.
constexpr std::chrono::microseconds kSpin{100};

// Consecutive grains; on a cache line of its own.
struct alignas(64) Part {
  std::atomic<int64_t> next;  // first grain that nobody has taken
  int64_t end;
};
constexpr int64_t kMaxParts = 32;  // more threads share them

struct alignas(64) Job {
  // Leaves the storage as it is.
  Job(int64_t c, int64_t g, int64_t s, RangeFn f, int64_t p) : count(c), grain(g), step(s), fn(f), part_count(p) {}

  int64_t count;
  int64_t grain;
  int64_t step;  // grains that are taken at once
  RangeFn fn;
  int64_t part_count;
  alignas(64) std::atomic<int> done{0};  // workers that came and went; after counting, a worker does not touch the job
  alignas(64) std::array<std::byte, sizeof(Part) * kMaxParts> storage;  // the parts in use are constructed, no more

  Part* place(int64_t i) { return reinterpret_cast<Part*>(storage.data()) + i; }
  Part& part(int64_t i) { return *std::launder(place(i)); }
};

// A worker's seat: the address of the job that it is invited to, or 0, plus kBusy while it works on another.
struct alignas(64) Seat {
  std::atomic<uintptr_t> state{0};
  std::atomic<bool> asleep{false};
  std::mutex mutex;
  std::condition_variable wake;
};
constexpr uintptr_t kBusy = 1;

struct Pool {
  std::mutex mutex;
  std::condition_variable finished;  // some job's worker left
  int seated = 0;                    // workers that have begun
  std::atomic<int> workers{0};       // changed under the mutex
  std::atomic<int> sleeping{0};
  std::atomic<int> waiting{0};  // callers asleep until a worker leaves
  std::array<Seat, kMaxThreads> seats;
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
    Part& part = job.part((own + i) % job.part_count);
    while (part.next.load(std::memory_order_relaxed) < part.end) {
      const int64_t first = part.next.fetch_add(job.step, std::memory_order_relaxed);
      if (first >= part.end) break;
      job.fn(first * job.grain, std::min(std::min(first + job.step, part.end) * job.grain, job.count));
    }
  }
  t_in_task = false;
}

// Sleeps until there is an invitation. Of `asleep` and the invitation each side writes one and then reads the other, so
// one of them sees what it has to.
void sleep_in(Pool& p, Seat& seat) {
  std::unique_lock lock(seat.mutex);
  p.sleeping++;
  seat.asleep = true;
  seat.wake.wait(lock, [&] { return seat.state != 0; });
  seat.asleep = false;
  p.sleeping--;
}

// The next job that the seat's worker is invited to; null where there is none, and it is free.
Job* accept(Seat& seat) {
  uintptr_t state = seat.state;
  while (state != 0) {
    // Not an exchange: an invitation may be taken back meanwhile.
    if (state == kBusy) {
      if (seat.state.compare_exchange_weak(state, 0)) return nullptr;
    } else if (seat.state.compare_exchange_weak(state, kBusy)) {
      return reinterpret_cast<Job*>(state & ~kBusy);
    }
  }
  return nullptr;
}

void worker() {
  Pool& p = *g_pool.load(std::memory_order_acquire);
  const int64_t thread = [&] {
    const std::lock_guard lock(p.mutex);
    return ++p.seated;
  }();
  Seat& seat = p.seats[static_cast<size_t>(thread)];
  while (true) {
    const auto invited = [&] { return seat.state.load(std::memory_order_relaxed) != 0; };
    spin_until(invited);
    if (!invited()) sleep_in(p, seat);
    while (Job* job = accept(seat)) {
      take_ranges(*job, thread);
      job->done++;
      if (p.waiting > 0) {
        const std::lock_guard lock(p.mutex);
        p.finished.notify_all();
      }
    }
  }
}

// The seats that a job's invitations went to.
struct Invited {
  std::array<uint8_t, kMaxThreads> seats;
  int count = 0;
};

// Invites up to `helpers` workers, started as needed: first those that have nothing to do.
void invite(Pool& p, Job& job, int helpers, Invited& invited) {
  if (p.workers < helpers) {
    const std::lock_guard lock(p.mutex);
    while (p.workers < helpers && start_detached_thread(worker)) p.workers++;
  }
  const int workers = p.workers;
  const auto address = reinterpret_cast<uintptr_t>(&job);
  for (const uintptr_t busy : {uintptr_t{0}, kBusy}) {
    for (int i = 1; i <= workers && invited.count < helpers; i++) {
      Seat& seat = p.seats[static_cast<size_t>(i)];
      uintptr_t state = busy;
      if (!seat.state.compare_exchange_strong(state, address | busy)) continue;
      invited.seats[static_cast<size_t>(invited.count++)] = static_cast<uint8_t>(i);
      if (!seat.asleep) continue;
      { const std::lock_guard lock(seat.mutex); }
      seat.wake.notify_one();
    }
  }
}

// Waits for workers: a moment for all that were invited, as whoever is awake has come and is nearly done; then takes
// back the invitations that nobody has followed, and waits for those who have.
void finish(Pool& p, Job& job, const Invited& invited) {
  int came = invited.count;
  const auto done = [&] { return job.done.load(std::memory_order_acquire) == came; };
  for (int i = 0; i < kPatience; i++) {
    if (done()) return;
    pause_cpu();
  }
  const auto address = reinterpret_cast<uintptr_t>(&job);
  for (int i = 0; i < invited.count; i++) {
    std::atomic<uintptr_t>& state = p.seats[invited.seats[static_cast<size_t>(i)]].state;
    uintptr_t idle = address, busy = address | kBusy;
    if (state.compare_exchange_strong(idle, 0) || state.compare_exchange_strong(busy, kBusy)) came--;
  }
  spin_until(done);
  if (done()) return;
  std::unique_lock lock(p.mutex);
  p.waiting++;  // before `done` is read again, as a worker reads it after it has counted itself
  p.finished.wait(lock, [&] { return job.done == came; });
  p.waiting--;
}

int awake_workers() {
  const Pool* p = g_pool.load(std::memory_order_acquire);
  return p == nullptr ? 0 : p->workers.load(std::memory_order_relaxed) - p->sleeping.load(std::memory_order_relaxed);
}

void share_out(int64_t count, int64_t grain, int64_t threads, RangeFn fn) {
  if (count <= 0) return;
  Pool* p = threads > 1 && !t_in_task ? pool() : nullptr;
  if (p == nullptr) {
    fn(0, count);
    return;
  }
  const int64_t grains = count / grain + (count % grain != 0);
  const int64_t wanted = threads * kRangesPerThread;
  Job job(count, grain, grains / wanted + (grains % wanted != 0), fn, std::min(threads, kMaxParts));
  for (int64_t i = 0; i < job.part_count; i++) {
    new (job.place(i)) Part{.next = i * grains / job.part_count, .end = (i + 1) * grains / job.part_count};
  }
  Invited invited;
  invite(*p, job, static_cast<int>(threads - 1), invited);
  take_ranges(job, 0);
  finish(*p, job, invited);
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
  return !t_in_task && awake_workers() >= num_threads() - 1;
}

void parallel_for(int64_t count, int64_t grain, RangeFn fn) {
  grain = std::max<int64_t>(grain, 1);
  const int64_t grains = count / grain + (count % grain != 0);
  const int64_t worth = std::max(std::min<int64_t>(grains, 1 + awake_workers()), grains / kWakingGrains);
  share_out(count, grain, std::min<int64_t>(num_threads(), worth), fn);
}

void share_among_threads(int64_t count, RangeFn fn) {
  share_out(count, 1, std::min<int64_t>(num_threads(), count), fn);
}

}  // namespace int8

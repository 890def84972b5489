// Linux: affinity, threads without signals, fork.
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <cerrno>
#include <cstddef>

#include "core/process.h"
#include "int8/thread_pool.h"

namespace int8 {
std::optional<int> affinity_cpus() {
  // The kernel refuses a mask that is shorter than its own: grow until it fits.
  for (int cpus = 1024; cpus <= 1 << 20; cpus *= 2) {
    cpu_set_t* set = CPU_ALLOC(static_cast<size_t>(cpus));
    if (set == nullptr) return std::nullopt;
    const size_t bytes = CPU_ALLOC_SIZE(static_cast<size_t>(cpus));
    CPU_ZERO_S(bytes, set);
    const bool read = sched_getaffinity(0, bytes, set) == 0;
    const bool too_short = !read && errno == EINVAL;
    const int count = read ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (count > 0) return count;
    if (!too_short) return std::nullopt;
  }
  return std::nullopt;
}

bool start_detached_thread(void (*body)()) {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
#ifndef __GLIBC__
  pthread_attr_setstacksize(&attributes, size_t{1} << 20);  // musl's default is 128 KiB
#endif
  // The new thread inherits the mask: signals stay with the program's own threads.
  sigset_t all;
  sigset_t old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  pthread_t thread;
  const int error = pthread_create(
      &thread, &attributes,
      [](void* b) -> void* {
        reinterpret_cast<void (*)()>(b)();
        return nullptr;
      },
      reinterpret_cast<void*>(body));
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  pthread_attr_destroy(&attributes);
  return error == 0;
}

bool call_after_fork(void (*handler)()) {
  return pthread_atfork(nullptr, nullptr, handler) == 0;
}

}  // namespace int8

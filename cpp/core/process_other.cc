// Other systems: what the C++ library knows, and POSIX's signals and fork where there are any.
#include <system_error>
#include <thread>

#include "core/process.h"
#include "int8/thread_pool.h"

#ifndef _WIN32
#include <pthread.h>
#include <signal.h>
#endif

namespace int8 {
namespace {

// Blocks every signal while it lives; a thread that is started meanwhile inherits the mask.
class SignalsBlocked {
#ifndef _WIN32
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() {
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t before_;
#endif
};

}  // namespace

std::optional<int> affinity_cpus() {
  const unsigned n = std::thread::hardware_concurrency();
  if (n == 0) return std::nullopt;
  return static_cast<int>(n);
}

bool start_detached_thread(void (*body)()) {
  [[maybe_unused]] const SignalsBlocked blocked;
  try {
    std::thread(body).detach();
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

#ifdef _WIN32
bool call_after_fork(void (*)()) {
  return true;  // there is no fork
}
#else
bool call_after_fork(void (*handler)()) {
  return pthread_atfork(nullptr, nullptr, handler) == 0;
}
#endif

}  // namespace int8

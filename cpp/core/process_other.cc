// Other systems: what the C++ library knows.
#include <system_error>
#include <thread>

#include "core/process.h"

namespace int8 {

std::optional<int> affinity_cpus() {
  const unsigned n = std::thread::hardware_concurrency();
  if (n == 0) return std::nullopt;
  return static_cast<int>(n);
}

bool start_detached_thread(void (*body)()) {
  try {
    std::thread(body).detach();
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

bool call_after_fork(void (*)()) {
  return true;
}

}  // namespace int8

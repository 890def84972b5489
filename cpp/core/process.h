// What the thread pool asks of the operating system: process_<os>.cc, with start_detached_thread of thread_pool.h.
#pragma once

#include <optional>
#include <string>

namespace int8 {

// CPUs that this process may run on (its affinity mask); nothing if that cannot be read.
std::optional<int> affinity_cpus();

// The cgroup CPU quota of this process in CPUs, rounded up; nothing if there is no quota or it cannot be read.
// `root` stands before /proc and /sys (tests).
std::optional<int> cgroup_quota_cpus(const std::string& root = "");

// Has `handler` called in the child after each fork of this process. False if the system refuses.
bool call_after_fork(void (*handler)());

}  // namespace int8

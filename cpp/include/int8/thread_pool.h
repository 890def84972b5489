// One pool of threads per process, shared by every caller: main thread, worker threads, async runs.
#pragma once

#include <cstdint>
#include <type_traits>

namespace int8 {

// Threads that parallel_for uses, the calling one included. The default is what the process may use: CPU affinity,
// bounded by the cgroup v1/v2 quota rounded up; 1 where neither can be read.
int num_threads();
// 1 to 256. Takes effect at the next parallel_for.
void set_num_threads(int n);
int default_num_threads();

// Whether all of them are awake now, so that a parallel_for costs a microsecond or two instead of tens.
bool threads_are_awake();

// A non-owning reference to a callable (int64_t begin, int64_t end): no allocation, no std::function.
class RangeFn {
 public:
  template <class F>
  requires(!std::is_same_v<F, RangeFn>) RangeFn(F& f)  // not explicit: a parameter type
      : object_(&f), call_([](void* o, int64_t b, int64_t e) { (*static_cast<F*>(o))(b, e); }) {}
  void operator()(int64_t begin, int64_t end) const { call_(object_, begin, end); }

 private:
  void* object_;
  void (*call_)(void*, int64_t, int64_t);
};

// Calls fn on disjoint ranges that cover [0, count), each a multiple of `grain` long but the last of them, on up to
// num_threads() threads, each of them about the same part in every call; returns when all are done. The calling thread
// works too. A grain is what takes about 5 us: that is worth a thread that is awake, and four of them are worth waking
// one. May be called from several threads at once; called from inside a task, it runs on the calling thread alone.
// Results must not depend on the split.
void parallel_for(int64_t count, int64_t grain, RangeFn fn);

// The same among all threads, one by one, for who knows that it is worth it.
void share_among_threads(int64_t count, RangeFn fn);

// Starts a thread that nobody joins and that receives no signals: handlers run on the program's own threads. False if
// the system refuses.
bool start_detached_thread(void (*body)());

}  // namespace int8

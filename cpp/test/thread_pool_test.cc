// The thread pool: every range exactly once, whoever calls it, however many at once; also under ThreadSanitizer.
#include "int8/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace int8 {
namespace {

class ThreadPool : public testing::TestWithParam<int> {
 protected:
  void SetUp() override { set_num_threads(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Threads, ThreadPool, testing::Values(1, 2, 5, 16));

// Each index gets 1 added, without atomics: a range that ran twice or at once in two threads shows, or TSan sees it.
std::vector<int> visit(int64_t count, int64_t grain) {
  std::vector<int> seen(static_cast<size_t>(count));
  auto task = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) seen[static_cast<size_t>(i)]++;
  };
  parallel_for(count, grain, task);
  return seen;
}

TEST_P(ThreadPool, EveryIndexIsVisitedOnce) {
  for (int64_t count : {0, 1, 2, 3, 7, 16, 17, 100, 1001}) {
    for (int64_t grain : {1, 2, 7, 64, 5000}) {
      EXPECT_EQ(visit(count, grain), std::vector<int>(static_cast<size_t>(count), 1)) << count << ' ' << grain;
    }
  }
}

TEST_P(ThreadPool, RangesAreMultiplesOfTheGrainButTheLast) {
  std::atomic<bool> right{true};
  auto task = [&](int64_t begin, int64_t end) {
    if (begin % 12 != 0 || (end % 12 != 0 && end != 1000) || begin >= end) right = false;
  };
  parallel_for(1000, 12, task);
  EXPECT_TRUE(right);
}

TEST_P(ThreadPool, NestedCallsRunOnTheirOwnThread) {
  std::atomic<int64_t> sum{0};
  std::atomic<bool> same{true};
  auto outer = [&](int64_t begin, int64_t end) {
    const auto self = std::this_thread::get_id();
    for (int64_t i = begin; i < end; i++) {
      auto inner = [&](int64_t b, int64_t e) {
        sum += e - b;
        if (GetParam() > 1 && std::this_thread::get_id() != self) same = false;
      };
      parallel_for(10, 1, inner);
    }
  };
  parallel_for(64, 1, outer);
  EXPECT_EQ(sum, 640);
  EXPECT_TRUE(same);
}

TEST_P(ThreadPool, SeveralCallersAtOnceEachGetTheirOwnResult) {
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int c = 0; c < 6; c++) {
    callers.emplace_back([&wrong, c] {
      for (int i = 0; i < 60; i++) {
        const int64_t count = 50 + c * 13 + i;
        if (visit(count, 1) != std::vector<int>(static_cast<size_t>(count), 1)) wrong++;
      }
    });
  }
  for (std::thread& t : callers) t.join();
  EXPECT_EQ(wrong, 0);
}

TEST_P(ThreadPool, WritesOfTasksAreSeenByTheCaller) {
  for (int round = 0; round < 200; round++) {
    std::vector<int64_t> squares(64);
    auto task = [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) squares[static_cast<size_t>(i)] = i * i + round;
    };
    parallel_for(64, 1, task);
    for (int64_t i = 0; i < 64; i++) ASSERT_EQ(squares[static_cast<size_t>(i)], i * i + round);
  }
}

TEST_P(ThreadPool, SleepingWorkersWakeAgain) {
  for (int i = 0; i < 5; i++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    EXPECT_EQ(visit(100, 1), std::vector<int>(100, 1));
  }
}

TEST(ThreadPoolUse, WorkersTakePartInLongTasks) {
  set_num_threads(4);
  std::mutex mutex;
  std::set<std::thread::id> ids;
  auto task = [&](int64_t, int64_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const std::lock_guard lock(mutex);
    ids.insert(std::this_thread::get_id());
  };
  parallel_for(16, 1, task);
  EXPECT_GT(ids.size(), 1u);
  EXPECT_LE(ids.size(), 4u);
}

TEST(ThreadPoolUse, EachThreadBeginsWithItsOwnPart) {
  set_num_threads(2);
  // Both have begun before either goes on, so neither helps the other first.
  std::atomic<int> begun{0};
  std::mutex mutex;
  std::set<std::pair<std::thread::id, int64_t>> firsts;
  std::set<std::thread::id> seen;
  auto task = [&](int64_t begin, int64_t) {
    const auto self = std::this_thread::get_id();
    {
      const std::lock_guard lock(mutex);
      if (!seen.insert(self).second) return;
      firsts.insert({self, begin});
    }
    begun++;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (begun < 2 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  };
  const auto self = std::this_thread::get_id();
  for (int round = 0; round < 3; round++) {
    begun = 0;
    firsts.clear();
    seen.clear();
    parallel_for(80, 1, task);
    ASSERT_EQ(firsts.size(), 2u);
    for (const auto& [thread, begin] : firsts) EXPECT_EQ(begin, thread == self ? 0 : 40);
  }
}

// Whether threads are seen awake, or asleep, at all: on a busy machine it may be over before one can look again.
bool are_seen(bool awake) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (threads_are_awake() != awake) {
    if (std::chrono::steady_clock::now() > end) return false;
    if (awake) visit(100, 1);
    std::this_thread::yield();
  }
  return true;
}

TEST(ThreadPoolUse, ThreadsAreAwakeAfterAJobAndAsleepAfterAWhile) {
  set_num_threads(2);
  EXPECT_TRUE(are_seen(true));
  EXPECT_TRUE(are_seen(false));
  bool inside = true;
  auto task = [&](int64_t begin, int64_t) {
    if (begin == 0) inside = threads_are_awake();
  };
  parallel_for(100, 1, task);
  EXPECT_FALSE(inside);
}

// Waking a thread takes tens of microseconds: the caller takes its invitation back before, after, or just then.
TEST(ThreadPoolUse, WorkersSleepAgainAfterJobsThatWereOverWhenTheyWoke) {
  set_num_threads(2);
  for (int i = 0; i < 1500; i++) {
    ASSERT_TRUE(are_seen(false)) << i;
    auto task = [&](int64_t begin, int64_t) {
      const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(begin == 0 ? i % 100 : 0);
      while (std::chrono::steady_clock::now() < end) {
      }
    };
    share_among_threads(2, task);
  }
}

TEST(ThreadPoolUse, TheNumberOfThreadsIsKeptWithinItsLimits) {
  set_num_threads(3);
  EXPECT_EQ(num_threads(), 3);
  set_num_threads(0);
  EXPECT_EQ(num_threads(), 1);
  set_num_threads(100000);
  EXPECT_EQ(num_threads(), 256);
  set_num_threads(2);
}

// ThreadSanitizer does not follow a fork of a process with threads.
#ifndef __SANITIZE_THREAD__
TEST(ThreadPoolProcess, AForkedChildHasAPoolOfItsOwn) {
  set_num_threads(3);
  visit(100, 1);  // the parent's workers exist now
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(visit(500, 1) == std::vector<int>(500, 1) ? 0 : 1);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(visit(100, 1), std::vector<int>(100, 1));
}

TEST(ThreadPoolProcess, ExitWithWorkersBusyIsClean) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        set_num_threads(4);
        std::thread([] {
          auto task = [](int64_t, int64_t) { std::this_thread::sleep_for(std::chrono::seconds(20)); };
          parallel_for(16, 1, task);
        }).detach();
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        std::exit(7);
      },
      testing::ExitedWithCode(7), "");
}
#endif

}  // namespace
}  // namespace int8

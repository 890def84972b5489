// How many CPUs the process may use: control groups of both versions, with files missing or odd.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/process.h"
#include "int8/thread_pool.h"

namespace int8 {
namespace {

// An invented root directory.
class Cgroup : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "int8-cgroup-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  std::string root_;
};

TEST_F(Cgroup, NothingIsKnownWhereNoFileExists) {
  EXPECT_EQ(cgroup_quota_cpus(root_), std::nullopt);
}

TEST_F(Cgroup, AVersion2QuotaIsRoundedUp) {
  write("/proc/self/cgroup", "0::/app.slice/x\n");
  write("/sys/fs/cgroup/app.slice/x/cpu.max", "150000 100000\n");
  EXPECT_EQ(cgroup_quota_cpus(root_), 2);
}

TEST_F(Cgroup, AnAncestorsSmallerQuotaHolds) {
  write("/proc/self/cgroup", "0::/a/b/c\n");
  write("/sys/fs/cgroup/a/b/c/cpu.max", "800000 100000");
  write("/sys/fs/cgroup/a/b/cpu.max", "max 100000");
  write("/sys/fs/cgroup/a/cpu.max", "300000 100000");
  EXPECT_EQ(cgroup_quota_cpus(root_), 3);
}

TEST_F(Cgroup, TheMountsRootHoldsWhereAContainerHidesItsGroup) {
  write("/proc/self/cgroup", "0::/docker/0123\n");
  write("/sys/fs/cgroup/cpu.max", "50000 100000");
  EXPECT_EQ(cgroup_quota_cpus(root_), 1);
}

TEST_F(Cgroup, NoLimitIsNoQuota) {
  write("/proc/self/cgroup", "0::/\n");
  write("/sys/fs/cgroup/cpu.max", "max 100000\n");
  EXPECT_EQ(cgroup_quota_cpus(root_), std::nullopt);
}

TEST_F(Cgroup, AVersion1QuotaIsRead) {
  write("/proc/self/cgroup", "5:memory:/m\n4:cpuset:/s\n3:cpuacct,cpu:/g\n");
  write("/sys/fs/cgroup/cpu/g/cpu.cfs_quota_us", "250000\n");
  write("/sys/fs/cgroup/cpu/g/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cgroup_quota_cpus(root_), 3);
}

TEST_F(Cgroup, AVersion1QuotaOfMinusOneIsNone) {
  write("/proc/self/cgroup", "3:cpu,cpuacct:/\n");
  write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  write("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cgroup_quota_cpus(root_), std::nullopt);
}

TEST_F(Cgroup, OddFilesAreIgnored) {
  for (const char* lines : {"", "\n", ":::", "nonsense\n", "0::\n", "0:/\n::\n"}) {
    write("/proc/self/cgroup", lines);
    for (const char* limit :
         {"", "nan nan", "x y", "100000", "100000 0", "0 100000", "-5 -5", "1e999 1", "inf 100000"}) {
      write("/sys/fs/cgroup/cpu.max", limit);
      EXPECT_EQ(cgroup_quota_cpus(root_), std::nullopt) << lines << '|' << limit;
    }
  }
}

TEST_F(Cgroup, AHugeQuotaIsBounded) {
  write("/proc/self/cgroup", "0::/\n");
  write("/sys/fs/cgroup/cpu.max", "1e300 1");
  EXPECT_EQ(cgroup_quota_cpus(root_), 1 << 20);
}

TEST(Process, TheDefaultNumberOfThreadsIsWithinWhatTheProcessMayUse) {
  EXPECT_GE(default_num_threads(), 1);
  EXPECT_LE(default_num_threads(), affinity_cpus().value_or(1));
}

}  // namespace
}  // namespace int8

// CPU quota of the process's control groups, version 1 and 2. Every file may be missing, and every line may be odd.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "core/process.h"

namespace int8 {
namespace {

// At most 64 KiB; empty if the file cannot be read.
std::string read_file(const std::string& path) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "re"),
                                                   [](FILE* f) { return std::fclose(f); });
  std::string text;
  if (!file) return text;
  char buffer[4096];
  size_t n = 0;
  while (text.size() < 65536 && (n = std::fread(buffer, 1, sizeof buffer, file.get())) > 0) text.append(buffer, n);
  return text;
}

std::optional<double> number(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<double> ratio(std::optional<double> quota, std::optional<double> period) {
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
  return *quota / *period;
}

// "max 100000" or "150000 100000".
std::optional<double> quota_v2(const std::string& directory) {
  const std::string text = read_file(directory + "/cpu.max");
  const size_t space = text.find(' ');
  if (space == std::string::npos) return std::nullopt;
  return ratio(number(text.substr(0, space)), number(text.substr(space + 1)));
}

std::optional<double> quota_v1(const std::string& directory) {
  return ratio(number(read_file(directory + "/cpu.cfs_quota_us")), number(read_file(directory + "/cpu.cfs_period_us")));
}

// The smallest quota of a group and its ancestors. In a container the path may name a group that is not visible; then
// the mount's own root holds the limit, and the walk ends there.
std::optional<double> smallest(const std::string& mount, std::string group,
                               std::optional<double> (*quota)(const std::string&)) {
  std::optional<double> least;
  while (true) {
    const std::optional<double> q = quota(mount + group);
    if (q && (!least || *q < *least)) least = q;
    const size_t slash = group.rfind('/');
    if (slash == std::string::npos) return least;
    group.resize(slash);
  }
}

bool has_controller(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    if (list.substr(0, comma) == name) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
  return false;
}

}  // namespace

std::optional<int> cgroup_quota_cpus(const std::string& root) {
  // Lines "id:controllers:/path"; version 2 has id 0 and no controllers.
  const std::string groups = read_file(root + "/proc/self/cgroup");
  std::optional<double> least;
  const auto take = [&least](std::optional<double> q) {
    if (q && (!least || *q < *least)) least = q;
  };
  std::string_view rest = groups;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    const size_t first = line.find(':');
    const size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    std::string group(line.substr(second + 1));
    if (group == "/") group.clear();
    if (controllers.empty()) {
      take(smallest(root + "/sys/fs/cgroup", group, quota_v2));
    } else if (has_controller(controllers, "cpu")) {
      take(smallest(root + "/sys/fs/cgroup/cpu", group, quota_v1));
    }
  }
  if (!least) return std::nullopt;
  return static_cast<int>(std::ceil(std::fmin(*least, 1 << 20)));
}

}  // namespace int8

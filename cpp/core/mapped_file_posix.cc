// Files mapped into memory, where the system is POSIX.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <new>

#include "int8/mapped_file.h"

namespace int8 {

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path) noexcept {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return nullptr;
  // Its end, not fstat: glibc has that under a new version, and the addon loads on old ones.
  const off_t end = ::lseek(file, 0, SEEK_END);
  const size_t size = end > 0 ? static_cast<size_t>(end) : 0;
  void* data = size > 0 ? ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0) : MAP_FAILED;
  ::close(file);
  if (data == MAP_FAILED) return nullptr;
  try {
    return std::make_shared<const MappedFile>(static_cast<uint8_t*>(data), size);
  } catch (const std::bad_alloc&) {
    ::munmap(data, size);
    return nullptr;
  }
}

MappedFile::~MappedFile() {
  ::munmap(data_, size_);
}

}  // namespace int8

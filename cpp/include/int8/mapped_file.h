// Files mapped into memory.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace int8 {

// A file's bytes. What is written to them changes neither the file nor another mapping. A file that is cut off while it
// is mapped takes its memory away: files are to be replaced, not written to.
class MappedFile {
 public:
  // Null where the file cannot be opened, is empty, or the system does not map files.
  static std::shared_ptr<const MappedFile> open(const std::string& path) noexcept;

  MappedFile(uint8_t* data, size_t size) : data_(data), size_(size) {}
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  // Aligned to a page.
  std::span<uint8_t> bytes() const { return {data_, size_}; }

 private:
  uint8_t* data_;
  size_t size_;
};

}  // namespace int8

// The loop whose speed is the roof of kernels that stream: as many bytes read and written as a kernel reads and writes,
// and nothing else. Compiled with the registers that every CPU has (stream.cc) and with those of AVX-512; internal to
// either file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace int8::bench {

// With the registers of AVX-512, where the CPU has them (stream_avx512vnni.cc).
void stream_avx512vnni(const uint8_t* x, size_t read, uint8_t* y, size_t written);

namespace {

typedef uint64_t Line __attribute__((vector_size(64)));  // a cache line: the compiler cuts it to its registers

inline void read_line(const uint8_t* p, Line& seen) {
  Line line;
  std::memcpy(&line, p, sizeof line);
  seen |= line;
}

// Reads whole lines of x and writes whole lines of y, in turns of a page, so that both run through memory together.
void stream_lines(const uint8_t* x, size_t read, uint8_t* y, size_t written) {
  constexpr size_t kLine = sizeof(Line), kPage = 4096;
  const size_t turns = (read > written ? read : written) / kPage + 1;
  Line a{}, b{}, c{}, d{};
  for (size_t t = 0, r = 0, w = 0; t < turns; t++) {
    const size_t r_end = read / kLine * (t + 1) / turns * kLine, w_end = written / kLine * (t + 1) / turns * kLine;
    for (; r + 4 * kLine <= r_end; r += 4 * kLine) {
      read_line(x + r, a);
      read_line(x + r + kLine, b);
      read_line(x + r + 2 * kLine, c);
      read_line(x + r + 3 * kLine, d);
    }
    for (; r < r_end; r += kLine) read_line(x + r, a);
    const Line all = a | b | c | d;
    for (; w < w_end; w += kLine) std::memcpy(y + w, &all, kLine);
  }
}

}  // namespace
}  // namespace int8::bench

#include "stream_loop.h"

namespace int8::bench {

void stream_avx512vnni(const uint8_t* x, size_t read, uint8_t* y, size_t written) {
  stream_lines(x, read, y, written);
}

}  // namespace int8::bench

#include "roof.h"

namespace int8::bench {

double roof_macs_per_second() {
  return 0;
}

}  // namespace int8::bench

// What one core can do at most.
#pragma once

namespace int8::bench {

// Multiply-adds per second of a loop of independent vpdpbusd on zmm registers, run once, for about 0.1 ms; 0 where the
// CPU lacks them.
double roof_macs_per_second();

}  // namespace int8::bench

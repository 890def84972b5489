// The portable kernel in use: 16 channels at a time.
#include "conv/depthwise_portable.h"

namespace int8 {

const DepthwiseRow depthwise::kPortable = portable_depthwise_row<16>();

}  // namespace int8

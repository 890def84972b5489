// What ends the process where an exception is not caught: no code of the addon lets one out. libstdc++'s own handler
// would write the name of its type in clear, and bring 40 KB of demangler into every statically linked binary for it;
// in this one's place it is not linked at all. Only in builds with GCC.
#include <cxxabi.h>

#include <cstdio>
#include <cstdlib>
#include <typeinfo>

namespace __gnu_cxx {

void __verbose_terminate_handler() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  std::fprintf(stderr, "int8: ended by an exception of type %s\n", type == nullptr ? "unknown" : type->name());
  std::abort();
}

}  // namespace __gnu_cxx

// What ends the process where an exception is not caught: no code of the addon lets one out. The handlers of static C++
// libraries write the name of its type in clear, and bring a demangler of 40 to 140 KB for it; with what
// stands here in their place it is not linked at all. Only in builds with GCC, and with Zig's clang.
#include <cxxabi.h>

#include <cstdio>
#include <cstdlib>
#include <typeinfo>

#if defined(_LIBCPP_VERSION)

// libc++'s handler writes the name as it is where it cannot be told in clear.
extern "C" char* __cxa_demangle(const char*, char*, size_t*, int* status) {
  if (status != nullptr) *status = -1;
  return nullptr;
}

#else

namespace __gnu_cxx {

void __verbose_terminate_handler() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  std::fprintf(stderr, "int8: ended by an exception of type %s\n", type == nullptr ? "unknown" : type->name());
  std::abort();
}

}  // namespace __gnu_cxx

#endif

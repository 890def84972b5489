// Keeps the addon loadable on glibc 2.28 although it is linked on a newer one.
// Only for a glibc Linux build with -static-libstdc++: every reference, libstdc++.a's own included, is routed
// through -Wl,--wrap to the oldest version of the symbol.
#if defined(__linux__)
#include <pthread.h>
#if defined(__x86_64__)
#define INT8_GLIBC_BASE "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define INT8_GLIBC_BASE "GLIBC_2.17"
#endif
extern "C" {
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;  // GLIBC_2.32
int int8_pthread_create(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
int int8_pthread_join(pthread_t, void**);
int int8_pthread_once(pthread_once_t*, void (*)());
int int8_pthread_key_create(pthread_key_t*, void (*)(void*));
__asm__(".symver int8_pthread_create, pthread_create@" INT8_GLIBC_BASE);
__asm__(".symver int8_pthread_join, pthread_join@" INT8_GLIBC_BASE);
__asm__(".symver int8_pthread_once, pthread_once@" INT8_GLIBC_BASE);
__asm__(".symver int8_pthread_key_create, __pthread_key_create@" INT8_GLIBC_BASE);
int __wrap_pthread_create(pthread_t* t, const pthread_attr_t* a, void* (*f)(void*), void* p) {
  return int8_pthread_create(t, a, f, p);
}
int __wrap_pthread_join(pthread_t t, void** r) {
  return int8_pthread_join(t, r);
}
int __wrap_pthread_once(pthread_once_t* o, void (*f)()) {
  return int8_pthread_once(o, f);
}
int __wrap___pthread_key_create(pthread_key_t* k, void (*f)(void*)) {
  return int8_pthread_key_create(k, f);
}
}
#endif

// Keeps the addon loadable on glibc 2.28 although it is linked on a newer one. Only in a glibc build with
// -static-libstdc++ and -static-libgcc: the linker's --wrap routes every reference, those inside libstdc++.a too, to
// the oldest version of the symbol that glibc still has.
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>

#if defined(__x86_64__)
#define INT8_GLIBC_BASE "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define INT8_GLIBC_BASE "GLIBC_2.17"
#endif

extern "C" {

// GLIBC_2.32; libstdc++ skips atomics of reference counts where it is not 0.
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;

int int8_pthread_create(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
int int8_pthread_detach(pthread_t);
int int8_pthread_join(pthread_t, void**);
int int8_pthread_once(pthread_once_t*, void (*)());
int int8_pthread_sigmask(int, const sigset_t*, sigset_t*);
int int8_pthread_key_create(pthread_key_t*, void (*)(void*));
__asm__(".symver int8_pthread_create, pthread_create@" INT8_GLIBC_BASE);
__asm__(".symver int8_pthread_detach, pthread_detach@" INT8_GLIBC_BASE);
__asm__(".symver int8_pthread_join, pthread_join@" INT8_GLIBC_BASE);
__asm__(".symver int8_pthread_once, pthread_once@" INT8_GLIBC_BASE);
__asm__(".symver int8_pthread_sigmask, pthread_sigmask@" INT8_GLIBC_BASE);
__asm__(".symver int8_pthread_key_create, __pthread_key_create@" INT8_GLIBC_BASE);

int __wrap_pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*), void* argument) {
  return int8_pthread_create(thread, attributes, start, argument);
}
int __wrap_pthread_detach(pthread_t thread) {
  return int8_pthread_detach(thread);
}
int __wrap_pthread_join(pthread_t thread, void** result) {
  return int8_pthread_join(thread, result);
}
int __wrap_pthread_once(pthread_once_t* control, void (*routine)()) {
  return int8_pthread_once(control, routine);
}
int __wrap_pthread_sigmask(int how, const sigset_t* set, sigset_t* old) {
  return int8_pthread_sigmask(how, set, old);
}
int __wrap___pthread_key_create(pthread_key_t* key, void (*destructor)(void*)) {
  return int8_pthread_key_create(key, destructor);
}

#ifdef DLFO_STRUCT_HAS_EH_DBASE
// GLIBC_2.35; libgcc's unwinder asks it where the unwind table of an address lies. Read from the program headers, as
// the unwinder itself does on an older glibc.
int __wrap__dl_find_object(void* address, dl_find_object* result) {
  struct Search {
    ElfW(Addr) address;
    dl_find_object* result;
  } search{reinterpret_cast<ElfW(Addr)>(address), result};
  const auto visit = [](dl_phdr_info* object, size_t, void* context) -> int {
    const Search& wanted = *static_cast<Search*>(context);
    bool inside = false;
    void* table = nullptr;
    for (int i = 0; i < object->dlpi_phnum; i++) {
      const ElfW(Phdr)& header = object->dlpi_phdr[i];
      const ElfW(Addr) start = object->dlpi_addr + header.p_vaddr;
      if (header.p_type == PT_GNU_EH_FRAME) table = reinterpret_cast<void*>(start);
      if (header.p_type == PT_LOAD && wanted.address - start < header.p_memsz) {
        inside = true;
        *wanted.result = {};
        wanted.result->dlfo_map_start = reinterpret_cast<void*>(start);
        wanted.result->dlfo_map_end = reinterpret_cast<void*>(start + header.p_memsz);
      }
    }
    if (!inside || table == nullptr) return 0;
    wanted.result->dlfo_eh_frame = table;
    return 1;
  };
  return dl_iterate_phdr(visit, &search) == 1 ? 0 : -1;
}
#endif

}  // extern "C"

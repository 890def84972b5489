// What glibc's libstdc++ and libgcc want of glibc, for a program built for musl that needs them (Bun: npm carries it
// without them, and no Node for musl). Enough to run tests by, no more. See scripts/musl.mjs.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <locale.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct {
  unsigned vendor, type, subtype, features[1];
} __cpu_model;
int __cpu_indicator_init(void) {
  return 0;
}
char __libc_single_threaded = 0;
// Destructors of thread-local variables are not run.
int __cxa_thread_atexit_impl(void (*destructor)(void*), void* object, void* dso) {
  (void)destructor, (void)object, (void)dso;
  return 0;
}
size_t __strftime_l(char* out, size_t size, const char* format, const struct tm* time, locale_t locale) {
  return strftime_l(out, size, format, time, locale);
}
uint32_t arc4random(void) {
  uint32_t value = 0;
  syscall(SYS_getrandom, &value, sizeof(value), 0);
  return value;
}

// Where the unwinder finds the tables of the code at an address.
struct query {
  uintptr_t address;
  struct dl_find_object* out;
};
static int visit(struct dl_phdr_info* info, size_t size, void* data) {
  (void)size;
  struct query* query = data;
  int inside = 0;
  void* tables = NULL;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr)* header = &info->dlpi_phdr[i];
    const uintptr_t start = info->dlpi_addr + header->p_vaddr;
    if (header->p_type == PT_GNU_EH_FRAME) tables = (void*)start;
    if (header->p_type != PT_LOAD || query->address - start >= header->p_memsz) continue;
    inside = 1;
    query->out->dlfo_map_start = (void*)start;
    query->out->dlfo_map_end = (void*)(start + header->p_memsz);
  }
  if (!inside || tables == NULL) return 0;
  query->out->dlfo_flags = 0;
  query->out->dlfo_link_map = NULL;
  query->out->dlfo_eh_frame = tables;
  return 1;
}
int _dl_find_object(void* address, struct dl_find_object* out) {
  struct query query = {(uintptr_t)address, out};
  return dl_iterate_phdr(visit, &query) == 1 ? 0 : -1;
}

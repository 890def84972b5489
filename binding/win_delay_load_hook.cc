// MinGW build only (MSVC builds take cmake-js's own): resolves the delay-loaded imports of node.exe in the running
// process.
// clang-format off
#include <windows.h>
#include <delayimp.h>  // needs the former's types
// clang-format on

#include <cstring>

static FARPROC WINAPI hook(unsigned event, PDelayLoadInfo info) {
  if (event == dliNotePreLoadLibrary && _stricmp(info->szDll, "node.exe") == 0)
    return reinterpret_cast<FARPROC>(GetModuleHandleA(nullptr));
  return nullptr;
}
extern "C" {
PfnDliHook __pfnDliNotifyHook2 = hook;
}

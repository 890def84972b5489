// MinGW build only (MSVC builds take cmake-js's own): resolves the delay-loaded imports of node.exe in the running
// process.
//
// The stub through which the first call of such an import goes keeps the integer registers alone while it resolves the
// import (dlltool of binutils 2.40). napi_create_double is the function of Node-API that takes a float64: it is
// resolved when the addon is loaded.
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
extern FARPROC __imp_napi_create_double;  // the import's place in the table
}

[[maybe_unused]] static const bool resolved = [] {
  __imp_napi_create_double = GetProcAddress(GetModuleHandleA(nullptr), "napi_create_double");
  return true;
}();

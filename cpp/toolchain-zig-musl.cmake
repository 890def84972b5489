# Linux with musl, by Zig's C++ compiler: INT8_ZIG is the program, INT8_ZIG_TARGET <cpu>-linux-musl. Both are taken from
# the environment, because CMake reads this file again for each of its trial builds.
set(CMAKE_SYSTEM_NAME Linux)
string(REGEX MATCH "^[^-]+" CMAKE_SYSTEM_PROCESSOR "$ENV{INT8_ZIG_TARGET}")
set(CMAKE_CXX_COMPILER "$ENV{INT8_ZIG}" c++ -target $ENV{INT8_ZIG_TARGET})
set(CMAKE_CXX_ARCHIVE_CREATE "$ENV{INT8_ZIG} ar qc <TARGET> <OBJECTS>")
set(CMAKE_CXX_ARCHIVE_FINISH "$ENV{INT8_ZIG} ranlib <TARGET>")

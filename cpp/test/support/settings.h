// Runs a check under every instruction set and number of threads, and restores the settings.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "int8/cpu.h"
#include "int8/thread_pool.h"

namespace int8 {

template <class Fn>
void for_threads(Fn fn) {
  for (const int threads : {1, 2, 5}) {
    SCOPED_TRACE(std::to_string(threads) + " threads");
    set_num_threads(threads);
    fn();
  }
  set_num_threads(default_num_threads());
}

template <class Fn>
void for_isas_and_threads(Fn fn) {
  for (const Isa isa : supported_isas()) {
    SCOPED_TRACE(std::string(isa_name(isa)));
    ASSERT_TRUE(set_active_isa(isa));
    for_threads(fn);
  }
  ASSERT_TRUE(set_active_isa(supported_isas().front()));
}

}  // namespace int8

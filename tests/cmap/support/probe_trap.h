#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::cmap::testing {

/// A tracepoint as the program's own file describes it (its note in .note.stapsdt).
struct ProbeNote {
  std::string name;
  std::uintptr_t location = 0;   ///< of its nop, in this process
  std::uintptr_t semaphore = 0;  ///< in this process
  std::vector<std::string> arguments = {};
};
/// All of provider "podkeeper" in this program.
const std::vector<ProbeNote>& probe_notes();

/// One time that a tracepoint was passed, with its arguments as a tracer reads them.
struct Firing {
  std::string name;
  std::vector<std::uint64_t> arguments = {};
  std::vector<std::string> texts = {};  ///< of those arguments that are text; else empty
  std::string key = {};                 ///< of find, put, erase: its first 63 bytes
};

/// What `body` fires on any thread, in the order of its passing; the texts' owners outlive it.
/// Works as the kernel does: counts the semaphores of the tracepoints named up and puts a
/// breakpoint in place of each nop; x86-64 only. Not from two threads at a time.
std::vector<Firing> watch(const std::vector<std::string_view>& names,
                          const std::function<void()>& body);

}  // namespace podkeeper::cmap::testing

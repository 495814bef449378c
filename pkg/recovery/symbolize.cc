#include "pkg/recovery/panic_report.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cxxabi.h>
#include <dlfcn.h>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The compiler's own reader of debug information, where CMake found it.
#ifdef PK_BACKTRACE_HEADER
#include PK_BACKTRACE_HEADER
#endif

namespace podkeeper::recovery {
namespace {

std::string demangled(const char* name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(name, nullptr, nullptr, &status), &std::free);
  return status == 0 ? text.get() : name;
}

/// The path within the tree for files of ours, whatever folder they were built in.
std::string_view within_tree(std::string_view file) {
  for (const std::string_view folder : {"/pkg/", "/daemon/", "/tests/"}) {
    const auto at = file.rfind(folder);
    if (at != std::string_view::npos) return file.substr(at + 1);
  }
  return file;
}

/// One function at an address; there are several where functions were inlined.
struct Place {
  std::string function;
  std::string file;
  int line = 0;
};

#ifdef PK_BACKTRACE_HEADER

void ignore_error(void*, const char*, int) {}

/// Called once a function, the innermost inlined one first.
int take_place(void* data, std::uintptr_t, const char* file, int line, const char* function) {
  if (file == nullptr && function == nullptr) return 0;
  static_cast<std::vector<Place>*>(data)->push_back(
      {function == nullptr ? "" : demangled(function), file == nullptr ? "" : file, line});
  return 0;
}

void take_symbol(void* data, std::uintptr_t, const char* name, std::uintptr_t, std::uintptr_t) {
  if (name != nullptr) *static_cast<std::string*>(data) = demangled(name);
}

/// Debug information of this process; read on first use, kept for ever (the library has no way to
/// free it).
backtrace_state* debug_information() {
  static backtrace_state* const state = backtrace_create_state(nullptr, 1, &ignore_error, nullptr);
  return state;
}

/// Innermost first. The outermost has the symbol table's name, which says namespace and parameters
/// too.
std::vector<Place> find_places(std::uintptr_t address) {
  std::vector<Place> places;
  if (debug_information() == nullptr) return places;
  backtrace_pcinfo(debug_information(), address, &take_place, &ignore_error, &places);
  std::string symbol;
  backtrace_syminfo(debug_information(), address, &take_symbol, &ignore_error, &symbol);
  if (places.empty()) places.emplace_back();
  if (!symbol.empty()) places.back().function = std::move(symbol);
  return places;
}

#else

std::vector<Place> find_places(std::uintptr_t) { return {}; }

#endif

std::string hex(std::uintptr_t address) {
  char text[2 + 16 + 1];
  std::snprintf(text, sizeof text, "0x%zx", static_cast<std::size_t>(address));
  return text;
}

std::string symbolize_one(void* return_address) {
  // One byte back lies inside the call; the return address may belong to the next line or function.
  const auto address = reinterpret_cast<std::uintptr_t>(return_address) - 1;
  Dl_info info{};
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  const bool known = dladdr(reinterpret_cast<void*>(address), &info) != 0;
  auto places = find_places(address);
  if (places.empty()) places.emplace_back();
  if (places.back().function.empty()) {
    const bool named = known && info.dli_sname != nullptr;
    places.back().function = named ? demangled(info.dli_sname) : hex(address + 1);
  }
  std::string text;
  for (const Place& place : places) {
    if (!text.empty()) text += ", inlined into ";
    text += place.function;
    if (place.file.empty()) continue;
    text += " at ";
    text += within_tree(place.file);
    text += ":" + std::to_string(place.line);
  }
  const bool lineless = places.back().file.empty();
  if (lineless && known && info.dli_fname != nullptr) text += std::string(" in ") + info.dli_fname;
  return text;
}

}  // namespace

std::vector<std::string> symbolize(const std::vector<void*>& stack) {
  std::vector<std::string> frames;
  frames.reserve(stack.size());
  for (void* return_address : stack) frames.push_back(symbolize_one(return_address));
  return frames;
}

}  // namespace podkeeper::recovery

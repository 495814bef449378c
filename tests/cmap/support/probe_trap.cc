#include "tests/cmap/support/probe_trap.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <link.h>
#include <sstream>
#include <stdexcept>
#include <ucontext.h>
#include <unistd.h>

namespace podkeeper::cmap::testing {
namespace {

template <class T>
T read_at(const std::string& file, std::size_t offset) {
  T value{};
  std::memcpy(&value, file.substr(offset, sizeof value).data(), sizeof value);
  return value;
}

/// The contents of the section of that name in an ELF file; empty when it has none.
std::string section(const std::string& file, std::string_view name) {
  const auto head = read_at<Elf64_Ehdr>(file, 0);
  const auto header = [&](std::size_t i) {
    return read_at<Elf64_Shdr>(file, head.e_shoff + i * head.e_shentsize);
  };
  const auto names = header(head.e_shstrndx);
  for (std::size_t i = 0; i < head.e_shnum; ++i) {
    const auto one = header(i);
    if (name == file.c_str() + names.sh_offset + one.sh_name) {
      return file.substr(one.sh_offset, one.sh_size);
    }
  }
  return {};
}

/// Where this program lies, against the addresses in its file.
std::uintptr_t load_bias() {
  std::uintptr_t bias = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* out) {
        *static_cast<std::uintptr_t*>(out) = info->dlpi_addr;
        return 1;  // the program itself comes first
      },
      &bias);
  return bias;
}

std::vector<ProbeNote> read_notes() {
  std::ifstream stream("/proc/self/exe", std::ios::binary);
  const std::string file{std::istreambuf_iterator<char>(stream), {}};
  const std::string notes = section(file, ".note.stapsdt");
  const std::uintptr_t bias = load_bias();
  const auto round = [](std::size_t bytes) { return (bytes + 3) & ~std::size_t{3}; };
  std::vector<ProbeNote> found;
  for (std::size_t at = 0; at < notes.size();) {
    const auto head = read_at<Elf64_Nhdr>(notes, at);
    const std::size_t body = at + sizeof head + round(head.n_namesz);
    const char* texts = notes.c_str() + body + 3 * sizeof(std::uint64_t);
    const std::string provider = texts;
    const std::string name = texts + provider.size() + 1;
    std::istringstream arguments(texts + provider.size() + name.size() + 2);
    if (provider == "podkeeper") {
      found.push_back({.name = name,
                       .location = bias + read_at<std::uint64_t>(notes, body),
                       .semaphore = bias + read_at<std::uint64_t>(notes, body + 16),
                       .arguments = {std::istream_iterator<std::string>(arguments), {}}});
    }
    at = body + round(head.n_descsz);
  }
  return found;
}

/// Where an argument is when its tracepoint is passed.
struct Operand {
  int machine_register = -1;  ///< an index of gregs; -1: the value is `number`
  std::uint64_t number = 0;
  std::uint64_t mask = ~std::uint64_t{0};  ///< by its size

  [[nodiscard]] std::uint64_t value(const mcontext_t& machine) const {
    if (machine_register < 0) return number & mask;
    return static_cast<std::uint64_t>(machine.gregs[machine_register]) & mask;
  }
};

/// By one of its names: "%rdi", "%edi", "%dil", "%r8d".
int register_of(std::string_view name) {
  struct Register {
    std::string_view stem;
    int index;
  };
  static constexpr std::array<Register, 7> kOld = {{{"ax", REG_RAX},
                                                    {"bx", REG_RBX},
                                                    {"cx", REG_RCX},
                                                    {"dx", REG_RDX},
                                                    {"si", REG_RSI},
                                                    {"di", REG_RDI},
                                                    {"bp", REG_RBP}}};
  static constexpr std::array<int, 8> kNew = {REG_R8,  REG_R9,  REG_R10, REG_R11,
                                              REG_R12, REG_R13, REG_R14, REG_R15};
  name.remove_prefix(1);
  if (const auto digit = name.find_first_of("0123456789"); digit != std::string_view::npos) {
    return kNew.at(static_cast<std::size_t>(std::stoi(std::string(name.substr(digit))) - 8));
  }
  for (const Register& one : kOld) {
    const std::string low = {one.stem.front(), 'l'};
    if (name.find(one.stem) != std::string_view::npos || name == low) return one.index;
  }
  throw std::runtime_error("no register " + std::string(name));
}

/// "8@%rdi", "4@%r13d", "-4@$7".
Operand operand_of(const std::string& spec) {
  Operand operand;
  const int bytes = std::abs(std::stoi(spec));
  if (bytes < 8) operand.mask = (std::uint64_t{1} << (8 * bytes)) - 1;
  const std::string where = spec.substr(spec.find('@') + 1);
  if (where.front() == '$') {
    operand.number = static_cast<std::uint64_t>(std::stoll(where.substr(1)));
  } else {
    operand.machine_register = register_of(where);
  }
  return operand;
}

constexpr std::string_view kKeyed = "TT...T";

/// Which arguments of a tracepoint are text.
std::string_view texts_of(std::string_view name) {
  if (name == "grow") return "TT...";
  if (name == "migrate") return "TTTT..";
  if (name == "iterate_begin") return "TT.";
  if (name == "iterate_end") return "TTT";
  return kKeyed;
}

/// A tracepoint as the handler knows it; what it takes down of one. Neither needs memory to be
/// allocated, which a signal's handler must not do.
struct Trap {
  const ProbeNote* note = nullptr;
  bool keyed = false;
  std::vector<Operand> operands = {};
};
struct Taken {
  const Trap* trap = nullptr;
  std::array<std::uint64_t, 6> arguments{};
  std::array<char, 64> key{};
};
constexpr std::size_t kTakenMax = 16'384;

std::vector<Trap> traps;
std::vector<Taken> taken;
std::atomic<std::size_t> taken_count{0};

void on_trap(int, siginfo_t*, void* context) {
  const mcontext_t& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
  const auto after = static_cast<std::uintptr_t>(machine.gregs[REG_RIP]);
  for (const Trap& trap : traps) {
    if (trap.note->location + 1 != after) continue;
    const std::size_t index = taken_count.fetch_add(1);
    if (index >= kTakenMax) return;
    Taken& one = taken[index];
    one.trap = &trap;
    for (std::size_t i = 0; i < trap.operands.size(); ++i) {
      one.arguments[i] = trap.operands[i].value(machine);
    }
    if (!trap.keyed || one.arguments[2] == 0) return;
    // The key's bytes may be gone after the operation.
    const auto bytes = std::min<std::size_t>(one.arguments[3], one.key.size() - 1);
    std::memcpy(one.key.data(), reinterpret_cast<const void*>(one.arguments[2]), bytes);
  }
}

Firing firing_of(const Taken& one) {
  const ProbeNote& note = *one.trap->note;
  Firing firing{.name = note.name};
  for (std::size_t i = 0; i < one.trap->operands.size(); ++i) {
    const bool text = texts_of(note.name)[i] == 'T';
    firing.arguments.push_back(one.arguments[i]);
    firing.texts.emplace_back(text ? reinterpret_cast<const char*>(one.arguments[i]) : "");
  }
  if (one.trap->keyed) firing.key = one.key.data();
  return firing;
}

/// By the file, as a debugger does: the pages of code stay protected, and ThreadSanitizer, which
/// has no shadow of them, sees no write.
void write_code(std::uintptr_t location, std::uint8_t instruction) {
  const int memory = open("/proc/self/mem", O_WRONLY | O_CLOEXEC);
  const ssize_t written =
      memory < 0 ? -1 : pwrite(memory, &instruction, 1, static_cast<off_t>(location));
  if (memory >= 0) close(memory);
  if (written != 1) throw std::runtime_error("this process may not change its code");
}

/// Counts the semaphore up or down as the kernel does; volatile, as the program reads it.
void count_semaphore(const ProbeNote& note, int by) {
  auto* semaphore = reinterpret_cast<volatile std::uint16_t*>(note.semaphore);
  *semaphore = static_cast<std::uint16_t>(*semaphore + by);
}

constexpr std::uint8_t kNop = 0x90;
constexpr std::uint8_t kBreakpoint = 0xcc;

}  // namespace

const std::vector<ProbeNote>& probe_notes() {
  static const std::vector<ProbeNote> notes = read_notes();
  return notes;
}

std::vector<Firing> watch(const std::vector<std::string_view>& names,
                          const std::function<void()>& body) {
  traps.clear();
  for (const ProbeNote& note : probe_notes()) {
    if (std::ranges::find(names, note.name) == names.end()) continue;
    traps.push_back({.note = &note, .keyed = texts_of(note.name) == kKeyed});
    for (const std::string& spec : note.arguments) {
      traps.back().operands.push_back(operand_of(spec));
    }
  }
  taken.assign(kTakenMax, {});
  taken_count = 0;

  struct sigaction action{};
  struct sigaction before{};
  action.sa_sigaction = on_trap;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGTRAP, &action, &before);
  const auto arm = [](int by, std::uint8_t instruction) {
    for (const Trap& trap : traps) {
      write_code(trap.note->location, instruction);
      count_semaphore(*trap.note, by);
    }
  };
  arm(1, kBreakpoint);
  body();
  arm(-1, kNop);
  sigaction(SIGTRAP, &before, nullptr);

  const std::size_t count = taken_count;
  if (count > kTakenMax) throw std::runtime_error("more firings than there is memory for");
  std::vector<Firing> firings;
  for (std::size_t i = 0; i < count; ++i) firings.push_back(firing_of(taken[i]));
  return firings;
}

}  // namespace podkeeper::cmap::testing

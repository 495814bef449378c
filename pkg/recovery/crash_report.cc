#include "pkg/recovery/crash_report.h"

#include "pkg/base/task_context.h"
#include "pkg/recovery/unwind.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <cxxabi.h>
#include <elf.h>
#include <exception>
#include <link.h>
#include <memory>
#include <span>
#include <string>
#include <sys/mman.h>
#include <typeinfo>
#include <ucontext.h>
#include <unistd.h>

namespace podkeeper::recovery {
namespace {

constexpr std::size_t kCrashStackBytes = 64 * 1024;

/// Where this executable lies in memory.
struct Executable {
  std::uintptr_t base = 0, end = 0;
  std::array<char, 41> build_id{};
};

/// All that the handler needs, made ready before it is needed. Of static storage, since a handler
/// has nobody to ask.
struct Handling {
  bool json = false;
  int report_to = -1;
  std::array<char, 96> build{};
  Executable executable;
  std::atomic<pid_t> teller{0};  ///< the thread that crashed first
  int faults = 0;                ///< of the teller
  CrashReport report;
};
constinit Handling g_handling;

template <std::size_t N>
void copy_text(std::string_view text, std::array<char, N>& into) noexcept {
  const std::size_t size = std::min(text.size(), N - 1);
  std::copy_n(text.data(), size, into.data());
  into[size] = '\0';
}

/// One line for stderr, made without allocation. What does not fit is left out.
class Line {
 public:
  Line& text(std::string_view text) noexcept {
    const std::size_t size = std::min(text.size(), bytes_.size() - size_);
    std::copy_n(text.data(), size, bytes_.data() + size_);
    size_ += size;
    return *this;
  }
  template <class Integer>
  Line& number(Integer value, int base = 10, std::size_t width = 0) noexcept {
    std::array<char, 24> digits;
    const auto end = std::to_chars(digits.begin(), digits.end(), value, base).ptr;
    const auto size = static_cast<std::size_t>(end - digits.begin());
    for (std::size_t i = size; i < width; ++i) text("0");
    return text({digits.data(), size});
  }
  Line& hex(std::uint64_t value) noexcept { return text("0x").number(value, 16); }
  /// In quotes; what would end them or the line is told as '?'.
  Line& quoted(std::string_view value) noexcept {
    text("\"");
    for (const char c : value) {
      const bool plain = c >= ' ' && c <= '~' && c != '"' && c != '\\';
      text(plain ? std::string_view(&c, 1) : "?");
    }
    return text("\"");
  }
  void clear() noexcept { size_ = 0; }
  void write(int descriptor) noexcept {
    text("\n");
    for (std::size_t done = 0; done < size_;) {
      const auto n = ::write(descriptor, bytes_.data() + done, size_ - done);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return;
      done += static_cast<std::size_t>(n);
    }
  }

 private:
  std::array<char, 8192> bytes_{};
  std::size_t size_ = 0;
};

/// `2026-01-01T00:00:00.000Z`, by arithmetic alone.
void add_time(Line& line, std::int64_t when_ms) noexcept {
  using namespace std::chrono;
  const sys_time<milliseconds> when{milliseconds(when_ms)};
  const auto day = floor<days>(when);
  const year_month_day date(day);
  const hh_mm_ss time(when - day);
  line.number(static_cast<int>(date.year())).text("-");
  line.number(static_cast<unsigned>(date.month()), 10, 2).text("-");
  line.number(static_cast<unsigned>(date.day()), 10, 2).text("T");
  line.number(time.hours().count(), 10, 2).text(":").number(time.minutes().count(), 10, 2);
  line.text(":").number(time.seconds().count(), 10, 2).text(".");
  line.number(time.subseconds().count(), 10, 3).text("Z");
}

/// Fields of one line, as logfmt or as JSON.
class Fields {
 public:
  Fields(Line& line, bool json) noexcept : line_(line), json_(json) {}
  Line& name(std::string_view name) noexcept {
    line_.text(first_ ? (json_ ? "{" : "") : (json_ ? "," : " "));
    first_ = false;
    return json_ ? line_.quoted(name).text(":") : line_.text(name).text("=");
  }
  void text(std::string_view of, std::string_view value) noexcept {
    Line& line = name(of);
    const bool plain = !value.empty() && value.find_first_of(" =\"\\") == std::string_view::npos;
    if (plain && !json_) {
      line.text(value);
    } else {
      line.quoted(value);
    }
  }
  void hex(std::string_view of, std::uint64_t value) noexcept {
    const std::string_view quote = json_ ? "\"" : "";
    name(of).text(quote).hex(value).text(quote);
  }
  void end() noexcept {
    if (json_) line_.text("}");
  }

 private:
  Line& line_;
  const bool json_;
  bool first_ = true;
};

void add_frames(Line& line, const CrashReport& report) noexcept {
  const Executable& executable = g_handling.executable;
  line.text("\"");
  for (std::size_t i = 0; i < report.depth; ++i) {
    const auto address = reinterpret_cast<std::uintptr_t>(report.frames[i]);
    const bool ours = address >= executable.base && address < executable.end;
    if (i > 0) line.text(" ");
    if (ours) line.text("exe+");
    line.hex(ours ? address - executable.base : address);
  }
  line.text("\"");
}

void write_line(const CrashReport& report) noexcept {
  static constinit Line line;
  line.clear();
  Fields fields(line, g_handling.json);
  if (g_handling.json) {
    fields.name("ts").number(report.when_ms);
  } else {
    add_time(fields.name("ts"), report.when_ms);
  }
  fields.text("level", "error");
  fields.text("caller", "recovery/crash_report.cc");
  fields.text("msg", "crashed");
  fields.text("signal", signal_name(report.signal));
  fields.name("code").number(report.code);
  fields.hex("address", report.address);
  fields.text("reason", report.reason.data());
  fields.text("thread", report.thread_name.data());
  fields.text("task", report.task_name.data());
  fields.name("taskId").number(report.task_id);
  fields.text("build", g_handling.build.data());
  fields.text("buildId", g_handling.executable.build_id.data());
  for (std::size_t i = 0; i < CrashReport::kRegisters; ++i) {
    if (register_names()[i] != nullptr) fields.hex(register_names()[i], report.registers[i]);
  }
  add_frames(fields.name("stack"), report);
  fields.end();
  line.write(STDERR_FILENO);
}

/// The thread and what it was doing, all but its stack.
void describe(CrashReport& report, int signal, const siginfo_t& info,
              const void* context) noexcept {
  report.signal = signal;
  report.code = info.si_code;
  report.address = info.si_code > 0 ? reinterpret_cast<std::uintptr_t>(info.si_addr) : 0;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  report.when_ms = static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
  report.thread = ::gettid();
  ::pthread_getname_np(::pthread_self(), report.thread_name.data(), report.thread_name.size());
#if defined(__x86_64__)
  const auto& registers = static_cast<const ucontext_t*>(context)->uc_mcontext;
  for (std::size_t i = 0; i < CrashReport::kRegisters; ++i) {
    report.registers[i] = static_cast<std::uint64_t>(registers.gregs[i]);
  }
#else
  static_cast<void>(context);
#endif
  const base::TaskContext* const task = base::current_task();
  if (task == nullptr) return;
  report.task_id = task->id;
  copy_text(task->name, report.task_name);
}

void describe_stack(CrashReport& report, const void* context) noexcept {
  static constinit std::array<void*, CrashReport::kFramesMax> frames{};
  const std::size_t depth = unwind(frames);
  const auto stack = interrupted_stack(std::span(frames).first(depth), interrupted_at(context));
  std::ranges::copy(stack, report.frames.begin());
  report.depth = static_cast<std::uint32_t>(stack.size());
}

/// Tells all there is. After it the signal's default befalls the process.
void tell(const CrashReport& report) noexcept {
  if (g_handling.report_to >= 0) {
    while (::write(g_handling.report_to, &report, sizeof report) < 0 && errno == EINTR) {
    }
  }
  write_line(report);
}

extern "C" void podkeeper_tell_of_crash(int signal, siginfo_t* info, void* context) {
  const pid_t self = ::gettid();
  pid_t teller = 0;
  CrashReport& report = g_handling.report;
  if (!g_handling.teller.compare_exchange_strong(teller, self) && teller != self) {
    while (true) ::pause();  // the one that came first ends the process
  }
  // A second fault of the same thread is the handler's own: then the first's findings are told.
  const int faults = ++g_handling.faults;
  if (faults == 1) {
    describe(report, signal, *info, context);
    describe_stack(report, context);
  }
  if (faults <= 2) tell(report);
  for (const int fatal : kFatalSignals) std::signal(fatal, SIG_DFL);
  // A fault befalls the instruction again when this returns; what was sent does not come again.
  if (info->si_code <= 0) std::raise(signal);
}

/// Says what std::terminate was called for, and aborts.
[[noreturn]] void note_termination() noexcept {
  std::string why = "std::terminate";
  if (const std::type_info* const type = abi::__cxa_current_exception_type(); type != nullptr) {
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> name(
        abi::__cxa_demangle(type->name(), nullptr, nullptr, &status), &std::free);
    why += std::string(": ") + (status == 0 ? name.get() : type->name());
    try {
      std::rethrow_exception(std::current_exception());
    } catch (const std::exception& e) {
      why += std::string(": ") + e.what();
    } catch (...) {
      why += ": no std::exception";
    }
  }
  copy_text(why, g_handling.report.reason);
  std::abort();
}

/// Of the program itself, which is the first that is told.
int take_executable(dl_phdr_info* info, std::size_t, void* data) {
  auto& executable = *static_cast<Executable*>(data);
  executable.base = info->dlpi_addr;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = info->dlpi_phdr[i];
    const std::uintptr_t begin = info->dlpi_addr + part.p_vaddr;
    if (part.p_type == PT_LOAD) executable.end = std::max(executable.end, begin + part.p_memsz);
    if (part.p_type != PT_NOTE) continue;
    for (std::uintptr_t at = begin; at + sizeof(ElfW(Nhdr)) <= begin + part.p_memsz;) {
      // NOLINTNEXTLINE(performance-no-int-to-ptr): the loader gives addresses as integers.
      const auto& note = *reinterpret_cast<const ElfW(Nhdr)*>(at);
      const std::uintptr_t name = at + sizeof note;
      const std::uintptr_t content = name + ((note.n_namesz + 3u) & ~3u);
      at = content + ((note.n_descsz + 3u) & ~3u);
      if (note.n_type != NT_GNU_BUILD_ID) continue;
      std::size_t size = 0;
      for (std::size_t b = 0; b < note.n_descsz && size + 2 < executable.build_id.size(); ++b) {
        // NOLINTNEXTLINE(performance-no-int-to-ptr)
        const unsigned byte = reinterpret_cast<const unsigned char*>(content)[b];
        executable.build_id[size++] = "0123456789abcdef"[byte >> 4];
        executable.build_id[size++] = "0123456789abcdef"[byte & 15];
      }
      return 1;
    }
  }
  return 1;
}

}  // namespace

const std::array<const char*, CrashReport::kRegisters>& register_names() noexcept {
#if defined(__x86_64__)
  static constexpr std::array<const char*, CrashReport::kRegisters> kNames{
      "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rdi",
      "rsi", "rbp", "rbx", "rdx", "rax", "rcx", "rsp", "rip"};
#else
  static constexpr std::array<const char*, CrashReport::kRegisters> kNames{};
#endif
  return kNames;
}

const char* signal_name(int signal) noexcept {
  switch (signal) {
    case SIGSEGV:
      return "SIGSEGV";
    case SIGBUS:
      return "SIGBUS";
    case SIGILL:
      return "SIGILL";
    case SIGFPE:
      return "SIGFPE";
    case SIGABRT:
      return "SIGABRT";
    case SIGSYS:
      return "SIGSYS";
    case SIGTRAP:
      return "SIGTRAP";
    case SIGKILL:
      return "SIGKILL";
    default:
      return "other";
  }
}

void tell_of_crashes(const CrashHandling& handling) {
  g_handling.json = handling.json;
  g_handling.report_to = handling.report_to;
  copy_text(handling.build, g_handling.build);
  ::dl_iterate_phdr(&take_executable, &g_handling.executable);
  // The unwinder sets itself up on its first use, which must not be inside a handler.
  (void)unwind(g_handling.report.frames);
  std::set_terminate(&note_termination);
  struct sigaction action{};
  action.sa_sigaction = &podkeeper_tell_of_crash;
  // A fault of the handler itself comes to the handler again.
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  ::sigemptyset(&action.sa_mask);
  for (const int fatal : kFatalSignals) ::sigaction(fatal, &action, nullptr);
}

CrashStack::CrashStack()
    : memory_(::mmap(nullptr, kCrashStackBytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0)) {
  if (memory_ == MAP_FAILED) return;  // then an overflow of this thread ends without a report
  const stack_t stack{.ss_sp = memory_, .ss_flags = 0, .ss_size = kCrashStackBytes};
  ::sigaltstack(&stack, &before_);
}

CrashStack::~CrashStack() {
  if (memory_ == MAP_FAILED) return;
  ::sigaltstack(&before_, nullptr);
  ::munmap(memory_, kCrashStackBytes);
}

}  // namespace podkeeper::recovery

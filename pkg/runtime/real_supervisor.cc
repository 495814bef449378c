#include "pkg/runtime/real_supervisor.h"

#include "pkg/runtime/owned_fd.h"
#include "pkg/telemetry/log_line.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <initializer_list>
#include <iostream>
#include <memory>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace podkeeper::runtime {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kAddressBytesMax = 512;

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), std::string("--supervise: ") + what);
}

/// A message with one descriptor.
struct Parcel {
  std::array<char, kAddressBytesMax> text{};
  iovec part{.iov_base = text.data(), .iov_len = text.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr header{.msg_name = nullptr,
                .msg_namelen = 0,
                .msg_iov = &part,
                .msg_iovlen = 1,
                .msg_control = control.data(),
                .msg_controllen = control.size(),
                .msg_flags = 0};
};

void send_listener(int link, const std::string& address, int descriptor) {
  Parcel parcel;
  parcel.part.iov_len = std::min(address.size(), parcel.text.size());
  std::copy_n(address.data(), parcel.part.iov_len, parcel.text.data());
  cmsghdr* const control = CMSG_FIRSTHDR(&parcel.header);
  control->cmsg_level = SOL_SOCKET;
  control->cmsg_type = SCM_RIGHTS;
  control->cmsg_len = CMSG_LEN(sizeof descriptor);
  std::memcpy(CMSG_DATA(control), &descriptor, sizeof descriptor);
  // Where it fails the next process binds anew, which is what it would do without us.
  (void)::sendmsg(link, &parcel.header, MSG_NOSIGNAL | MSG_DONTWAIT);
}

std::optional<std::pair<std::string, int>> receive_listener(int link) {
  Parcel parcel;
  const auto size = ::recvmsg(link, &parcel.header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (size <= 0) return std::nullopt;
  const cmsghdr* const control = CMSG_FIRSTHDR(&parcel.header);
  if (control == nullptr || control->cmsg_type != SCM_RIGHTS) return std::nullopt;
  int descriptor = -1;
  std::memcpy(&descriptor, CMSG_DATA(control), sizeof descriptor);
  return std::pair(std::string(parcel.text.data(), static_cast<std::size_t>(size)), descriptor);
}

}  // namespace

std::optional<int> Supervision::take_listener(const std::string& address) {
  base::Lock lock(mutex_);
  const auto found = std::ranges::find(listeners_, address, &std::pair<std::string, int>::first);
  if (found == listeners_.end()) return std::nullopt;
  const int descriptor = found->second;
  listeners_.erase(found);
  return descriptor;
}

void Supervision::keep_listener(const std::string& address, int descriptor) {
  send_listener(link_, address, descriptor);
}

base::Duration Supervision::note(Crash crash) {
  streak_ = crash.ran_for < kSettled ? streak_ + 1 : 1;
  ++by_signal_[crash.signal];
  ++restarts_;
  crashes_.push_front(std::move(crash));
  if (crashes_.size() > kCrashesMax) crashes_.pop_back();
  if (!crash_loop()) return {};
  const int doublings = std::min(streak_ - kLoopCrashes, 5);
  return std::min<base::Duration>(std::chrono::seconds(1 << doublings), kDelayMax);
}

/// The process that starts the others.
class Supervisor {
 public:
  explicit Supervisor(bool json) : json_(json) {
    sigset_t ours;
    ::sigemptyset(&ours);
    for (const int signal : {SIGCHLD, SIGTERM, SIGINT}) ::sigaddset(&ours, signal);
    ::sigprocmask(SIG_BLOCK, &ours, &before_);
    signals_ = OwnedFd(::signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK));
    if (signals_.get() < 0) fail("no signalfd");
  }

  int run(const std::function<int(Supervision&)>& serve) {
    while (true) {
      if (begin()) return serve(supervision_);
      const int status = wait_for_end();
      if (WIFEXITED(status)) return WEXITSTATUS(status);
      if (ending_ != 0) return 128 + ending_;
      wait_for(note_crash(WTERMSIG(status)));
      if (ending_ != 0) return 128 + ending_;
    }
  }

 private:
  /// Starts a process; true in it.
  bool begin() {
    std::array<int, 2> link{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link.data()) != 0)
      fail("no socket");
    OwnedFd our_link(link[0]), their_link(link[1]);
    auto reports = make_pipe();
    if (!reports) fail("no pipe");
    ::fcntl(reports->read.get(), F_SETFL, O_NONBLOCK);
    const pid_t parent = ::getpid();
    began_ = steady_clock::now();
    child_ = ::fork();
    if (child_ < 0) fail("no process");
    if (child_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(128 + SIGKILL);  // it died before that
      ::sigprocmask(SIG_SETMASK, &before_, nullptr);
      signals_.reset();
      supervision_.link_ = their_link.release();
      supervision_.report_to_ = reports->write.release();
      return true;
    }
    link_ = std::move(our_link);
    reports_ = std::move(reports->read);
    return false;
  }

  /// The wait status of the process that serves.
  int wait_for_end() {
    std::optional<int> status;
    while (!status) {
      std::array<pollfd, 2> waiting{{{signals_.get(), POLLIN, 0}, {link_.get(), POLLIN, 0}}};
      ::poll(waiting.data(), waiting.size(), -1);
      take_listeners();
      if (take_signals()) ::kill(child_, kPassedOn);
      status = reap();
    }
    take_listeners();
    return *status;
  }

  /// Until then, or until a signal comes that is to end us.
  void wait_for(base::Duration delay) {
    const auto until = steady_clock::now() + delay;
    while (ending_ == 0) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(until - steady_clock::now()).count();
      if (left <= 0) return;
      pollfd waiting{signals_.get(), POLLIN, 0};
      ::poll(&waiting, 1, static_cast<int>(left));
      (void)take_signals();
      (void)reap();
    }
  }

  /// Reads what came; true where we are to end.
  bool take_signals() {
    bool to_end = false;
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      const int signal = static_cast<int>(info.ssi_signo);
      if (signal == SIGCHLD) continue;
      ending_ = signal;
      to_end = true;
    }
    return to_end;
  }

  /// Whatever ended, orphans too, whose parent we are as process 1.
  std::optional<int> reap() {
    std::optional<int> ended;
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid == child_) ended = status;
    }
    return ended;
  }

  void take_listeners() {
    while (auto listener = receive_listener(link_.get())) {
      base::Lock lock(supervision_.mutex_);
      supervision_.listeners_.push_back(*std::move(listener));
    }
  }

  base::Duration note_crash(int signal) {
    Crash crash{.signal = signal, .ran_for = steady_clock::now() - began_};
    recovery::CrashReport report;
    if (::read(reports_.get(), &report, sizeof report) == static_cast<ssize_t>(sizeof report)) {
      crash.report = report;
    }
    const auto ran_for = std::chrono::duration<double>(crash.ran_for).count();
    const auto delay = supervision_.note(std::move(crash));
    say("crashed, starting again", {{"signal", recovery::signal_name(signal)},
                                    {"ranForSeconds", ran_for},
                                    {"restarts", supervision_.restarts()},
                                    {"crashLoop", supervision_.crash_loop()},
                                    {"waitSeconds", std::chrono::duration<double>(delay).count()}});
    return delay;
  }

  /// The log has a thread, and this process none.
  void say(const telemetry::LogEvent& event,
           std::initializer_list<telemetry::LogField> fields) const {
    std::cerr << telemetry::render_log_line(
                     json_ ? telemetry::LogFormat::kJson : telemetry::LogFormat::kText,
                     std::chrono::system_clock::now(), telemetry::LogLevel::kError, 0, event,
                     {fields.begin(), fields.size()}, {})
              << std::endl;
  }

  const bool json_;
  sigset_t before_{};
  OwnedFd signals_, link_, reports_;
  pid_t child_ = -1;
  steady_clock::time_point began_;
  int ending_ = 0;  ///< the signal that is to end us
  Supervision supervision_;
};

int supervise(const std::function<int(Supervision&)>& serve, bool json) {
  return Supervisor(json).run(serve);
}

}  // namespace podkeeper::runtime

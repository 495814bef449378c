#include "pkg/runtime/real_processes.h"

#include "pkg/runtime/owned_fd.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <memory>
#include <optional>
#include <spawn.h>
#include <string_view>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace podkeeper::runtime {

namespace asio = boost::asio;
using base::Error;
using base::ErrorCode;
using boost::system::error_code;

namespace {

constexpr auto kValue = asio::as_tuple(asio::use_awaitable_t<base::Executor>{});
using Descriptor = asio::posix::basic_stream_descriptor<asio::io_context::executor_type>;

/// Nobody reads stderr before the end, so that it must fit into the pipe; a program that complains
/// more waits until it is killed. 1 MiB is what the system lets everybody have.
constexpr int kComplaintPipeBytes = 1 << 20;

/// "NAME=value" for each variable of the program and each of ours that it does not name.
std::vector<std::string> environment_of(const base::Program& program) {
  std::vector<std::string> all;
  for (const auto& [name, value] : program.environment) all.push_back(name + "=" + value);
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    const std::string_view name = text.substr(0, text.find('='));
    const bool replaced = std::ranges::any_of(
        program.environment, [&](const auto& entry) { return entry.first == name; });
    if (!replaced) all.emplace_back(text);
  }
  return all;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// Starts it; the process, or what errno said.
std::expected<pid_t, int> spawn(const base::Program& program, int output, int complaint) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, complaint, STDERR_FILENO);
  // Whatever some library forgot to mark: no descriptor of ours reaches the program.
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<std::string> arguments{program.command};
  arguments.insert(arguments.end(), program.arguments.begin(), program.arguments.end());
  std::vector<std::string> variables = environment_of(program);
  pid_t pid = -1;
  const int failed = posix_spawnp(&pid, program.command.c_str(), &actions, &attributes,
                                  pointers_to(arguments).data(), pointers_to(variables).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return std::unexpected(failed);
  return pid;
}

/// A process that is killed with its group unless its end was waited for.
class Child {
 public:
  Child(asio::io_context& io, pid_t pid, Pipe output, OwnedFd complaint)
      : output_(io.get_executor(), output.read.release()),
        end_(io.get_executor(), static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))),
        complaint_(std::move(complaint)),
        pid_(pid) {}
  ~Child() {
    if (reaped_) return;
    ::kill(-pid_, SIGKILL);
    int ignored = 0;
    ::waitpid(pid_, &ignored, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Any task that waits for output or end goes on, with kTimeout.
  void expire() {
    late_ = true;
    error_code ignored;
    output_.cancel(ignored);
    end_.cancel(ignored);
  }

  base::Task<base::Result<base::ProgramEnd>> run(std::size_t output_bytes_max) {
    base::ProgramEnd end;
    std::array<char, 16 * 1024> buffer;
    while (true) {
      auto reading = output_.async_read_some(asio::buffer(buffer), kValue);
      auto [ec, size] = co_await std::move(reading);
      if (ec == asio::error::eof) break;
      if (ec || late_) co_return failure(ec);
      end.output.append(buffer.data(), size);
      if (end.output.size() > output_bytes_max) {
        co_return Error{
            ErrorCode::kTooLarge,
            "it wrote more than " + std::to_string(output_bytes_max) + " bytes, and was killed"};
      }
    }
    if (!late_) {
      auto waiting = end_.async_wait(Descriptor::wait_read, kValue);
      auto [ec] = co_await std::move(waiting);
      if (ec || late_) co_return failure(ec);
    }
    if (late_) co_return failure({});
    end.status = reap();
    end.complaint = complaint();
    co_return end;
  }

 private:
  [[nodiscard]] Error failure(const error_code& ec) const {
    if (late_) return {ErrorCode::kTimeout, "it did not end in time, and was killed"};
    if (ec == asio::error::operation_aborted) throw boost::system::system_error(ec);
    return {ErrorCode::kIo, "its output cannot be read: " + ec.message()};
  }

  int reap() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    reaped_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  [[nodiscard]] std::string complaint() const {
    std::string text(base::Processes::kComplaintBytesMax, '\0');
    const ssize_t size = ::read(complaint_.get(), text.data(), text.size());
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    return text;
  }

  Descriptor output_;
  Descriptor end_;
  OwnedFd complaint_;
  const pid_t pid_;
  bool reaped_ = false;
  bool late_ = false;
};

Error refusal(const base::Program& program, int error) {
  const bool absent = error == ENOENT || error == ENOTDIR;
  return {absent ? ErrorCode::kNotFound : ErrorCode::kIo,
          "start " + program.command + ": " + std::system_category().message(error)};
}

}  // namespace

base::Task<base::Result<base::ProgramEnd>> RealProcesses::run(base::Program program,
                                                              base::MonotonicTime deadline) {
  auto output = make_pipe();
  auto complaint = make_pipe();
  if (!output || !complaint) co_return refusal(program, errno);
  ::fcntl(complaint->write.get(), F_SETPIPE_SZ, kComplaintPipeBytes);
  ::fcntl(complaint->read.get(), F_SETFL, O_NONBLOCK);
  const auto pid = spawn(program, output->write.get(), complaint->write.get());
  output->write = OwnedFd();
  complaint->write = OwnedFd();
  if (!pid) co_return refusal(program, pid.error());
  const base::Executor executor = co_await asio::this_coro::executor;
  auto child = std::make_shared<Child>(io_, *pid, *std::move(output), std::move(complaint->read));
  const auto timer = clock_.call_at(deadline, executor, [weak = std::weak_ptr(child)] {
    if (const auto running = weak.lock()) running->expire();
  });
  auto running = child->run(program.output_bytes_max);
  auto ended = co_await std::move(running);
  clock_.cancel(timer);
  if (!ended) ended.error().message = program.command + ": " + ended.error().message;
  co_return ended;
}

}  // namespace podkeeper::runtime

#include "tests/proofs/support/process.h"

#include <condition_variable>
#include <dirent.h>
#include <fcntl.h>
#include <fstream>
#include <mutex>
#include <signal.h>
#include <sstream>
#include <stdexcept>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace podkeeper::proofs {

struct Process::State {
  pid_t pid = -1;
  std::thread reader;
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> lines;
  bool ended = false;  // the pipe is closed
  int status = -1;     // waitpid's, once reaped
  bool reaped = false;

  void read_lines(int fd) {
    std::string rest;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::read(fd, buffer, sizeof buffer)) > 0;) {
      rest.append(buffer, static_cast<std::size_t>(n));
      std::lock_guard lock(mutex);
      for (std::size_t end = 0; (end = rest.find('\n')) != std::string::npos;
           rest.erase(0, end + 1)) {
        lines.push_back(rest.substr(0, end));
      }
      changed.notify_all();
    }
    ::close(fd);
    std::lock_guard lock(mutex);
    ended = true;
    changed.notify_all();
  }

  std::string tail() const {
    std::string text;
    for (std::size_t i = lines.size() < 8 ? 0 : lines.size() - 8; i < lines.size(); ++i) {
      text += "\n  " + lines[i];
    }
    return text;
  }

  std::string proc(const std::string& file) const {
    return "/proc/" + std::to_string(pid) + "/" + file;
  }

  std::uint64_t status_kib(const std::string& key) const {
    std::ifstream in(proc("status"));
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with(key)) return std::stoull(line.substr(key.size() + 1));
    }
    return 0;
  }
};

Process::Process(std::vector<std::string> arguments) : state_(std::make_unique<State>()) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) throw std::runtime_error("pipe: no descriptors left");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  state_->pid = ::fork();
  if (state_->pid == 0) {
    ::dup2(pipe[1], 1);
    ::dup2(pipe[1], 2);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(pipe[1]);
  if (state_->pid < 0) throw std::runtime_error("fork failed");
  state_->reader = std::thread([s = state_.get(), fd = pipe[0]] { s->read_lines(fd); });
}

Process::~Process() {
  if (!state_->reaped) {
    ::kill(state_->pid, SIGKILL);
    ::waitpid(state_->pid, &state_->status, 0);
  }
  state_->reader.join();
}

std::string Process::wait_for_line(const std::function<bool(const std::string&)>& wanted,
                                   std::chrono::seconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  std::unique_lock lock(state_->mutex);
  for (std::size_t seen = 0;;) {
    for (; seen < state_->lines.size(); ++seen) {
      if (wanted(state_->lines[seen])) return state_->lines[seen];
    }
    if (state_->ended) throw std::runtime_error("the process ended first:" + state_->tail());
    if (state_->changed.wait_until(lock, deadline) == std::cv_status::timeout) {
      throw std::runtime_error("the line did not come:" + state_->tail());
    }
  }
}

void Process::signal(int number) const { ::kill(state_->pid, number); }

int Process::wait(std::chrono::seconds limit) {
  {
    std::unique_lock lock(state_->mutex);
    if (!state_->changed.wait_for(lock, limit, [&] { return state_->ended; })) {
      throw std::runtime_error("the process did not end:" + state_->tail());
    }
  }
  if (!state_->reaped) {
    ::waitpid(state_->pid, &state_->status, 0);
    state_->reaped = true;
  }
  return WIFEXITED(state_->status) ? WEXITSTATUS(state_->status) : 128 + WTERMSIG(state_->status);
}

bool Process::alive() const {
  std::lock_guard lock(state_->mutex);
  return !state_->ended;
}

std::vector<std::string> Process::lines() const {
  std::lock_guard lock(state_->mutex);
  return state_->lines;
}

double Process::cpu_seconds() const {
  std::uint64_t total = 0;
  const std::string folder = state_->proc("task");
  if (DIR* tasks = ::opendir(folder.c_str()); tasks != nullptr) {
    while (const dirent* entry = ::readdir(tasks)) {
      std::ifstream in(folder + "/" + entry->d_name + "/schedstat");
      std::uint64_t ns = 0;
      if (in >> ns) total += ns;
    }
    ::closedir(tasks);
  }
  return static_cast<double>(total) * 1e-9;
}

std::uint64_t Process::rss_bytes() const { return state_->status_kib("VmRSS:") * 1024; }
std::uint64_t Process::peak_rss_bytes() const { return state_->status_kib("VmHWM:") * 1024; }

std::size_t Process::open_descriptors() const {
  std::size_t count = 0;
  if (DIR* folder = ::opendir(state_->proc("fd").c_str()); folder != nullptr) {
    while (::readdir(folder) != nullptr) ++count;
    ::closedir(folder);
  }
  return count < 2 ? 0 : count - 2;
}

std::uint16_t port_in(const std::string& line) {
  const std::size_t at = line.find("127.0.0.1:");
  if (at == std::string::npos) throw std::runtime_error("no address in: " + line);
  return static_cast<std::uint16_t>(std::stoul(line.substr(at + 10)));
}

}  // namespace podkeeper::proofs

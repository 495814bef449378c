#pragma once

#include <cstdint>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <vector>

namespace podkeeper::base {

/// What kind of fault of our own reached a handler boundary.
enum class PanicKind {
  kException,  ///< any C++ exception, of any type
  kInvariant,  ///< a failed PK_CHECK
  kMisuse,     ///< a concurrent map used against its contract
};
inline constexpr PanicKind kPanicKinds[] = {PanicKind::kException, PanicKind::kInvariant,
                                            PanicKind::kMisuse};
const char* to_string(PanicKind kind) noexcept;

/// Thrown by PK_CHECK and, as Misuse, by misuse detection; only recovery::guard catches it.
class Panic : public std::logic_error {
 public:
  Panic(PanicKind kind, const std::string& why,
        std::source_location where = std::source_location::current())
      : std::logic_error(why), kind_(kind), where_(where) {}
  [[nodiscard]] PanicKind kind() const noexcept { return kind_; }
  [[nodiscard]] const std::source_location& where() const noexcept { return where_; }

 private:
  PanicKind kind_;
  std::source_location where_;
};

/// One of the two that met where only one may be: which task, who started it, what it did and from
/// where.
struct MisuseParty {
  std::string doing;          ///< "put", "iteration", ...
  std::uint64_t task_id = 0;  ///< 0: outside any task
  std::string task_name = {};
  std::string created_by = {};    ///< "file:line" where the task was started
  std::string call_site = {};     ///< "file:line", or empty where only the address is known
  const void* address = nullptr;  ///< return address at the call; named when a report is read
};
/// Fills the task's part in from the task that this thread runs now.
MisuseParty misuse_by_current_task(std::string doing, const void* address,
                                   std::string call_site = {});
/// "put of task reflector pods#12 (created by daemon/mirrors.cc:85) at pkg/state/store.cc:40".
std::string to_string(const MisuseParty& party);

/// Something used by two at once, or before it was made ready, against its contract. Names both;
/// `other` is empty where there is no second.
class Misuse final : public Panic {
 public:
  Misuse(const std::string& why, MisuseParty self, std::optional<MisuseParty> other,
         std::source_location where = std::source_location::current());
  /// The one that noticed first, then the one it met.
  [[nodiscard]] const std::vector<MisuseParty>& parties() const noexcept { return parties_; }

 private:
  std::vector<MisuseParty> parties_;
};

namespace detail {
[[noreturn]] void check_failed(const char* expression, const std::string& why,
                               std::source_location where);
}  // namespace detail

}  // namespace podkeeper::base

/// PK_CHECK(condition, why): an invariant that only a bug can break. Throws base::Panic, which ends
/// in the nearest recovery::guard: that handler fails, the process and every other handler go on.
#define PK_CHECK(condition, why)                                                                   \
  do {                                                                                             \
    if (!(condition)) [[unlikely]] {                                                               \
      ::podkeeper::base::detail::check_failed(#condition, (why), std::source_location::current()); \
    }                                                                                              \
  } while (false)

#pragma once

#include <source_location>
#include <stdexcept>
#include <string>

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

/// Thrown by PK_CHECK and by misuse detection; only recovery::guard catches it.
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

#pragma once

#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/base/task_context.h"

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <exception>
#include <type_traits>
#include <utility>

namespace podkeeper::recovery {

/// Who is to act on an Error: try again with backoff, tell the caller, or look at the panic report.
enum class ErrorClass { kTransient, kDomain, kPanic };
ErrorClass classify(const base::Error& error) noexcept;

namespace detail {
/// Records the exception being handled and gives the Error that its caller sees. A stop of the task
/// (operation_aborted) is kCancelled and not a panic.
base::Error record_current_exception(base::Handler handler) noexcept;
}  // namespace detail

/// Runs `f`. An exception of any type, or a failed PK_CHECK, becomes a recorded PanicReport and an
/// Error of code kInternal; it never escapes. Costs nothing on the way that does not throw.
template <class F>
auto guard(base::Handler handler, F&& f) noexcept
    -> base::Result<std::remove_cvref_t<std::invoke_result_t<F>>> {
  using T = std::remove_cvref_t<std::invoke_result_t<F>>;
  try {
    if constexpr (std::is_void_v<T>) {
      std::forward<F>(f)();
      return {};
    } else {
      return std::forward<F>(f)();
    }
  } catch (...) {
    return detail::record_current_exception(handler);
  }
}

/// The same for a coroutine.
template <class T>
base::Task<base::Result<T>> guard(base::Handler handler, base::Task<T> task) {
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(task);
      co_return base::Result<void>{};
    } else {
      co_return co_await std::move(task);
    }
  } catch (...) {
    co_return detail::record_current_exception(handler);
  }
}

}  // namespace podkeeper::recovery

#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace podkeeper::base {

/// Where work runs: a strand of the real world, or the seeded executor of the simulated one.
using Executor = boost::asio::any_io_executor;

/// The one coroutine type. A failure of the world is a Result in T; being asked to stop arrives as
/// the exception boost::system::system_error(operation_aborted) out of a co_await and unwinds to
/// the TaskGroup.
template <class T = void>
using Task = boost::asio::awaitable<T, Executor>;

}  // namespace podkeeper::base

#pragma once

#include "pkg/base/net.h"
#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/runtime/simulated_world.h"

#include <boost/asio/buffer.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

namespace podkeeper::runtime {

/// A world with one listener on port 80 and both ends of one connection to it.
struct Pair {
  explicit Pair(SimulatedWorld& w) : world(w) {}
  base::Task<void> open() {
    auto bound = world.network().listen({"server", 80});
    listener = std::move(bound.value());
    auto connecting = world.network().connect({"server", 80}, base::MonotonicTime::max());
    auto connected = co_await std::move(connecting);
    client = std::move(connected.value());
    auto accepting = listener->accept(world.make_executor());
    auto accepted = co_await std::move(accepting);
    server = std::move(accepted.value());
  }
  SimulatedWorld& world;
  std::unique_ptr<base::Listener> listener;
  std::unique_ptr<base::Stream> client;
  std::unique_ptr<base::Stream> server;
};

inline base::Task<base::Result<void>> write_all(base::Stream& stream, std::string text) {
  const std::array pieces{boost::asio::const_buffer(text.data(), text.size())};
  auto writing = stream.write(pieces);
  co_return co_await std::move(writing);
}

/// Everything until the end or an error, whose code is returned beside it.
struct Read {
  std::string text;
  base::ErrorCode failure = base::ErrorCode::kNotFound;  ///< kNotFound: none, a clean end
};
inline base::Task<Read> read_all(base::Stream& stream) {
  Read all;
  std::array<char, 8192> buffer{};
  for (;;) {
    auto reading = stream.read_some(boost::asio::buffer(buffer));
    const auto size = co_await std::move(reading);
    if (!size) {
      all.failure = size.error().code;
      co_return all;
    }
    if (*size == 0) co_return all;
    all.text.append(buffer.data(), *size);
  }
}

inline std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i * 7 % 26);
  return text;
}

}  // namespace podkeeper::runtime

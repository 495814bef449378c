#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <thread>

namespace podkeeper::bench {

/// The peer of the serving benchmark: Boost.Beast as its examples use it (coroutines, string body,
/// one thread), answering every request with what `make` gives.
class BeastPeer {
 public:
  explicit BeastPeer(std::function<std::string()> make)
      : make_(std::move(make)), acceptor_(io_, {boost::asio::ip::address_v4::loopback(), 0}) {
    boost::asio::co_spawn(io_, accept(), boost::asio::detached);
    thread_ = std::jthread([this] { io_.run(); });
  }
  ~BeastPeer() { io_.stop(); }
  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  [[nodiscard]] pthread_t thread() { return thread_.native_handle(); }

 private:
  boost::asio::awaitable<void> accept() {
    for (;;) {
      auto socket = co_await acceptor_.async_accept(boost::asio::use_awaitable);
      socket.set_option(boost::asio::ip::tcp::no_delay(true));
      boost::asio::co_spawn(io_, serve(std::move(socket)), boost::asio::detached);
    }
  }
  boost::asio::awaitable<void> serve(boost::asio::ip::tcp::socket socket) {
    namespace http = boost::beast::http;
    boost::beast::flat_buffer buffer;
    try {
      for (;;) {
        http::request<http::string_body> request;
        co_await http::async_read(socket, buffer, request, boost::asio::use_awaitable);
        http::response<http::string_body> response(http::status::ok, 11);
        response.set(http::field::content_type, "application/json");
        response.body() = make_();
        response.prepare_payload();
        co_await http::async_write(socket, response, boost::asio::use_awaitable);
      }
    } catch (const boost::system::system_error&) {
      // The client has gone.
    }
  }

  std::function<std::string()> make_;
  boost::asio::io_context io_{1};
  boost::asio::ip::tcp::acceptor acceptor_;
  std::jthread thread_;
};

}  // namespace podkeeper::bench

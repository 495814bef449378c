#include "pkg/http/head.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>

#include <cstdint>

namespace podkeeper::http {
namespace {

namespace beast = boost::beast;
using BeastError = beast::error_code;
using BeastView = beast::string_view;

std::string_view view(BeastView text) noexcept { return {text.data(), text.size()}; }

/// Beast's grammar with our containers: fields go straight into a Headers. Bodies never reach it.
template <bool kIsRequest, class Head>
class Parser final : public beast::http::basic_parser<kIsRequest> {
 public:
  explicit Parser(Head& head) : head_(head) {
    this->eager(false);
    this->skip(true);
    this->body_limit(boost::none);
  }
  [[nodiscard]] bool too_many_fields() const noexcept { return too_many_fields_; }

 private:
  void on_request_impl(beast::http::verb, BeastView method, BeastView target, int version,
                       BeastError&) override {
    if constexpr (kIsRequest) {
      head_.method = view(method);
      head_.target = view(target);
      head_.version_minor = version - 10;
    }
  }
  void on_response_impl(int status, BeastView, int version, BeastError&) override {
    if constexpr (!kIsRequest) {
      head_.status = status;
      head_.version_minor = version - 10;
    }
  }
  void on_field_impl(beast::http::field, BeastView name, BeastView value,
                     BeastError& error) override {
    if (head_.headers.fields().size() == kHeaderFieldsMax) {
      too_many_fields_ = true;
      error = beast::http::error::header_limit;
      return;
    }
    head_.headers.add(std::string(view(name)), std::string(view(value)));
  }
  void on_header_impl(BeastError&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, BeastError&) override {}
  std::size_t on_body_impl(BeastView body, BeastError&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, BeastView, BeastError&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, BeastView body, BeastError&) override {
    return body.size();
  }
  void on_finish_impl(BeastError&) override {}

  Head& head_;
  bool too_many_fields_ = false;
};

template <bool kIsRequest, class Head>
HeadFault parse(std::string_view bytes, Head& head) {
  Parser<kIsRequest, Head> parser(head);
  parser.header_limit(static_cast<std::uint32_t>(bytes.size() + 1));
  BeastError error;
  const std::size_t used = parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
  if (parser.too_many_fields()) return HeadFault::kTooManyFields;
  using E = beast::http::error;
  if (error == E::bad_version) return HeadFault::kVersion;
  if (error == E::bad_transfer_encoding) return HeadFault::kTransferEncoding;
  if (error == E::bad_content_length || error == E::multiple_content_length) {
    return HeadFault::kContentLength;
  }
  if (error || !parser.is_header_done() || used != bytes.size()) return HeadFault::kMalformed;
  return HeadFault::kNone;
}

}  // namespace

HeadScanner::State HeadScanner::scan(std::string_view bytes) noexcept {
  while (position_ < bytes.size()) {
    const std::size_t newline = bytes.find('\n', position_);
    if (newline == std::string_view::npos) {
      position_ = bytes.size();
      break;
    }
    position_ = newline + 1;
    if (newline == line_start_ || bytes[newline - 1] != '\r') return State::kBadLine;
    const std::size_t line_size = newline - 1 - line_start_;
    if (line_start_ == 0) {
      if (line_size == 0) return State::kBadLine;
      first_line_size_ = line_size;
    } else if (line_size == 0) {
      return State::kComplete;
    } else if (bytes[line_start_] == ' ' || bytes[line_start_] == '\t') {
      return State::kFolded;
    }
    line_start_ = position_;
  }
  return State::kPartial;
}

HeadFault parse_request_head(std::string_view head, RequestHead& into) {
  return parse<true>(head, into);
}
HeadFault parse_response_head(std::string_view head, ResponseHead& into) {
  return parse<false>(head, into);
}

bool has_token(std::string_view list, std::string_view token) noexcept {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    std::string_view element = list.substr(0, comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    while (!element.empty() && (element.front() == ' ' || element.front() == '\t')) {
      element.remove_prefix(1);
    }
    while (!element.empty() && (element.back() == ' ' || element.back() == '\t')) {
      element.remove_suffix(1);
    }
    if (equal_ignoring_case(element, token)) return true;
  }
  return false;
}

bool has_token(const Headers& headers, std::string_view name, std::string_view token) noexcept {
  for (const auto& [field, value] : headers.fields()) {
    if (equal_ignoring_case(field, name) && has_token(value, token)) return true;
  }
  return false;
}

}  // namespace podkeeper::http

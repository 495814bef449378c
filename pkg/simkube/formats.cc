#include "pkg/simkube/formats.h"

#include "pkg/kube/object.h"
#include "pkg/settings/settings.h"
#include "pkg/simkube/rules.h"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <boost/system/error_code.hpp>

#include <algorithm>
#include <cstddef>

namespace podkeeper::simkube {
namespace {

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/// 8-4-4-4-12 digits; the hyphens may be missing, as upstream has it.
bool is_uuid(std::string_view text) {
  constexpr std::size_t kDigits = 32;
  std::size_t digits = 0;
  for (const char c : text) {
    const bool boundary = digits == 8 || digits == 12 || digits == 16 || digits == 20;
    if (c == '-' && boundary) continue;
    if (!is_hex(c)) return false;
    ++digits;
  }
  return digits == kDigits;
}

/// Standard base64 with its padding.
bool is_base64(std::string_view text) {
  if (text.size() % 4 != 0) return false;
  const auto padding = text.ends_with("==") ? 2U : text.ends_with("=") ? 1U : 0U;
  return std::ranges::all_of(text.substr(0, text.size() - padding), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' ||
           c == '/';
  });
}

bool is_cidr(const std::string& text) {
  boost::system::error_code v4, v6;
  (void)boost::asio::ip::make_network_v4(text, v4);
  (void)boost::asio::ip::make_network_v6(text, v6);
  return !v4 || !v6;
}

bool is_address(const std::string& text, bool v6) {
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(text, error);
  return !error && address.is_v6() == v6;
}

}  // namespace

bool has_format(std::string_view name, const std::string& text) {
  if (name == "date-time") return kube::parse_time(text).has_value();
  if (name == "date") {
    return text.size() == 10 && kube::parse_time(text + "T00:00:00Z").has_value();
  }
  if (name == "duration") return settings::parse_duration(text).has_value();
  if (name == "uuid") return is_uuid(text);
  if (name == "ipv4") return is_address(text, false);
  if (name == "ipv6") return is_address(text, true);
  if (name == "cidr") return is_cidr(text);
  if (name == "byte") return is_base64(text);
  if (name == "hostname") return is_dns_subdomain(text);
  return true;
}

}  // namespace podkeeper::simkube
